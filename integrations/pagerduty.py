"""PagerDuty: one alert an incident, acknowledged while we work on it, resolved when it is over.

Events go to the Events API v2 under one ``dedup_key``, so that a repeated one changes nothing; what was told
is remembered (`integrations.ports.MessageRefs`), so that it is told once. With a REST token the ticket is
also written into the incident's notes at each new status; an incident that PagerDuty itself told us of is not
told back as a new alert, it only gets the notes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

from pydantic import Field, SecretStr

from causal.errors import AitiaError, Unavailable
from integrations.pagerduty_api import PagerDutyRest, RestSettings, asked
from integrations.pagerduty_events import EventAction, dedup_key, event
from integrations.ports import MessageRef, MessageRefs
from playbooks.remedy import ApprovalRequest, Duration, Written
from playbooks.render import to_text
from playbooks.ticket import Ticket

SOURCE, INCIDENT_LABEL = "pagerduty", "pagerduty_incident"
LEASE = 30.0
LONGEST_NOTE = 10_000
_WIDTH = 90
_WORKING = {"executing", "verifying"}


class PagerDutySettings(Written):
    """Which service to alert, and as whom to write notes; the addresses are PagerDuty's own, or the EU's.

    Without a ``routing_key`` nobody is alerted, and only incidents that PagerDuty told us of get notes.
    """

    routing_key: SecretStr | None = None
    token: SecretStr | None = None
    from_email: str = ""
    events_url: str = "https://events.pagerduty.com"
    api_url: str = "https://api.pagerduty.com"
    client_url: str = ""
    timeout: Duration = Field(default=10.0)


@dataclass(frozen=True)
class PagerDutyNotifier:
    """A `integrations.ports.Notifier` that tells PagerDuty of each incident.

    With ``token``, which gives the one-shot token of the next answer, notes say how to answer by a note.
    Raises Refused (with what to do) where PagerDuty will not take it, Unavailable where trying again may
    help.
    """

    settings: PagerDutySettings
    refs: MessageRefs
    token: Callable[[ApprovalRequest], str] | None = None
    clock: Callable[[], float] = time.time
    pause: Callable[[float], None] = time.sleep

    def publish(self, ticket: Ticket) -> None:
        """Tell each event of the ticket once, and each new status in a note."""
        is_ours = ticket.alert.source != SOURCE
        if is_ours and self.settings.routing_key is not None:
            for action in _actions(ticket):
                self._once(ticket, f"pagerduty:{action}", partial(self._send, ticket, action))
        has_incident = self.settings.routing_key is not None or not is_ours
        if self.settings.token is not None and has_incident:
            self._once(ticket, _note_part(ticket), partial(self._note, ticket))

    def ping(self) -> str:
        """Ask PagerDuty whether it knows the REST token; returns what it may do, or that none is set."""
        if self.settings.token is None:
            return "no REST token: alerts are sent, notes are not written"
        self._rest.ask("GET", "/abilities")
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
        key = self.settings.routing_key.get_secret_value() if self.settings.routing_key else ""
        body = event(ticket, action, routing_key=key, client_url=self.settings.client_url)
        url, patience = f"{self.settings.events_url}/v2/enqueue", self.settings.timeout
        answer = asked("POST", url, body, {}, timeout=patience, pause=self.pause)
        return str(answer.get("dedup_key") or dedup_key(ticket.id))

    def _note(self, ticket: Ticket) -> str:
        incident = ticket.alert.labels.get(INCIDENT_LABEL) or self._found(ticket)
        content = to_text(ticket, width=_WIDTH)
        if len(content) > LONGEST_NOTE:
            content = content[:LONGEST_NOTE] + f"\n… shortened; all of it: aitia incident {ticket.id}"
        return self._rest.write_note(incident, content + self._how_to_answer(ticket))

    def _how_to_answer(self, ticket: Ticket) -> str:
        question = ticket.approval
        if self.token is None or question is None or question.status != "open":
            return ""
        token = self.token(question)
        return (
            f"\n\nTo answer, write a note here that is one of these lines:\naitia approve {token}\n"
            f"aitia decline {token} because REASON"
        )

    def _found(self, ticket: Ticket) -> str:
        """Find the incident that our alert opened."""
        answer = self._rest.ask("GET", f"/incidents?incident_key={dedup_key(ticket.id)}&limit=1")
        found = answer.get("incidents") or []
        if not found:
            raise Unavailable(f"PagerDuty has no incident for {dedup_key(ticket.id)} yet; try again soon")
        return str(found[0]["id"])

    @cached_property
    def _rest(self) -> PagerDutyRest:
        settings = self.settings
        rest = RestSettings(
            token=settings.token or SecretStr(""),
            from_email=settings.from_email,
            url=settings.api_url,
            timeout=settings.timeout,
        )
        return PagerDutyRest(rest, self.pause)


def _note_part(ticket: Ticket) -> str:
    """Name the note of this status; each vote of several makes a new one, with the token of the next."""
    votes = len(ticket.approval.votes) if ticket.approval and ticket.approval.status == "open" else 0
    return f"pagerduty:note:{ticket.status}" + (f":{votes}" if votes else "")


def _actions(ticket: Ticket) -> Iterator[EventAction]:
    yield "trigger"
    if ticket.status in _WORKING:
        yield "acknowledge"
    if ticket.ended_at is not None:
        yield "resolve"
