from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.evidence import Fault, PlaybookRecord
from playbooks.confidence import Confidence, confidence
from playbooks.remedy import Claim

runs = st.floats(0, 1000)
claims = st.builds(Claim, prior=st.floats(0, 1), weight=st.floats(0.1, 100))


def after(successes: float, failures: float, claim: Claim | None = None) -> Confidence:
    record = PlaybookRecord(playbook="mend", fault=Fault.CPU, successes=successes, failures=failures)
    return confidence(claim or Claim(prior=0.5, weight=2), record)


def test_without_runs_the_mean_is_the_claim() -> None:
    assert after(0, 0, Claim(prior=0.7, weight=4)).mean == pytest.approx(0.7)


def test_a_uniform_prior_has_its_floor_at_five_percent() -> None:
    assert after(0, 0).floor == pytest.approx(0.05)


def test_nine_successes_over_a_uniform_prior_leave_a_floor_of_three_quarters() -> None:
    # Beta(10, 1) has the distribution function x^10
    assert after(9, 0).floor == pytest.approx(0.05**0.1)


def test_a_claim_of_certainty_gives_way_to_one_failure() -> None:
    assert after(0, 1, Claim(prior=1.0, weight=4)).floor < 0.6


@given(claims, runs, runs)
def test_the_floor_is_a_probability(claim: Claim, won: float, lost: float) -> None:
    assert 0 <= after(won, lost, claim).floor <= 1


@given(claims, runs, runs)
def test_one_more_success_never_lowers_the_floor(claim: Claim, won: float, lost: float) -> None:
    assert after(won + 1, lost, claim).floor >= after(won, lost, claim).floor - 1e-9


@given(claims, runs, runs)
def test_one_more_failure_never_raises_the_floor(claim: Claim, won: float, lost: float) -> None:
    assert after(won, lost + 1, claim).floor <= after(won, lost, claim).floor + 1e-9
