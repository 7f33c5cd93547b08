"""What an ended incident teaches: deeds, credit, declines, corrections."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from causal.evidence import Deed, Fault, Priors
from integrations.memory import MemoryAuditLog, MemoryIncidents, MemoryPriorStore
from playbooks.catalog import Catalog, read_playbook
from playbooks.remedy import (
    Attempt,
    AttemptStatus,
    Correction,
    Decision,
    Outcome,
    Plan,
    StepResult,
    StepStatus,
    Verdict,
    Verification,
)
from tests.workers.stage import ALERT, PLAYBOOK, confident
from workers.learning_agent import LearningAgent
from workers.messages import Ending, Incident, Learned, Relearned

BEGAN, ACTED, WELL = 990.0, 1100.0, 1105.0
DECISION = Decision(verdict=Verdict.EXECUTE, probability=0.9, confidence_floor=0.8)


def attempt(
    status: AttemptStatus = AttemptStatus.RECOVERED,
    *,
    well_since: float | None = WELL,
    plan: str = "p1",
    service: str = "cart",
    step: StepStatus | None = StepStatus.DONE,
    verdict: Verdict = Verdict.EXECUTE,
    corrected: Correction | None = None,
) -> Attempt:
    done = StepResult(
        step="first", action="a", key="k", status=step or StepStatus.DONE, started_at=ACTED, ended_at=ACTED
    )
    return Attempt(
        plan=Plan(id=plan, incident="i", playbook="mend", service=service, fault=Fault.ERRORS),
        decision=DECISION.model_copy(update={"verdict": verdict}),
        status=status,
        results=(done,) if step else (),
        verification=Verification(recovered=True, says="", well_since=well_since),
        corrected=corrected,
    )


@dataclass
class School:
    """A learning agent and what it has to learn from."""

    incidents: MemoryIncidents = field(default_factory=MemoryIncidents)
    audit: MemoryAuditLog = field(default_factory=MemoryAuditLog)
    store: MemoryPriorStore = field(default_factory=MemoryPriorStore)

    def __post_init__(self) -> None:
        catalog = Catalog({"mend": read_playbook(PLAYBOOK, "mend.yaml")}, {}, {})
        self.agent = LearningAgent(self.store, catalog, self.incidents, self.audit)

    def lasted(self, number: int, seconds: float) -> None:
        """An incident that went away by itself."""
        alert = ALERT.model_copy(update={"fingerprint": f"{number:016d}"})
        opened = self.incidents.open_or_join(alert, frozenset(), 0.0)
        ticket = self.incidents.get(opened.incident)
        self.incidents.put(ticket.model_copy(update={"ended_at": BEGAN + seconds}))

    def teach(self, *attempts: Attempt, times: int = 1) -> Learned:
        opened = self.incidents.open_or_join(ALERT, frozenset(), 0.0)
        ticket = self.incidents.get(opened.incident)
        self.incidents.put(ticket.model_copy(update={"diagnosis": confident()}))
        ending = Ending(
            incident=Incident(id=opened.incident, alert=ALERT),
            outcome=Outcome(
                incident=opened.incident, status=attempts[-1].status, attempts=attempts, ended_at=1200.0
            ),
        )
        for _ in range(times):
            learned = self.agent.learn(ending)
        return learned

    @property
    def priors(self) -> Priors:
        return self.store.current()

    @property
    def deed(self) -> Deed:
        [only] = self.priors.deeds
        return only

    @property
    def successes(self) -> float:
        return self.priors.record("mend", Fault.ERRORS).successes


@pytest.fixture
def school() -> School:
    return School()


@pytest.fixture
def stubborn() -> School:
    """A site whose incidents last for days."""
    school = School()
    for number in range(30):
        school.lasted(number, 2e6 + number)
    return school


@pytest.fixture
def fickle() -> School:
    """A site whose incidents go away within minutes."""
    school = School()
    for number in range(60):
        school.lasted(number, 100.0 + number / 4)
    return school


# Credit


def test_a_sudden_recovery_from_what_lasts_for_days_is_a_success(stubborn: School) -> None:
    stubborn.teach(attempt())
    assert stubborn.successes > 0.95


def test_a_recovery_that_would_have_come_by_itself_is_no_success(fickle: School) -> None:
    fickle.teach(attempt(well_since=ACTED + 30.0))
    assert fickle.successes == 0.0


def test_a_recovery_before_the_first_step_teaches_nothing_of_the_playbook(stubborn: School) -> None:
    stubborn.teach(attempt(well_since=ACTED - 10.0))
    record = stubborn.priors.record("mend", Fault.ERRORS)
    assert (record.successes, record.failures) == (0.0, 0.0)


def test_a_recovery_that_is_no_merit_confirms_no_cause(fickle: School) -> None:
    fickle.teach(attempt(well_since=ACTED + 30.0))
    assert fickle.priors.labels == ()


def test_a_recovery_that_is_a_merit_confirms_its_cause(stubborn: School) -> None:
    stubborn.teach(attempt())
    assert [(label.right, label.probability) for label in stubborn.priors.labels] == [(True, 0.9)]


def test_no_recovery_is_a_whole_failure(stubborn: School) -> None:
    stubborn.teach(attempt(AttemptStatus.NOT_RECOVERED))
    assert stubborn.priors.record("mend", Fault.ERRORS).failures == 1.0


def test_a_plan_that_never_began_teaches_nothing(school: School) -> None:
    school.teach(attempt(AttemptStatus.FAILED, step=None))
    assert (school.priors.playbooks, school.priors.deeds) == ((), ())


def test_a_plan_that_people_stopped_teaches_nothing(school: School) -> None:
    school.teach(attempt(AttemptStatus.STOPPED))
    assert (school.priors.playbooks, school.priors.deeds) == ((), ())


# Deeds


def test_a_deed_knows_the_chance_with_which_it_was_decided(stubborn: School) -> None:
    stubborn.teach(attempt())
    assert stubborn.deed.chance == pytest.approx(0.72)


@pytest.mark.parametrize(("verdict", "alone"), [(Verdict.EXECUTE, True), (Verdict.ASK, False)])
def test_a_deed_knows_whether_a_human_was_asked(school: School, verdict: Verdict, *, alone: bool) -> None:
    school.teach(attempt(verdict=verdict))
    assert school.deed.alone is alone


@pytest.mark.parametrize(
    ("status", "wrong"),
    [(AttemptStatus.RECOVERED, False), (AttemptStatus.NOT_RECOVERED, True), (AttemptStatus.FAILED, True)],
)
def test_a_deed_without_a_verified_recovery_was_wrong(
    school: School, status: AttemptStatus, *, wrong: bool
) -> None:
    school.teach(attempt(status))
    assert school.deed.wrong is wrong


def test_a_step_that_certainly_did_nothing_is_no_deed(school: School) -> None:
    school.teach(attempt(AttemptStatus.FAILED, step=StepStatus.FAILED))
    assert school.priors.deeds == ()


def test_what_is_told_twice_is_learned_once(stubborn: School) -> None:
    stubborn.teach(attempt(), times=2)
    assert (len(stubborn.priors.deeds), stubborn.successes <= 1.0) == (1, True)


def test_two_plans_of_one_playbook_are_two_deeds(school: School) -> None:
    school.teach(attempt(AttemptStatus.NOT_RECOVERED), attempt(plan="p2", service="gateway"))
    assert [deed.plan for deed in school.priors.deeds] == ["p1", "p2"]


# What people say


def test_a_declined_plan_is_kept_as_declined(school: School) -> None:
    school.teach(attempt(AttemptStatus.DECLINED, step=None))
    assert school.priors.record("mend", Fault.ERRORS).declined == 1.0


def test_a_decline_is_told(school: School) -> None:
    assert "mend was declined" in school.teach(attempt(AttemptStatus.DECLINED, step=None)).says


def test_a_decline_that_says_what_it_was_is_a_label_against_the_verdict(school: School) -> None:
    was = Correction(service="gateway", by="ada", at=1150.0)
    school.teach(attempt(AttemptStatus.DECLINED, step=None, corrected=was))
    assert [label.right for label in school.priors.labels] == [False]


def test_a_cause_that_was_told_when_declining_is_shown_and_on_record(school: School) -> None:
    was = Correction(service="gateway", by="ada", at=1150.0)
    learned = school.teach(attempt(AttemptStatus.DECLINED, step=None, corrected=was))
    assert learned.cause is not None
    assert (learned.cause.service, [row.entry.event for row in school.audit.rows()]) == (
        "gateway",
        ["cause.corrected"],
    )


# Autonomy and upkeep


def test_deeds_that_go_wrong_again_and_again_withdraw_autonomy_at_once(school: School) -> None:
    for number in range(8):
        alert = ALERT.model_copy(update={"fingerprint": f"{number:016d}"})
        opened = school.incidents.open_or_join(alert, frozenset(), 0.0).incident
        outcome = Outcome(
            incident=opened,
            status=AttemptStatus.NOT_RECOVERED,
            attempts=(attempt(AttemptStatus.NOT_RECOVERED),),
            ended_at=1200.0,
        )
        school.agent.learn(Ending(incident=Incident(id=opened, alert=alert), outcome=outcome))
    assert school.priors.demotion("mend") is not None


def test_a_retraining_is_on_record_with_what_it_changed(school: School) -> None:
    relearned = Relearned(at=2000.0, before="a", after="b", minutes_before=3, minutes_after=5)
    school.agent.retrain(relearned)
    [row] = school.audit.rows()
    assert (row.entry.event, row.entry.facts["profile"]["after"]) == ("baselines.retrained", "b")


def test_a_retraining_that_is_tried_again_says_what_it_said(school: School) -> None:
    relearned = Relearned(at=2000.0, before="a", after="b", minutes_before=3, minutes_after=5)
    assert school.agent.retrain(relearned) == school.agent.retrain(relearned)
