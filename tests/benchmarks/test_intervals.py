import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.intervals import wilson


def test_half_of_two_dozen_is_known_to_a_fifth() -> None:
    assert wilson(12, 24) == pytest.approx((0.314, 0.686), abs=0.001)


def test_all_of_few_is_no_certainty() -> None:
    assert wilson(3, 3) == pytest.approx((0.438, 1.0), abs=0.001)


def test_nothing_counted_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_share_and_stays_a_share(counted: tuple[int, int]) -> None:
    hits, n = counted
    low, high = wilson(hits, n)
    assert 0.0 <= low <= hits / n <= high <= 1.0


@given(st.integers(1, 100).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_right_and_wrong_mirror_each_other(counted: tuple[int, int]) -> None:
    hits, n = counted
    low, high = wilson(hits, n)
    assert wilson(n - hits, n) == pytest.approx((1 - high, 1 - low))
