import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal import bayes_factors

COUNTS = st.integers(0, 200)


def test_a_quiet_share_seldom_exceeds_its_threshold() -> None:
    dice = np.random.default_rng(5)
    share = dice.beta(5.0, 95.0, 20_000)
    k = dice.binomial(100, share)
    evidence = bayes_factors.beta_binomial(500, 10_000, k, 100, 99.0)
    assert (evidence > bayes_factors.threshold(1, 0.01)).mean() <= 0.01


@given(k=COUNTS)
def test_more_failures_than_quiet_time_never_weigh_less(k: int) -> None:
    low, high = bayes_factors.beta_binomial(10, 1000, np.array([k, k + 1]) + 10, 400, 200.0)
    assert high >= low - 1e-9


def test_no_requests_are_no_evidence() -> None:
    assert float(bayes_factors.beta_binomial(10, 1000, 0, 0, 100.0)) == pytest.approx(0.0)


def test_shares_that_vary_much_make_the_same_rise_weigh_less() -> None:
    calm, wild = bayes_factors.beta_binomial(10, 1000, 30, 200, np.array([500.0, 5.0]))
    assert wild < calm


@given(z=st.floats(0.0, 50.0))
def test_fewer_quiet_stretches_make_a_great_rise_weigh_less(z: float) -> None:
    few, many = bayes_factors.student_t(z + 3.0, np.array([2.0, 30.0]))
    assert few < many


def test_equal_shares_in_all_stretches_are_pure_chance() -> None:
    n = np.full(20, 1000)
    found = bayes_factors.concentration(n // 10, n)
    assert float(found) == bayes_factors.TIGHTEST
