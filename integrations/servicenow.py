"""ServiceNow: one incident record each, found again by its correlation id.

The Table API has no idempotency key, and it ignores a part of a query that it does not understand, so that a
slip would match every record there is. Therefore a record is looked for before one is made, and whatever a
query gives is checked here once more: only a record whose ``correlation_id`` is ours is ever written to. The
version of the API is pinned to 2, where an empty list is an answer and no 404. Notes are only added
(``work_notes`` is a journal). Source: ServiceNow, "Table API".
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx
from pydantic import AnyHttpUrl, Field, SecretStr

from causal.errors import AitiaError, Conflict, Malformed, NotFound, Refused, Unavailable
from integrations.ports import MessageRef, MessageRefs
from playbooks.remedy import Duration, Written
from playbooks.render import to_text
from playbooks.ticket import ENDED, Ticket

TABLE = "/api/now/v2/table/incident"
CHANNEL, RECORD = "servicenow", "servicenow:record"
LEASE = 30.0
LONGEST_SHORT, LONGEST_NOTE = 160, 30_000
NEW, IN_PROGRESS, RESOLVED = "1", "2", "6"
_PLAIN = re.compile(r"[\w:.-]{1,100}")
_WIDTH = 90
_FIELDS = "sys_id,number,correlation_id,state"

Record = Mapping[str, Any]


class ServiceNowSettings(Written):
    """Which instance, as whom, and what new records carry.

    A token is sent as a bearer; without one, user and password are (basic). ``close_code`` must be one of the
    choices of the instance.
    """

    url: AnyHttpUrl
    token: SecretStr | None = None
    user: str = ""
    password: SecretStr | None = None
    assignment_group: str = ""
    impact: str = Field(default="2", pattern=r"^[1-3]$")
    urgency: str = Field(default="2", pattern=r"^[1-3]$")
    close_code: str = "Resolved by caller"
    timeout: Duration = 15.0


@dataclass(frozen=True)
class ServiceNowNotifier:
    """A `integrations.ports.Notifier` that keeps one ServiceNow incident an incident of ours.

    Raises Refused (with what to do) where ServiceNow will not take it, Unavailable where trying again may
    help, Conflict where several records carry our correlation id.
    """

    settings: ServiceNowSettings
    refs: MessageRefs
    clock: Callable[[], float] = time.time

    def publish(self, ticket: Ticket) -> None:
        """Make the record at first, then a work note at each new status, and resolve it at the end."""
        record = self._record(ticket)
        part = f"servicenow:{ticket.status}{':ended' if ticket.ended_at is not None else ''}"
        if self.refs.get(ticket.id, part) is not None:
            return
        self._claim(ticket, part)
        try:
            self._ask("PATCH", f"{TABLE}/{record}", body=_news(ticket, self.settings))
        except AitiaError:
            self.refs.release(ticket.id, part)
            raise
        self._remember(ticket, part, record)

    def ping(self) -> str:
        """Ask for one record, to see whether the user may read incidents."""
        self._ask("GET", TABLE, params={"sysparm_limit": "1", "sysparm_fields": "sys_id"})
        return "incidents can be read"

    def _record(self, ticket: Ticket) -> str:
        """The record of an incident: remembered, else found, else made."""
        known = self.refs.get(ticket.id, RECORD)
        if known is not None:
            return known.ts
        self._claim(ticket, RECORD)
        try:
            found = self._found(ticket) or self._made(ticket)
        except AitiaError:
            self.refs.release(ticket.id, RECORD)
            raise
        self._remember(ticket, RECORD, found)
        return found

    def _found(self, ticket: Ticket) -> str | None:
        own = correlation_id(ticket.id)
        params = {
            "sysparm_query": f"correlation_id={own}",
            "sysparm_limit": "10",
            "sysparm_fields": _FIELDS,
            "sysparm_exclude_reference_link": "true",
        }
        rows = self._ask("GET", TABLE, params=params)
        matching = [row for row in _records(rows) if row.get("correlation_id") == own]
        if len(matching) > 1:
            numbers = ", ".join(str(row.get("number", "?")) for row in matching)
            raise Conflict(f"ServiceNow: {numbers} all have the correlation id {own}; keep one of them")
        return str(matching[0]["sys_id"]) if matching else None

    def _made(self, ticket: Ticket) -> str:
        body = {
            "short_description": ticket.title[:LONGEST_SHORT] or ticket.id,
            "description": to_text(ticket, width=_WIDTH)[:LONGEST_NOTE],
            "correlation_id": correlation_id(ticket.id),
            "correlation_display": "Aitia",
            "impact": self.settings.impact,
            "urgency": self.settings.urgency,
            "state": NEW,
        }
        if self.settings.assignment_group:
            body["assignment_group"] = self.settings.assignment_group
        answer = self._ask("POST", TABLE, body=body, params={"sysparm_fields": _FIELDS})
        return str(_one(answer)["sys_id"])

    def _claim(self, ticket: Ticket, part: str) -> None:
        if not self.refs.claim(ticket.id, part, now=self.clock(), lease=LEASE):
            raise Unavailable(f"ServiceNow: somebody else is writing {part} of {ticket.id} just now")

    def _remember(self, ticket: Ticket, part: str, record: str) -> None:
        self.refs.put(ticket.id, part, MessageRef(channel=CHANNEL, ts=record, shown_at=ticket.updated_at))

    def _ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        headers, auth = self._credentials()
        try:
            answer = httpx.request(
                method,
                str(self.settings.url).rstrip("/") + path,
                params=params,
                json=body,
                headers={"Accept": "application/json", **headers},
                auth=auth,
                timeout=self.settings.timeout,
                follow_redirects=False,
            )
        except httpx.HTTPError as error:
            raise Unavailable(f"ServiceNow gave no answer ({type(error).__name__}); try again") from error
        return _understood(answer)

    def _credentials(self) -> tuple[Mapping[str, str], httpx.BasicAuth | None]:
        if self.settings.token is not None:
            return {"Authorization": f"Bearer {self.settings.token.get_secret_value()}"}, None
        password = self.settings.password.get_secret_value() if self.settings.password else ""
        return {}, httpx.BasicAuth(self.settings.user, password)


def correlation_id(incident: str) -> str:
    """Return what our record of an incident carries; Refused for an id that could break out of a query."""
    own = f"aitia:{incident}"
    if not _PLAIN.fullmatch(own):
        raise Refused(f"{incident!r} can not be asked for in a ServiceNow query")
    return own


def _news(ticket: Ticket, settings: ServiceNowSettings) -> dict[str, str]:
    """What changes in the record with a status of ours."""
    news = {"work_notes": to_text(ticket, width=_WIDTH)[:LONGEST_NOTE]}
    if ticket.ended_at is not None:
        return news | {
            "state": RESOLVED,
            "close_code": settings.close_code,
            "close_notes": f"{ticket.status.replace('_', ' ')}; the symptom is gone",
        }
    return news if ticket.status in ENDED else news | {"state": IN_PROGRESS}


def _understood(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if answer.is_success and isinstance(body, Mapping):
        return body
    said = _said(body) or f"HTTP {answer.status_code}"
    match answer.status_code:
        case HTTPStatus.UNAUTHORIZED:
            raise Refused(f"ServiceNow does not know the user: {said}; check user and password, or token")
        case HTTPStatus.FORBIDDEN:
            raise Refused(f"ServiceNow: {said}; give the user the role itil, or write access to incident")
        case HTTPStatus.NOT_FOUND:
            raise NotFound(f"ServiceNow: {said}")
        case HTTPStatus.TOO_MANY_REQUESTS:
            rule = answer.headers.get("X-RateLimit-Rule", "a rate rule")
            raise Unavailable(f"ServiceNow: {rule} allows no more for now; try again later")
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.is_success:
            raise Unavailable(f"ServiceNow: {said}; try again (a sleeping instance answers with a page)")
    raise Refused(f"ServiceNow refused it: {said}")


def _said(body: object) -> str:
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return ""
    return ": ".join(str(error[name]) for name in ("message", "detail") if error.get(name))[:500]


def _records(answer: Mapping[str, Any]) -> list[Record]:
    rows = answer.get("result")
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def _one(answer: Mapping[str, Any]) -> Record:
    row = answer.get("result")
    if not isinstance(row, Mapping) or not row.get("sys_id"):
        raise Malformed("the answer holds no record", where="ServiceNow")
    return row
