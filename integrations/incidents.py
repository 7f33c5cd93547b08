"""Which incident an alert belongs to: one rule, whatever remembers the incidents.

Repeats of an alert carry its fingerprint; an alert on a service that calls, or is called by, one that is
unwell already is most likely the same trouble seen from another side, for as long as that trouble is
recent.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from causal.evidence import Alert
from integrations.ports import Opened
from playbooks.ticket import Ticket

_STEM = 8


class Sighting(NamedTuple):
    """An alert of an open incident, and when it was last raised.

    Without a fingerprint it stands for all alerts of the incident on a service, and for the last of them.
    """

    incident: str
    fingerprint: str | None
    service: str | None
    raised_at: float


def incident_of(
    alert: Alert, related: frozenset[str], within: float, sightings: Iterable[Sighting]
) -> str | None:
    """Return the open incident that an alert joins, or None where it opens a new one.

    ``sightings`` go from the newest incident to the oldest; ``within`` is in seconds.
    """
    seen = list(sightings)
    repeats = (known.incident for known in seen if known.fingerprint == alert.fingerprint)
    near = (
        known.incident
        for known in seen
        if known.service in related and alert.raised_at - known.raised_at <= within
    )
    return next(repeats, None) or next(near, None)


def one(taken: tuple[Opened | None, ...]) -> Opened:
    """Return the answer to a single alert that may open an incident; such a one always has an incident."""
    [opened] = taken
    if opened is None:
        raise LookupError("an alert that may open an incident was given none")
    return opened


def stem_of(alert: Alert) -> str:
    """Return what the ids of an alert's incidents begin with; it is safe in a URL and in a file name."""
    return "inc-" + re.sub(r"[^A-Za-z0-9_-]", "-", alert.fingerprint[:_STEM])


def first_ticket(incident: str, alert: Alert) -> Ticket:
    """Return the ticket that an incident has from its first moment on."""
    symptom = alert.symptom
    return Ticket(
        id=incident,
        title=alert.summary or f"{symptom.signal} of {symptom.service or alert.system or 'unknown'}",
        status="observing",
        opened_at=alert.raised_at,
        updated_at=alert.raised_at,
        alert=alert,
    )
