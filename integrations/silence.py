"""``alertmanager.silence`` and its undo: an alert is kept quiet while its trouble is being mended.

Matchers compare for equality and nothing else: a label's value is other people's text, and as a regular
expression it could silence what nobody meant. A silence ends by itself; the undo ends it sooner. Its comment
carries the key of the step, so Alertmanager itself tells whether a silence was made, whoever was killed when.

Source: Alertmanager's API v2 (api/v2/openapi.yaml): POST and GET /silences, GET and DELETE /silence/{id}.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, cast
from urllib.parse import quote

from pydantic import BaseModel, Field

from causal.errors import Refused, Unavailable, UnknownEffect
from integrations.connections import AlertmanagerConnection, ReadConnections, alertmanager_named
from integrations.http_wire import Answer, Request, Server, lost, send, token_of
from integrations.ports import Effect
from playbooks.lookups import is_visible
from playbooks.places import Names
from playbooks.remedy import Duration, Written

AlertmanagerName = Annotated[str, Names("alertmanagers")]
LabelName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]
LabelValue = Annotated[str, Field(min_length=1, max_length=1000)]
SilenceId = Annotated[str, Field(pattern=r"^[0-9a-fA-F-]{8,64}$")]
LONGEST_LIST = 16 * 1024 * 1024
Clock = Callable[[], float]


class SilenceParams(Written):
    """Which alerts (every label must be equal), and for how long."""

    alertmanager: AlertmanagerName
    matchers: Annotated[dict[LabelName, LabelValue], Field(min_length=1, max_length=20)]
    duration: Duration = 900.0


class ExpireParams(Written):
    """Which silence, as `Silence` reports it."""

    alertmanager: AlertmanagerName
    silence: SilenceId


@dataclass(frozen=True)
class Silence:
    """Make a silence."""

    name: ClassVar[str] = "alertmanager.silence"
    Params: ClassVar[type[BaseModel]] = SilenceParams
    mutates: ClassVar[bool] = True
    reports: ClassVar[frozenset[str]] = frozenset({"alertmanager", "silence"})

    connections: ReadConnections
    clock: Clock = time.time

    def target(self, params: SilenceParams) -> str:
        return f"silence:{params.alertmanager}/{_shown(params.matchers)}"

    def preview(self, params: SilenceParams) -> str:
        self._allowed(params)
        alerts = _Api.of(self.connections, params.alertmanager).alerts(params.matchers)
        return f"silence {_shown(params.matchers)} for {params.duration:g} s\nwhich quiets now: {alerts}"

    def observe(self, params: SilenceParams, *, key: str) -> Effect | None:
        found = _Api.of(self.connections, params.alertmanager).silence_of(key)
        return None if found is None else _made(params, found["id"])

    def execute(self, params: SilenceParams, *, key: str, timeout: float) -> Effect:
        self._allowed(params)
        api = _Api.of(self.connections, params.alertmanager, timeout)
        if (found := api.silence_of(key)) is not None:
            return _made(params, found["id"])
        now = self.clock()
        made = api.ask(
            "POST",
            "/silences",
            {
                "matchers": [
                    {"name": name, "value": value, "isRegex": False, "isEqual": True}
                    for name, value in params.matchers.items()
                ],
                "startsAt": _time(now),
                "endsAt": _time(now + params.duration),
                "createdBy": "aitia",
                "comment": _comment(key),
            },
        )
        if not isinstance(made, dict) or not isinstance(made.get("silenceID"), str):
            raise UnknownEffect(f"{params.alertmanager} did not say which silence it made")
        return _made(params, made["silenceID"])

    def _allowed(self, params: SilenceParams) -> None:
        connection = alertmanager_named(self.connections, params.alertmanager)
        if params.duration > connection.longest:
            raise Refused(
                f"{params.alertmanager} lets a silence last {connection.longest:g} s; "
                f"{params.duration:g} s were asked for"
            )
        if not all(is_visible(value) for value in params.matchers.values()):
            raise Refused("a matcher holds control characters")


@dataclass(frozen=True)
class SilenceExpire:
    """End a silence that `Silence` made; one that ended by itself is ended."""

    name: ClassVar[str] = "alertmanager.expire"
    Params: ClassVar[type[BaseModel]] = ExpireParams
    mutates: ClassVar[bool] = True
    reports: ClassVar[frozenset[str]] = frozenset({"alertmanager", "silence"})

    connections: ReadConnections

    def target(self, params: ExpireParams) -> str:
        return f"silence:{params.alertmanager}/{params.silence}"

    def preview(self, params: ExpireParams) -> str:
        found = _Api.of(self.connections, params.alertmanager).silence(params.silence)
        return f"end the silence {params.silence}, which is {_state(found)} now"

    def observe(self, params: ExpireParams, *, key: str) -> Effect | None:
        del key  # a silence that is over stays over: whoever ended it, there is nothing left to do
        found = _Api.of(self.connections, params.alertmanager).silence(params.silence)
        return _ended(params) if _state(found) == "expired" else None

    def execute(self, params: ExpireParams, *, key: str, timeout: float) -> Effect:
        api = _Api.of(self.connections, params.alertmanager, timeout)
        found = api.silence(params.silence)
        if not str(found.get("comment", "")).startswith(_COMMENT):
            raise Refused(f"the silence {params.silence} was not made by a step of Aitia, so it is not ended")
        if self.observe(params, key=key) is None:
            api.ask("DELETE", f"/silence/{quote(params.silence, safe='')}")
        return _ended(params)


_COMMENT = "Aitia is mending what this alert is about, step "


@dataclass(frozen=True)
class _Api:
    """Alertmanager's API, version 2."""

    server: Server
    deadline: float

    @classmethod
    def of(cls, connections: ReadConnections, name: str, seconds: float = 20.0) -> _Api:
        connection: AlertmanagerConnection = alertmanager_named(connections, name)
        token = token_of(connection.token_file)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        server = Server(
            f"{connection.base_url}/api/v2", headers, token, connection.private, longest_answer=LONGEST_LIST
        )
        return cls(server, time.monotonic() + seconds)

    def ask(self, method: str, path: str, body: object = None) -> object:
        """Ask, and return what was answered; errors as an action's `execute` raises them."""
        request = Request(method, path, body)
        answer = send(self.server, request, self.deadline)
        if answer.is_good:
            return answer.json() if answer.body.strip() else None
        raise _error(request, answer)

    def silence_of(self, key: str) -> Mapping[str, Any] | None:
        """Return the silence that a step with this key made, whatever became of it."""
        return next((each for each in self._list("/silences") if each.get("comment") == _comment(key)), None)

    def silence(self, name: str) -> Mapping[str, Any]:
        return cast("Mapping[str, Any]", self.ask("GET", f"/silence/{quote(name, safe='')}"))

    def alerts(self, matchers: Mapping[str, str]) -> str:
        """Say which alerts a silence would quiet."""
        filters = "&".join(f"filter={quote(each, safe='')}" for each in _matchers(matchers))
        alerts = self._list(f"/alerts?{filters}")
        names = sorted({str(each.get("labels", {}).get("alertname", "an alert")) for each in alerts})
        return f"{len(alerts)} ({', '.join(names[:5])})" if names else "none"

    def _list(self, path: str) -> list[Mapping[str, Any]]:
        found = self.ask("GET", path)
        return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _error(request: Request, answer: Answer) -> Exception:
    says = f"{request.method} {answer.url} answered {answer.status}: {answer.excerpt}"
    if answer.status == 429:  # noqa: PLR2004  too many requests: it was not taken up
        return Unavailable(says)
    return lost(request, answer.url, says) if answer.status >= 500 else Refused(says)  # noqa: PLR2004


def _comment(key: str) -> str:
    return f"{_COMMENT}{key}"


def _matchers(matchers: Mapping[str, str]) -> Iterator[str]:
    """Write matchers the way Alertmanager reads them: the value as a quoted string."""
    yield from (f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in matchers.items())


def _shown(matchers: Mapping[str, str]) -> str:
    return "{" + ", ".join(_matchers(matchers)) + "}"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _state(found: Mapping[str, Any]) -> str:
    status = found.get("status")
    return str(status.get("state")) if isinstance(status, dict) else "unknown"


def _made(params: SilenceParams, name: str) -> Effect:
    return Effect(
        says=f"{_shown(params.matchers)} is silenced in {params.alertmanager} ({name})",
        facts={"alertmanager": params.alertmanager, "silence": name},
    )


def _ended(params: ExpireParams) -> Effect:
    return Effect(
        says=f"the silence {params.silence} is over",
        facts={"alertmanager": params.alertmanager, "silence": params.silence},
    )
