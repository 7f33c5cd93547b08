"""Asking a backend over HTTP: one way to send what is asked and to understand what goes wrong."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import msgspec
from pydantic import AnyHttpUrl, Field

from causal.errors import Malformed, MalformedTelemetry, NotFound, Refused, TooLarge, Unavailable
from playbooks.remedy import Duration, Written

LARGEST_ANSWER = 256 * 1024 * 1024
_SAID = 300


class Backend(Written):
    """Where a backend is and as whom to ask; ``tenant`` goes into ``X-Scope-OrgID``."""

    url: AnyHttpUrl
    token_file: Path | None = None
    tenant: str | None = None
    timeout: Duration = Field(default=30.0)

    def headers(self) -> dict[str, str]:
        """The headers that every request carries; Refused where the token can not be read."""
        sent = {"Accept": "application/json"}
        if self.tenant is not None:
            sent["X-Scope-OrgID"] = self.tenant
        if self.token_file is not None:
            try:
                sent["Authorization"] = f"Bearer {self.token_file.read_text().strip()}"
            except OSError as error:
                raise Refused(f"{self.token_file} can not be read: {error.strerror}") from error
        return sent

    def at(self, path: str) -> str:
        """The address of a path below ``url``."""
        return str(self.url).rstrip("/") + path


def ask(
    backend: Backend,
    path: str,
    params: Mapping[str, str] | None = None,
    *,
    form: Mapping[str, str] | None = None,
) -> bytes:
    """Ask for a path (a POST where there is a ``form``) and return the body of a success.

    Raises NotFound for 404, Refused for what asking again will not mend, Unavailable for the rest, TooLarge
    for an answer over `LARGEST_ANSWER`.
    """
    method = "GET" if form is None else "POST"
    try:
        with httpx.stream(
            method,
            backend.at(path),
            params=params,
            data=form,
            headers=backend.headers(),
            timeout=backend.timeout,
            follow_redirects=False,
        ) as answer:
            body = _body(answer)
    except httpx.HTTPError as error:
        raise Unavailable(f"{backend.at(path)} gave no answer ({type(error).__name__})") from error
    if answer.is_success:
        return body
    raise _refusal(backend.at(path), answer.status_code, body)


def json_of(body: bytes, where: str) -> Any:
    """Read JSON; MalformedTelemetry names who answered."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise MalformedTelemetry(f"the answer is not JSON ({error}); check the url", where=where) from error


def read_as(kind: type[Any], body: bytes, where: str) -> Any:
    """Read JSON as a `msgspec.Struct`; MalformedTelemetry says what does not fit."""
    try:
        return msgspec.json.decode(body, type=kind, strict=False)  # 64-bit numbers may be text
    except (msgspec.DecodeError, RecursionError) as error:
        raise MalformedTelemetry(f"the answer is not what was asked for ({error})", where=where) from error


def _body(answer: httpx.Response) -> bytes:
    body = bytearray()
    for chunk in answer.iter_bytes():
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise TooLarge(f"{answer.url.host} answered with more than {LARGEST_ANSWER} bytes; ask for less")
    return bytes(body)


def _refusal(where: str, status: int, body: bytes) -> Exception:
    said = f"{where} answered {status}: {_words(body)}"
    if status == HTTPStatus.NOT_FOUND:
        return NotFound(said)
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Refused(f"{said}; check token_file and tenant")
    if (
        status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT}
        or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    ):
        return Unavailable(said)
    if status < HTTPStatus.BAD_REQUEST:
        return Refused(f"{said}; redirects are not followed, set the url that it leads to")
    return Refused(said)


def _words(body: bytes) -> str:
    """What the answer says, where it is JSON with an error of any of the usual forms; else its beginning."""
    try:
        told = json_of(body, "")
    except Malformed:
        return body[:_SAID].decode("utf-8", "replace").strip()
    if isinstance(told, Mapping):
        error = told.get("error") or told.get("message") or told
        told = error.get("message", error) if isinstance(error, Mapping) else error
    return str(told)[:_SAID]
