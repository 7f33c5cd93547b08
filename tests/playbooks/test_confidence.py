from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.evidence import Fault, PlaybookRecord, Priors
from playbooks.confidence import Confidence, confidence, confidence_on
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


# One service among others

T0 = 1_790_000_000.0


def known(successes: float, failures: float, service: str = "", at: float = T0) -> PlaybookRecord:
    return PlaybookRecord(
        playbook="mend", fault=Fault.CPU, service=service, successes=successes, failures=failures, at=at
    )


def on_cart(own: tuple[float, float], others: tuple[float, float], at: float = T0) -> Confidence:
    """The confidence on the cart, given its own runs and those on all other services."""
    together = known(own[0] + others[0], own[1] + others[1])
    priors = Priors(playbooks=(together, known(*own, service="cart")))
    return confidence_on(Claim(prior=0.5, weight=2), priors, "mend", Fault.CPU, "cart", at=at)


def share(won: float, lost: float) -> float:
    return won / (won + lost)


@given(runs, runs, runs, runs)
def test_the_mean_lies_between_the_services_own_and_that_of_all_others(
    won: float, lost: float, others_won: float, others_lost: float
) -> None:
    mean = on_cart((won, lost), (others_won, others_lost)).mean
    elsewhere = share(1 + others_won, 1 + others_lost)
    own = share(won, lost) if won + lost else elsewhere
    assert min(own, elsewhere) - 1e-9 <= mean <= max(own, elsewhere) + 1e-9


def test_a_service_without_runs_begins_with_what_is_known_of_the_others() -> None:
    assert on_cart((0, 0), (99, 0)).mean == pytest.approx(0.99, abs=0.01)


def test_what_happened_elsewhere_is_worth_twenty_runs_at_most() -> None:
    assert on_cart((0, 20), (10_000, 0)).mean == pytest.approx(0.5, abs=0.01)


def test_fame_elsewhere_makes_nobody_certain_here() -> None:
    assert on_cart((0, 0), (9_000, 1_000)).floor < after(9_000, 1_000).floor - 0.05


@given(runs, runs, st.floats(0, 1000), st.floats(0, 1000))
def test_confidence_goes_back_to_the_claim_as_runs_fade(
    won: float, lost: float, days: float, more: float
) -> None:
    earlier, later = (on_cart((won, lost), (0, 0), T0 + 86_400 * d).mean for d in (days, days + more))
    assert abs(later - 0.5) <= abs(earlier - 0.5) + 1e-9


def test_without_any_record_confidence_is_the_claim() -> None:
    claim = Claim(prior=0.7, weight=4)
    assert confidence_on(claim, Priors(), "mend", Fault.CPU, "cart", at=T0) == confidence(
        claim, PlaybookRecord(playbook="mend", fault=Fault.CPU)
    )
