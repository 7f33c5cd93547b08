"""What a sound chain must also say: decisions that can be made again, and steps that rest on them."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.audit_story import ROWS_OF_AN_INCIDENT, story
from integrations.audit import fields_of
from integrations.audit_review import Review, Reviewer
from integrations.masking import without_secrets
from integrations.memory import MemoryAuditLog
from integrations.ports import AuditEntry
from playbooks.gate import GateInput, decide

Row = dict[str, Any]


def rows(count: int = ROWS_OF_AN_INCIDENT) -> list[Row]:
    return [fields_of(row) for row in story(count)]


def reviewed(told: Iterable[Row]) -> Review:
    reviewer = Reviewer()
    for row in told:
        reviewer.take(row)
    return reviewer.review()


def changed(change: Callable[[Row], object], event: str, number: int = 0) -> Review:
    """Review one incident of which one row's facts were changed."""
    told = rows()
    [*found] = [row for row in told if row["entry"]["event"] == event]
    change(found[number]["entry"]["facts"])
    return reviewed(told)


def without(*events: str) -> Review:
    return reviewed(row for row in rows() if row["entry"]["event"] not in events)


def test_a_sound_log_has_no_findings() -> None:
    assert reviewed(rows(130)).findings == ()


def test_every_decision_of_a_sound_log_is_made_again() -> None:
    review = reviewed(rows(130))
    assert (review.recomputed, review.decisions, review.steps) == (20, 20, 10)


@pytest.mark.parametrize("name", ["verdict", "reasons", "probability", "act_above", "policy"])
def test_a_decision_that_does_not_follow_is_found_whatever_of_it_was_changed(name: str) -> None:
    values: dict[str, Any] = {"verdict": "execute", "reasons": [], "policy": "f" * 64}
    review = changed(lambda facts: facts["decision"].update({name: values.get(name, 0.5)}), "gate.decided", 1)
    assert [(finding.row, finding.kind) for finding in review.findings][:1] == [(7, "decision")]


def test_a_decision_on_another_input_is_found() -> None:
    review = changed(lambda facts: facts["given"].update(impact="high"), "gate.decided", 1)
    assert [finding.row for finding in review.findings] == [7]


def test_a_decision_that_cannot_be_read_is_found() -> None:
    review = changed(lambda facts: facts.pop("given"), "gate.decided", 0)
    assert [finding.row for finding in review.findings] == [3]


def test_another_version_s_decision_that_differs_is_told_and_not_passed() -> None:
    def older(facts: Row) -> None:
        facts["gate"] = "an older one"
        facts["decision"]["reasons"] = ["Because."]

    review = changed(older, "gate.decided", 1)
    assert (review.elsewhere, review.findings, review.recomputed) == ((7,), (), 1)


def test_another_version_s_decision_that_is_the_same_is_proved() -> None:
    review = changed(lambda facts: facts.update(gate="an older one"), "gate.decided", 1)
    assert (review.elsewhere, review.recomputed) == ((), 2)


@pytest.mark.parametrize("event", ["gate.decided", "approval.approved"])
def test_a_step_that_nothing_admits_is_found(event: str) -> None:
    assert [finding.kind for finding in without(event).findings] == ["step"]


def test_a_decision_at_planning_alone_admits_no_step() -> None:
    review = changed(lambda facts: facts.update(moment="planned"), "gate.decided", 1)
    assert [finding.row for finding in review.findings] == [8]


def test_an_approval_of_another_plan_admits_no_step() -> None:
    review = changed(lambda facts: facts.update(plan="f" * 64), "approval.approved")
    assert [finding.row for finding in review.findings] == [8]


def test_a_decision_about_another_plan_admits_no_step() -> None:
    review = changed(lambda facts: facts.update(plan="f" * 64), "step.before")
    assert [finding.row for finding in review.findings] == [8]


def test_a_step_whose_decision_may_have_been_cut_is_told_and_no_finding() -> None:
    review = reviewed(rows(26)[7:])
    assert (review.older, review.findings) == ((8,), ())


def test_a_step_without_a_decision_in_an_incident_that_is_whole_is_found_after_a_cut() -> None:
    told = [row for row in rows(26)[7:] if row["seq"] != 13 + 7]
    assert [finding.row for finding in reviewed(told).findings] == [13 + 8]


def test_what_is_remembered_does_not_grow_with_the_log() -> None:
    reviewer = Reviewer()
    for row in rows(130):
        reviewer.take(row)
    assert reviewer._known == {}


def test_what_the_gate_looks_at_has_nothing_to_mask() -> None:
    facts = [row["entry"]["facts"] for row in rows(130)]
    assert without_secrets(facts, frozenset({"alice@example.com"})) == facts


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["given", "decision", "plan", "gate", "moment"]) | st.text(), inner
            )
        ),
        max_leaves=6,
    )
)
def test_whatever_a_row_holds_the_review_goes_on(facts: Any) -> None:
    told = rows()
    for row in told:
        row["entry"]["facts"] = facts
    assert reviewed(told).decisions == 2


@given(
    st.text(max_size=20),
    st.sampled_from(["", "token: hunter22", "+49 30 1234567", "bob@example.com", "Bearer abcdefgh1234"]),
    st.text(max_size=20),
)
def test_whatever_is_masked_the_decision_is_the_same_from_the_record(
    before: str, secret: str, after: str
) -> None:
    given = rows()[2]["entry"]["facts"]["given"] | {
        "stopped": True,
        "stopped_because": before + secret + after,
    }
    kept = GateInput.model_validate(without_secrets(given))
    facts = {"given": kept.model_dump(mode="json"), "decision": decide(kept).model_dump(mode="json")}
    log = MemoryAuditLog()
    log.append(AuditEntry(actor="gate", event="gate.decided", summary="s", facts=facts))
    assert reviewed(map(fields_of, log.rows())).recomputed == 1
