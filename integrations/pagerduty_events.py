"""PagerDuty's Events API v2: what a ticket is as an event, within the limits. Pure.

Every event of an incident carries the same ``dedup_key``, so that a repeated trigger is one alert and the
acknowledgement and the end find it. An event over 512 KB is refused whole, so details give way, the longest
first, and the link to the incident stays. Limits: developer.pagerduty.com, "Events API v2".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from causal.evidence import Hypothesis
from playbooks.page import is_web_address
from playbooks.ticket import Ticket
from playbooks.words import percent, plain

Event = dict[str, Any]
EventAction = Literal["trigger", "acknowledge", "resolve"]

MAX_SUMMARY, MAX_DEDUP_KEY, MAX_EVENT = 1024, 255, 512_000
SHORTENED = "left out: the event would be over PagerDuty's 512 KB; see the link"


def dedup_key(incident: str) -> str:
    """Return the key that all events of an incident share."""
    return f"aitia:{incident}"[:MAX_DEDUP_KEY]


def event(ticket: Ticket, action: EventAction, *, routing_key: str, client_url: str = "") -> Event:
    """Make the event that tells PagerDuty of a ticket; at most `MAX_EVENT` bytes as JSON."""
    made: Event = {
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": dedup_key(ticket.id),
        "client": "Aitia",
        "payload": _payload(ticket),
        "links": _links(ticket),
    }
    if is_web_address(client_url):
        made["client_url"] = client_url
    return fitted(made)


def fitted(made: Event) -> Event:
    """Leave out details, the longest first, until the event is small enough."""
    details = dict(made["payload"]["custom_details"])
    fit = made
    while len(_json(fit)) > MAX_EVENT and details:
        longest = max(details, key=lambda name: len(_json(details[name])))
        if details[longest] == SHORTENED:
            details.clear()
        else:
            details[longest] = SHORTENED
        fit = {**made, "payload": {**made["payload"], "custom_details": dict(details)}}
    return fit


def _payload(ticket: Ticket) -> Event:
    symptom = ticket.alert.symptom
    payload: Event = {
        "summary": plain(ticket.title)[:MAX_SUMMARY] or ticket.id,
        "source": symptom.service or ticket.alert.system or "aitia",
        "severity": "critical",
        "timestamp": datetime.fromtimestamp(ticket.opened_at, UTC).isoformat(timespec="milliseconds"),
        "class": symptom.signal,
        "custom_details": _details(ticket),
    }
    if ticket.top:
        payload["component"] = ticket.top[0].service
    if ticket.alert.system:
        payload["group"] = ticket.alert.system
    return payload


def _details(ticket: Ticket) -> Mapping[str, Any]:
    details: dict[str, Any] = {"incident": ticket.id, "status": ticket.status, "trace": ticket.trace_id}
    for rank, hypothesis in enumerate(ticket.top, start=1):
        details[f"cause {rank}"] = _cause(hypothesis)
    if ticket.diagnosis:
        details["none of these"] = percent(ticket.diagnosis.none_of_these)
        details["missing evidence"] = [plain(says) for says in ticket.diagnosis.missing_evidence]
    for proposal in ticket.proposals:
        reasons = " ".join(proposal.decision.reasons)
        details[f"plan {proposal.plan.id}"] = plain(
            f"{proposal.plan.playbook} on {proposal.plan.service}: {proposal.decision.verdict}. {reasons}"
        )
    return details


def _cause(hypothesis: Hypothesis) -> Mapping[str, Any]:
    return {
        "service": hypothesis.service,
        "fault": str(hypothesis.fault),
        "probability": percent(hypothesis.probability),
        "evidence": [plain(each.says) for each in hypothesis.evidence],
        "next check": plain(hypothesis.next_check),
    }


def _links(ticket: Ticket) -> list[Event]:
    found = [(link.title, link.url) for link in ticket.links]
    found += [("the alert", ticket.alert.url)] if ticket.alert.url else []
    return [{"href": url, "text": plain(title)} for title, url in found if is_web_address(url)]


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
