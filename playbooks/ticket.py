"""The ticket: one value that says all an on-call engineer needs, whatever it is shown on."""

from __future__ import annotations

from typing import Literal

from causal.evidence import Alert, Change, Diagnosis, Fact, Fault, Hypothesis
from playbooks.remedy import ApprovalRequest, Attempt, Proposal

TicketStatus = Literal[
    "observing",
    "diagnosing",
    "planning",
    "waiting_for_approval",
    "executing",
    "verifying",
    "recovered",
    "not_recovered",
    "declined",
    "expired",
    "left_to_humans",
    "gone",
    "failed",
    "stopped",
]
ENDED: frozenset[TicketStatus] = frozenset(
    {"recovered", "not_recovered", "declined", "expired", "left_to_humans", "gone", "failed", "stopped"}
)


class Happening(Fact):
    """One line of the incident's timeline."""

    at: float
    says: str


class Link(Fact):
    """Somewhere to look further."""

    title: str
    url: str


class KnownCause(Fact):
    """The true cause, as a person told it once the incident had ended.

    ``confirmed`` is whether the first hypothesis had named it.
    """

    service: str
    fault: Fault
    confirmed: bool
    by: str
    at: float
    because: str = ""


class Ticket(Fact):
    """Everything about one incident that a person is shown.

    ``duplicates`` counts alerts that came again; of very many alerts that joined, those beyond the first ones
    are only counted, in ``more_joined``. ``snapshot`` is the reference of the telemetry
    that the diagnosis rests on; ``trace_id`` is that of Aitia's own trace of the incident.
    """

    id: str
    title: str
    status: TicketStatus
    opened_at: float
    updated_at: float
    ended_at: float | None = None
    alert: Alert
    duplicates: int = 0
    joined: tuple[Alert, ...] = ()
    more_joined: int = 0
    diagnosis: Diagnosis | None = None
    proposals: tuple[Proposal, ...] = ()
    approval: ApprovalRequest | None = None
    attempts: tuple[Attempt, ...] = ()
    cause: KnownCause | None = None
    timeline: tuple[Happening, ...] = ()
    links: tuple[Link, ...] = ()
    snapshot: str = ""
    trace_id: str = ""

    @property
    def top(self) -> tuple[Hypothesis, ...]:
        """The three hypotheses that a ticket shows."""
        return self.diagnosis.hypotheses[:3] if self.diagnosis else ()

    @property
    def change(self) -> Change | None:
        """The change that the first hypothesis blames, if it blames one."""
        return self.top[0].change if self.top else None
