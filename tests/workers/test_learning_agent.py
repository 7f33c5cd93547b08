"""The learning agent: what a person says of a cause is taken once, kept and learned from."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from causal.errors import Conflict, NotFound
from causal.evidence import Fault
from integrations.memory import MemoryAuditLog, MemoryIncidents, MemoryPriorStore
from playbooks.catalog import Catalog
from playbooks.ticket import KnownCause
from tests.workers.stage import ALERT, confident
from workers.learning_agent import LearningAgent

BLAMED = confident().hypotheses[0].service


@dataclass
class Desk:
    """An incident with a verdict, and the agent that may hear what its cause was."""

    incidents: MemoryIncidents = field(default_factory=MemoryIncidents)
    audit: MemoryAuditLog = field(default_factory=MemoryAuditLog)
    priors: MemoryPriorStore = field(default_factory=MemoryPriorStore)

    def __post_init__(self) -> None:
        self.agent = LearningAgent(self.priors, Catalog(), self.incidents, self.audit)
        self.incident = self.incidents.open_or_join(ALERT, frozenset(), 0.0).incident
        self.end(200.0)

    def end(self, at: float | None) -> None:
        ticket = self.incidents.get(self.incident)
        told = {"diagnosis": confident(), "status": "left_to_humans", "ended_at": at}
        self.incidents.put(ticket.model_copy(update=told))

    def hear(self, service: str) -> None:
        right = service == BLAMED
        cause = KnownCause(service=service, fault=Fault.ERRORS, confirmed=right, by="ada", at=300.0)
        self.agent.hear(self.incident, cause)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_confirmed_cause_becomes_a_label(desk: Desk) -> None:
    desk.hear(BLAMED)
    assert [label.right for label in desk.priors.current().labels] == [True]


def test_a_corrected_cause_becomes_a_label_against_the_verdict(desk: Desk) -> None:
    desk.hear("somebody-else")
    assert [label.right for label in desk.priors.current().labels] == [False]


def test_the_ticket_shows_who_said_what_it_was(desk: Desk) -> None:
    desk.hear("somebody-else")
    cause = desk.incidents.get(desk.incident).cause
    assert cause is not None
    assert (cause.service, cause.by) == ("somebody-else", "ada")


def test_what_a_person_said_is_in_the_audit_log(desk: Desk) -> None:
    desk.hear(BLAMED)
    assert [row.entry.event for row in desk.audit.rows()] == ["cause.confirmed"]


def test_a_second_word_is_refused_and_says_who_was_first(desk: Desk) -> None:
    desk.hear(BLAMED)
    with pytest.raises(Conflict, match="ada has said"):
        desk.hear("somebody-else")


def test_a_running_incident_has_no_known_cause_yet(desk: Desk) -> None:
    desk.end(None)
    with pytest.raises(Conflict, match="has not ended"):
        desk.hear(BLAMED)


def test_an_unknown_incident_has_no_cause(desk: Desk) -> None:
    desk.incident = "inc-nowhere-1"
    with pytest.raises(NotFound):
        desk.hear(BLAMED)
