"""What a comparison takes for usual: a group's own quiet time, and its likes' where its own is short."""

import numpy as np

from causal import bayes_factors
from causal.compare import Counts, Sums, commoner, slower

STRETCHES = 6


def times(means: np.ndarray, now: float) -> Sums:
    """Groups with a mean log time per quiet stretch, and one stretch of the incident; three rows each."""
    log = 3.0 * np.hstack([means, np.full((len(means), 1), now)])
    n = np.full(log.shape, 3.0)
    late = np.arange(log.shape[1]) == log.shape[1] - 1
    seconds = np.exp(log / 3.0)
    return Sums(late, n, log, log**2 / 3.0 + 0.3, 3.0 * seconds, 3.0 * seconds**2)


def wild(others: int) -> float:
    """The evidence of a rise in a group that was wild by its few stretches, among so many calm ones."""
    calm = np.zeros((others, STRETCHES))
    odd = np.array([[0.0, 0.0, 2.5, 0.0, 0.0, 0.0]])
    return float(slower(times(np.vstack([odd, calm]), 4.0)).evidence[0])


def bursts(of_the_other: list[float]) -> float:
    """The evidence of eight failures in ten requests of a group that never failed, beside another group."""
    held = np.array([[0.0] * STRETCHES + [8.0], [*of_the_other, 0.0]])
    late = np.arange(STRETCHES + 1) == STRETCHES
    return float(commoner(Counts(late, np.full(held.shape, 10.0), held), alike=True).evidence[0])


def test_calm_likes_make_a_rise_of_a_wild_group_more_surprising() -> None:
    assert wild(others=20) > wild(others=0)


def test_bursts_of_another_group_make_a_first_burst_less_surprising() -> None:
    assert bursts([0.0, 9.0, 0.0, 0.0, 8.0, 0.0]) < bursts([0.0] * STRETCHES)


def test_shares_that_spread_by_chance_have_no_more_than_the_common_spread() -> None:
    assert bayes_factors.common_spread(np.full((3, 5), 5.0), np.full((3, 5), 10.0)) == 1.0
