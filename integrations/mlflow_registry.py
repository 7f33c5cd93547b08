"""An MLflow model registry over its REST API (2.0), and what each answer means for what was done.

MLflow answers an error with a code of its own beside the HTTP status (`error_code`, mlflow.org, "REST API").
It has no transactions and no versions of its records; what follows from that for a step says `mlflow`.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx

from causal.errors import Refused, Unavailable, UnknownEffect
from integrations.http_wire import token_of
from integrations.mlflow_connection import RegistryConnection
from playbooks.lookups import is_visible

EXCERPT = 300
CONNECT_SECONDS = 5.0
SHORTEST = 0.1
PAGE = 200
_TRY_AGAIN = {408, 425, 429, 503}

Json = dict[str, Any]


class Missing(Refused):
    """There is no such model, version or alias."""


@dataclass(frozen=True)
class Version:
    """A version of a model, as far as a rollback asks about it."""

    number: int
    is_ready: bool
    tags: Mapping[str, str]

    def is_good(self, tags: Mapping[str, str]) -> bool:
        """Whether it can be served and bears all of these tags."""
        return self.is_ready and all(self.tags.get(name) == value for name, value in tags.items())


@dataclass(frozen=True)
class MlflowRegistry:
    """The registry of a connection, until a deadline (of `time.monotonic`)."""

    name: str
    connection: RegistryConnection
    deadline: float

    def tags(self, model: str) -> dict[str, str]:
        """Return the tags of a registered model; Missing if there is none."""
        return _tags(self._model(model))

    def set_tag(self, model: str, key: str, value: str) -> None:
        """Set a tag of a registered model; setting it again changes nothing."""
        self._ask("POST", "registered-models/set-tag", {"name": model, "key": key, "value": value})

    def aliased(self, model: str, alias: str) -> int | None:
        """Return the version that an alias points to, None if there is no such alias."""
        found = [each["version"] for each in self._model(model).get("aliases", ()) if each["alias"] == alias]
        return int(found[0]) if found else None

    def point(self, model: str, alias: str, version: int) -> None:
        """Let an alias point to a version; UnknownEffect where the answer got lost."""
        body = {"name": model, "alias": alias, "version": str(version)}
        self._ask("POST", "registered-models/alias", body, mutates=True)

    def version(self, model: str, number: int) -> Version:
        """Return a version of a model; Missing if there is none."""
        where = {"name": model, "version": str(number)}
        return _version(self._ask("GET", "model-versions/get", where)["model_version"])

    def versions(self, model: str) -> Iterator[Version]:
        """All versions of a model, page by page, in no particular order."""
        asked = {"filter": f"name='{model}'", "max_results": str(PAGE)}
        while True:
            page = self._ask("GET", "model-versions/search", asked)
            yield from map(_version, page.get("model_versions", ()))
            if not (following := page.get("next_page_token")):
                return
            asked["page_token"] = following

    def _model(self, model: str) -> Json:
        found: Json = self._ask("GET", "registered-models/get", {"name": model})["registered_model"]
        return found

    def _ask(self, method: str, path: str, what: Mapping[str, str], *, mutates: bool = False) -> Json:
        says = f"{method} {path} of {self.name}"
        left = max(self.deadline - time.monotonic(), SHORTEST)
        timeout = httpx.Timeout(left, connect=min(left, CONNECT_SECONDS))
        reading = method == "GET"
        try:
            with httpx.Client(timeout=timeout, trust_env=False) as client:
                answer = client.request(
                    method,
                    f"{self.connection.url}/api/2.0/mlflow/{path}",
                    params=what if reading else None,
                    json=None if reading else what,
                    headers=self._headers(),
                )
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unavailable(f"{self.name} can not be reached: {error}") from error
        except httpx.HTTPError as error:
            raise _lost(f"{says} gave no answer: {error or type(error).__name__}", mutates=mutates) from error
        return _judged(answer, says, mutates=mutates)

    def _headers(self) -> dict[str, str]:
        if not (token := token_of(self.connection.token_file)):
            return {}
        if self.connection.user is None:
            return {"Authorization": f"Bearer {token}"}
        pair = base64.b64encode(f"{self.connection.user}:{token}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}


def _judged(answer: httpx.Response, says: str, *, mutates: bool) -> Json:
    """Return what a registry answered, or raise what its status and its code mean."""
    code, why = _said(answer)
    says = f"{says} answered {answer.status_code}: {why}"
    if answer.is_success:
        try:
            found: Json = answer.json()
        except ValueError as error:
            raise _lost(f"{says}; that is no answer of an MLflow server", mutates=mutates) from error
        return found
    if answer.status_code == HTTPStatus.NOT_FOUND and code == "RESOURCE_DOES_NOT_EXIST":
        raise Missing(says)
    if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise Refused(f"{says}; the user of the token needs the permission EDIT on the registered model")
    if answer.status_code in _TRY_AGAIN:
        raise Unavailable(says)
    if answer.is_server_error:
        raise _lost(says, mutates=mutates)
    raise Refused(says)


def _lost(says: str, *, mutates: bool) -> Unavailable:
    """Make the error for a request that was sent and whose effect is open."""
    return UnknownEffect(says) if mutates else Unavailable(says)


def _said(answer: httpx.Response) -> tuple[str, str]:
    """Return an error's code and its words, or the beginning of whatever came instead."""
    try:
        body = answer.json()
        code, text = str(body["error_code"]), f"{body['error_code']}: {body['message']}"
    except (ValueError, LookupError, TypeError):
        code, text = "", answer.text
    return code, "".join(each if is_visible(each) else " " for each in text[:EXCERPT]).strip()


def _tags(found: Json) -> dict[str, str]:
    return {each["key"]: each.get("value", "") for each in found.get("tags", ())}


def _version(found: Json) -> Version:
    return Version(int(found["version"]), found.get("status", "READY") == "READY", _tags(found))
