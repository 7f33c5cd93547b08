"""Which answers to an approval count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.remedy import ApprovalAnswer, ApprovalRequest
from workers.protocol import refusal

OPEN = ApprovalRequest(
    id="inc-1-p1", incident="inc-1", plan="p1", plan_digest="d" * 64, asked_at=100.0, expires_at=200.0
)
YES = ApprovalAnswer(approval="inc-1-p1", plan_digest="d" * 64, approve=True, by="ada")


def test_a_timely_answer_for_the_very_plan_counts() -> None:
    assert refusal(OPEN, YES, now=150.0) is None


@pytest.mark.parametrize(
    ("request_", "answer", "now", "reason"),
    [
        (None, YES, 150.0, "nothing was asked"),
        (OPEN, YES, 200.0, "expired"),
        (OPEN.model_copy(update={"status": "approved"}), YES, 150.0, "approved already"),
        (OPEN.model_copy(update={"status": "expired"}), YES, 150.0, "expired already"),
        (OPEN, YES.model_copy(update={"plan_digest": "e" * 64}), 150.0, "another plan"),
        (OPEN, YES.model_copy(update={"approval": "inc-1-p2"}), 150.0, "inc-1-p2"),
        (OPEN, YES.model_copy(update={"by": "  "}), 150.0, "name"),
        (OPEN, YES.model_copy(update={"approve": False}), 150.0, "reason"),
    ],
    ids=[
        "unasked",
        "late",
        "replayed",
        "after expiry",
        "other plan",
        "other approval",
        "nameless",
        "reasonless",
    ],
)
def test_every_other_answer_is_refused_with_its_reason(
    request_: ApprovalRequest | None, answer: ApprovalAnswer, now: float, reason: str
) -> None:
    assert reason in (refusal(request_, answer, now=now) or "")


@given(st.text(), st.floats(min_value=0, max_value=1e6))
def test_no_answer_counts_for_a_digest_that_was_not_asked_about(digest: str, now: float) -> None:
    answer = YES.model_copy(update={"plan_digest": digest})
    assert (refusal(OPEN, answer, now=now) is None) == (digest == OPEN.plan_digest and now < OPEN.expires_at)
