"""Which answers to an approval count, and what an approval is for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.evidence import Alert, Fault
from playbooks.approval import (
    RAISED_BY,
    answered,
    askers,
    binding,
    flaw,
    handed_over,
    handover_refusal,
    proof_of,
    question,
    raised_by,
    refusal,
    right_of,
    sealed,
    token_of,
    turned,
)
from playbooks.people import OPERATOR
from playbooks.remedy import ApprovalAnswer, ApprovalRequest, Correction, Handover, Plan, PlannedStep

KEY = b"the key of the house"
ALERT = Alert(fingerprint="f", raised_at=1.0)
PLAN = Plan(
    id="p1",
    incident="inc-1",
    playbook="mend",
    service="cart",
    fault=Fault.ERRORS,
    parameters={"service": "cart"},
    steps=(PlannedStep(id="first", action="memory.act", target="process:cart"),),
    evidence="e" * 64,
    approvers=("sre",),
    quorum=2,
    approval_expires=100.0,
    escalate_to=("sre-lead",),
)
ASKED = sealed(question(PLAN, asked_by=("zoe",), now=100.0), KEY)


def yes(request: ApprovalRequest = ASKED, by: str = "ada", **changes: object) -> ApprovalAnswer:
    """An answer that counts, unless it is changed."""
    given = ApprovalAnswer(
        approval=request.id,
        binding=request.binding,
        proof=proof_of(token_of(request, KEY)) if len(request.votes) < request.quorum else "",
        approve=True,
        by=by,
        roles=("sre",),
    )
    return given.model_copy(update=changes)


def hand(by: str = "ada", to: str = "kim", **changes: object) -> Handover:
    """A handover that counts, unless it is changed."""
    wish = Handover(approval=ASKED.id, binding=ASKED.binding, by=by, roles=("sre",), to=to)
    return wish.model_copy(update=changes)


ONE_VOTE = answered(ASKED, yes(), now=110.0)
APPROVED = answered(ONE_VOTE, yes(ONE_VOTE, "bob"), now=120.0)
HANDED = handed_over(ASKED, hand(), now=110.0)


def test_a_timely_answer_for_the_very_plan_counts() -> None:
    assert refusal(ASKED, yes(), now=150.0) is None


@pytest.mark.parametrize(
    ("request_", "answer", "now", "reason"),
    [
        (None, yes(), 150.0, "nothing was asked"),
        (ASKED, yes(), 200.0, "expired"),
        (APPROVED, yes(), 150.0, "approved already"),
        (turned(ASKED, now=300.0), yes(), 300.0, "expired already"),
        (ASKED, yes(binding="e" * 64), 150.0, "another plan"),
        (ASKED, yes(approval="inc-1-p2"), 150.0, "inc-1-p2"),
        (ASKED, yes(proof="made up"), 150.0, "no token of"),
        (ASKED, yes(proof=ASKED.seals[0]), 150.0, "no token of"),
        (ONE_VOTE, yes(ASKED, "bob"), 150.0, "used already"),
        (ASKED, yes(by="  "), 150.0, "name"),
        (ASKED, yes(by="zoe"), 150.0, "asked for this"),
        (ASKED, yes(by=" Zoe "), 150.0, "asked for this"),
        (ONE_VOTE, yes(ONE_VOTE, "ADA"), 150.0, "different people"),
        (ASKED, yes(roles=()), 150.0, "none of the roles"),
        (ASKED, yes(by="eve", roles=("sre-lead",)), 120.0, "only once nobody else did"),
        (HANDED, yes(), 150.0, "handed their vote to kim"),
        (ASKED, yes(approve=False), 150.0, "reason"),
    ],
    ids=[
        "unasked",
        "late",
        "replayed",
        "after expiry",
        "edited",
        "other approval",
        "unknown token",
        "seal for a token",
        "spent token",
        "nameless",
        "self",
        "self in other letters",
        "same person twice",
        "unauthorised",
        "before escalation",
        "after handing over",
        "reasonless",
    ],
)
def test_every_other_answer_is_refused_with_its_reason(
    request_: ApprovalRequest | None, answer: ApprovalAnswer, now: float, reason: str
) -> None:
    assert reason in (refusal(request_, answer, now=now) or "")


@pytest.mark.parametrize(
    ("request_", "wish", "now", "reason"),
    [
        (None, hand(), 150.0, "nothing was asked"),
        (ASKED, hand(), 200.0, "expired"),
        (ASKED, hand(binding="e" * 64), 150.0, "another plan"),
        (ASKED, hand(roles=()), 150.0, "none of the roles"),
        (ASKED, hand(by="zoe"), 150.0, "no vote to hand over"),
        (ASKED, hand(to="zoe"), 150.0, "who asked may not approve"),
        (ASKED, hand(to="Ada"), 150.0, "nor vote twice"),
        (ASKED, hand(to=" "), 150.0, "name the person"),
        (ASKED, hand(to="bob", to_roles=("sre",)), 150.0, "bob may answer already"),
        (ONE_VOTE, hand(), 150.0, "voted already"),
        (HANDED, hand(to="joe"), 150.0, "handed their vote to kim"),
        (HANDED, hand(by="kim", to="joe", roles=()), 150.0, "only who has it by a role"),
        (HANDED, hand(by="bob", to="ada"), 150.0, "handed their own vote over"),
    ],
    ids=[
        "unasked",
        "late",
        "edited",
        "unauthorised",
        "asker",
        "to the asker",
        "to oneself",
        "to nobody",
        "to who may already",
        "after voting",
        "twice",
        "handed on",
        "back",
    ],
)
def test_a_vote_that_cannot_be_handed_over_is_refused_with_its_reason(
    request_: ApprovalRequest | None, wish: Handover, now: float, reason: str
) -> None:
    assert reason in (handover_refusal(request_, wish, now=now) or "")


def test_whom_a_vote_was_handed_to_may_answer_for_its_owner() -> None:
    assert right_of(HANDED, "kim", ()) == "for ada"


def test_one_vote_of_two_leaves_the_question_open() -> None:
    assert (ONE_VOTE.status, ONE_VOTE.answered_by) == ("open", ("ada",))


def test_the_last_vote_that_is_needed_approves() -> None:
    assert (APPROVED.status, [vote.by for vote in APPROVED.votes]) == ("approved", ["ada", "bob"])


def test_each_vote_has_a_token_of_its_own() -> None:
    assert token_of(ASKED, KEY) != token_of(ONE_VOTE, KEY)


def test_no_token_can_be_read_off_a_question() -> None:
    assert token_of(ASKED, KEY) not in ASKED.model_dump_json()


def test_what_an_answer_carries_is_not_what_the_question_keeps() -> None:
    assert yes().proof not in ASKED.seals


def test_another_key_makes_other_tokens() -> None:
    assert token_of(ASKED, b"another") != token_of(ASKED, KEY)


def test_a_question_without_seals_can_not_be_answered() -> None:
    assert "no token" in (refusal(question(PLAN, now=100.0), yes(), now=110.0) or "")


def test_a_decline_may_say_what_it_was_instead_of_why() -> None:
    assert refusal(ASKED, yes(approve=False, it_was=Correction(service="till")), now=150.0) is None


def test_what_it_was_instead_is_kept_with_who_said_so() -> None:
    it_was = Correction(service="till", fault=Fault.CPU)
    declined = answered(ASKED, yes(approve=False, because="seen it", it_was=it_was), now=150.0)
    told = Correction(service="till", fault=Fault.CPU, by="ada", because="seen it", at=150.0)
    assert (declined.status, declined.corrected) == ("declined", told)


def test_one_decline_is_enough() -> None:
    assert (
        answered(ONE_VOTE, yes(ONE_VOTE, "bob", approve=False, because="no"), now=150.0).status == "declined"
    )


def test_who_asked_may_decline() -> None:
    assert refusal(ASKED, yes(by="zoe", approve=False, because="no longer"), now=150.0) is None


# Time


def test_half_of_the_time_later_others_are_asked_too() -> None:
    assert turned(ASKED, now=150.0).escalated_at == 150.0


def test_from_then_on_their_answer_counts() -> None:
    assert refusal(turned(ASKED, now=150.0), yes(by="eve", roles=("sre-lead",)), now=151.0) is None


def test_a_time_that_was_written_is_the_time_of_escalation() -> None:
    assert question(PLAN.model_copy(update={"escalate_after": 10.0}), now=100.0).escalate_at == 110.0


def test_without_anybody_to_escalate_to_nothing_happens_before_the_end() -> None:
    alone = question(PLAN.model_copy(update={"escalate_to": ()}), now=100.0)
    assert turned(alone, now=199.0) is alone


def test_silence_ends_in_no() -> None:
    assert turned(ASKED, now=200.0).status == "expired"


def test_too_few_votes_in_time_are_no_too() -> None:
    assert turned(ONE_VOTE, now=200.0).because == "1 of 2 approved in time"


# What an approval is for


def test_an_approval_lets_its_plan_begin() -> None:
    assert flaw(APPROVED, PLAN, now=150.0) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"parameters": {"service": "till"}},
        {"steps": (PlannedStep(id="first", action="memory.act", target="process:till"),)},
        {"evidence": "f" * 64},
        {"steps": ()},
        {"impact": "low"},
        {"quorum": 1},
    ],
    ids=["parameters", "target", "evidence", "steps", "impact", "quorum"],
)
def test_a_changed_plan_needs_a_new_approval(changes: dict[str, object]) -> None:
    assert "new approval" in (flaw(APPROVED, PLAN.model_copy(update=changes), now=150.0) or "")


def test_a_later_expiry_is_another_approval() -> None:
    longer = APPROVED.model_copy(update={"expires_at": 9e9})
    assert "new approval" in (flaw(longer, PLAN, now=150.0) or "")


def test_an_approval_does_not_outlive_its_expiry() -> None:
    assert "ran out" in (flaw(APPROVED, PLAN, now=200.0) or "")


def test_an_open_question_lets_nothing_begin() -> None:
    assert "not approved" in (flaw(ONE_VOTE, PLAN, now=150.0) or "")


def test_an_approval_by_who_asked_lets_nothing_begin() -> None:
    forged = APPROVED.model_copy(update={"asked_by": ("bob",)})
    assert "votes of others" in (flaw(forged, PLAN, now=150.0) or "")


@given(st.text(), st.floats(min_value=0, max_value=1e6))
def test_no_answer_counts_for_what_was_not_asked_about(bound: str, now: float) -> None:
    counts = refusal(ASKED, yes(binding=bound), now=now) is None
    assert counts == (bound == ASKED.binding and now < ASKED.expires_at)


@given(st.floats(min_value=1, max_value=1e9), st.floats(min_value=1, max_value=1e9))
def test_a_binding_is_for_one_expiry_alone(one: float, other: float) -> None:
    assert (binding(PLAN, "a", one) == binding(PLAN, "a", other)) == (one == other)


# Who asked


def test_a_person_who_raises_an_alert_asks_for_its_fix() -> None:
    assert askers(raised_by(ALERT, "ada")) == ("ada",)


def test_what_an_alert_says_of_that_itself_does_not_count() -> None:
    forged = ALERT.model_copy(update={"labels": {RAISED_BY: "bob", "team": "shop"}})
    assert (askers(raised_by(forged, "")), raised_by(forged, "").labels) == ((), {"team": "shop"})


# Where nobody is named


def test_whoever_holds_the_doors_token_counts_for_every_role() -> None:
    assert refusal(ASKED, yes(by="anybody", roles=(OPERATOR,)), now=150.0) is None


def test_a_question_without_approvers_is_open_to_every_known_person() -> None:
    anyone = sealed(question(PLAN.model_copy(update={"approvers": ()}), now=100.0), KEY)
    assert refusal(anyone, yes(anyone, roles=()), now=150.0) is None
