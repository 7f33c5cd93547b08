"""PagerDuty: one alert an incident, acknowledged while we work on it, resolved when it is over.

Events go to the Events API v2 under one ``dedup_key``, so that a repeated one changes nothing; what was told
is remembered (`integrations.ports.MessageRefs`), so that it is told once. With a REST token the ticket is
also written into the incident's notes at each new status; an incident that PagerDuty itself told us of is not
told back as a new alert, it only gets the notes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

import httpx
from pydantic import Field, SecretStr

from causal.errors import AitiaError, NotFound, Refused, Unavailable
from integrations.pagerduty_events import EventAction, dedup_key, event
from integrations.ports import MessageRef, MessageRefs
from playbooks.remedy import Duration, Written
from playbooks.render import to_text
from playbooks.ticket import Ticket

SOURCE, INCIDENT_LABEL = "pagerduty", "pagerduty_incident"
LEASE, PATIENCE, TRIES = 30.0, 5.0, 3
LONGEST_NOTE = 10_000
_WIDTH = 90
_WORKING = {"executing", "verifying"}
_ALREADY = {1001, 1002}  # already resolved, already acknowledged

_WHAT_TO_DO = {
    HTTPStatus.UNAUTHORIZED: "the REST token is not known; make one under Integrations, API Access Keys",
    HTTPStatus.PAYMENT_REQUIRED: "the account's plan does not include this",
    HTTPStatus.FORBIDDEN: "the token may not do this; give it write access to incidents",
}


class PagerDutySettings(Written):
    """Which service to alert, and as whom to write notes; the addresses are PagerDuty's own, or the EU's."""

    routing_key: SecretStr
    token: SecretStr | None = None
    from_email: str = ""
    events_url: str = "https://events.pagerduty.com"
    api_url: str = "https://api.pagerduty.com"
    client_url: str = ""
    timeout: Duration = Field(default=10.0)


@dataclass(frozen=True)
class PagerDutyNotifier:
    """A `integrations.ports.Notifier` that tells PagerDuty of each incident.

    Raises Refused (with what to do) where PagerDuty will not take it, Unavailable where trying again may
    help. Waits for a rate limit at most ``PATIENCE`` seconds at a time, by ``pause``.
    """

    settings: PagerDutySettings
    refs: MessageRefs
    clock: Callable[[], float] = time.time
    pause: Callable[[float], None] = time.sleep

    def publish(self, ticket: Ticket) -> None:
        """Tell each event of the ticket once, and each new status in a note."""
        if ticket.alert.source != SOURCE:
            for action in _actions(ticket):
                self._once(ticket, f"pagerduty:{action}", partial(self._send, ticket, action))
        if self.settings.token is not None:
            self._once(ticket, f"pagerduty:note:{ticket.status}", partial(self._note, ticket))

    def ping(self) -> str:
        """Ask PagerDuty whether it knows the REST token; returns what it may do, or that none is set."""
        if self.settings.token is None:
            return "no REST token: alerts are sent, notes are not written"
        self._rest("GET", "/abilities")
        return "the REST token is known"

    def _once(self, ticket: Ticket, part: str, tell: Callable[[], str]) -> None:
        if self.refs.get(ticket.id, part) is not None:
            return
        if not self.refs.claim(ticket.id, part, now=self.clock(), lease=LEASE):
            raise Unavailable(f"PagerDuty: somebody else is telling {part} of {ticket.id} just now")
        try:
            told = tell()
        except AitiaError:
            self.refs.release(ticket.id, part)
            raise
        ref = MessageRef(channel=SOURCE, ts=told, shown_at=ticket.updated_at)
        self.refs.put(ticket.id, part, ref)

    def _send(self, ticket: Ticket, action: EventAction) -> str:
        body = event(
            ticket,
            action,
            routing_key=self.settings.routing_key.get_secret_value(),
            client_url=self.settings.client_url,
        )
        answer = self._ask("POST", f"{self.settings.events_url}/v2/enqueue", body, {})
        return str(answer.get("dedup_key") or dedup_key(ticket.id))

    def _note(self, ticket: Ticket) -> str:
        incident = ticket.alert.labels.get(INCIDENT_LABEL) or self._found(ticket)
        content = to_text(ticket, width=_WIDTH)
        if len(content) > LONGEST_NOTE:
            content = content[:LONGEST_NOTE] + f"\n… shortened; all of it: aitia incident {ticket.id}"
        answer = self._rest("POST", f"/incidents/{incident}/notes", {"note": {"content": content}})
        note = answer.get("note")
        return str(note.get("id", "")) if isinstance(note, Mapping) else "note"

    def _found(self, ticket: Ticket) -> str:
        """Find the incident that our alert opened."""
        answer = self._rest("GET", f"/incidents?incident_key={dedup_key(ticket.id)}&limit=1")
        found = answer.get("incidents") or []
        if not found:
            raise Unavailable(f"PagerDuty has no incident for {dedup_key(ticket.id)} yet; try again soon")
        return str(found[0]["id"])

    def _rest(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        token = self.settings.token.get_secret_value() if self.settings.token else ""
        headers = {
            "Accept": "application/vnd.pagerduty+json;version=2",
            "Authorization": f"Token token={token}",
        }
        if self.settings.from_email:
            headers["From"] = self.settings.from_email
        return self._ask(method, self.settings.api_url + path, body, headers)

    def _ask(
        self, method: str, url: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> Mapping[str, Any]:
        for last in _tries():
            try:
                answer = httpx.request(method, url, json=body, headers=headers, timeout=self.settings.timeout)
            except httpx.HTTPError as error:
                raise Unavailable(f"PagerDuty gave no answer ({type(error).__name__}); try again") from error
            if answer.status_code != HTTPStatus.TOO_MANY_REQUESTS:
                return _understood(answer)
            wait = _retry_after(answer)
            if last or wait > PATIENCE:
                raise Unavailable(f"PagerDuty is rate-limited; try again in {wait:g} s")
            self.pause(wait)
        raise AssertionError  # the last try returns or raises


def _tries() -> Iterator[bool]:
    """Whether each try is the last."""
    yield from (number == TRIES for number in range(1, TRIES + 1))


def _actions(ticket: Ticket) -> Iterator[EventAction]:
    yield "trigger"
    if ticket.status in _WORKING:
        yield "acknowledge"
    if ticket.ended_at is not None:
        yield "resolve"


def _understood(answer: httpx.Response) -> Mapping[str, Any]:
    body = _json(answer)
    if answer.is_success:
        return body
    error = body.get("error")
    code = error.get("code") if isinstance(error, Mapping) else None
    if code in _ALREADY:
        return body
    said = _said(body)
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unavailable(f"PagerDuty failed (HTTP {answer.status_code}); try again")
    if answer.status_code == HTTPStatus.NOT_FOUND:
        raise NotFound(f"PagerDuty: {said}")
    advice = _WHAT_TO_DO.get(HTTPStatus(answer.status_code), "see this error in PagerDuty's documentation")
    raise Refused(f"PagerDuty refused it (HTTP {answer.status_code}): {said}; {advice}")


def _said(body: Mapping[str, Any]) -> str:
    """What the two APIs say in an error's body, each in its own form."""
    error = body.get("error")
    told = error if isinstance(error, Mapping) else body
    errors = told.get("errors")
    words = [str(told.get("message", "no message")), *(map(str, errors) if isinstance(errors, list) else ())]
    return ": ".join(words)[:500]


def _json(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, Mapping) else {}


def _retry_after(answer: httpx.Response) -> float:
    for name in ("retry-after", "ratelimit-reset"):
        try:
            return max(0.0, float(answer.headers[name]))
        except (KeyError, ValueError):
            continue
    return PATIENCE
