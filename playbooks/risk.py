"""From which chance on may automation act alone? As low as the site's own history shows to be safe enough.

Each deed had a chance (P(cause) x floor of the playbook's confidence) when it was decided, and turned out
right or wrong. For a threshold t, the n deeds with a chance of t or more had k wrong ones. The rate of wrong
deeds at t is at most alpha with certainty 1 - delta where the one-sided upper limit of Clopper and Pearson
(The use of confidence or fiducial limits, Biometrika 26, 1934) for k of n is at most alpha. That supposes
deeds to be independent, not to be equally risky: where each has a chance of its own to be wrong, the binomial
tail is an upper bound for their mean (Hoeffding, Ann. Math. Statist. 27, 1956).

Who looks at many thresholds and takes the luckiest is wrong more often than delta. Learn then Test
(Angelopoulos, Bates, Candes, Jordan, Lei, arXiv:2110.01052) makes each threshold a hypothesis "the rate is
above alpha" and asks for a test that rejects no true one with 1 - delta. Here the thresholds are tried in a
fixed order, from the strictest downwards, each at twice the deeds of the one before; where they lie depends
on the chances alone, never on what was wrong. Each look has its share of delta (a half, a quarter, ...), and
one that passes hands what it had to the next (the fallback procedure; Wiens and Dmitrienko, J. Biopharm.
Statist. 15, 2005). Where the sequence ended at the first look that fails, one wrong deed among the surest
would silence automation however much came after it: of sites that are wrong once in a hundred deeds, 53 of
100 would earn a threshold with 400 deeds; so 94 do. Conformal risk control (Angelopoulos et al.,
arXiv:2208.02814) bounds the expected rate alone and asks for a loss that falls with t; this rate need not.

The deeds must stand for those to come: a plan that people declined because it was wrong is one of them, for
automation alone would have carried it out.

The first look needs 72 deeds with the defaults. Below that nothing can be shown to be safe, and the policy's
``act_above`` stands, unless the few deeds above it show already that it is not safe.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from causal.evidence import Deed, Fact, Probability
from playbooks.policy import ErrorBudget

_STEPS = 1000  # chances are told apart to a thousandth, rounded down


class Tally(Fact):
    """The deeds of one chance (rounded down to a thousandth), and how many of them were wrong."""

    chance: Probability
    deeds: int
    wrong: int


class Threshold(Fact):
    """From which chance on automation may act alone (None: from none), and where that comes from."""

    at: Probability | None
    because: str


def tallied(deeds: Iterable[Deed], least: Probability) -> tuple[Tally, ...]:
    """Reduce deeds to what the threshold rests on, the surest first; chances below ``least`` are left out."""
    counts: dict[int, tuple[int, int]] = {}
    for deed in deeds:
        step = math.floor(deed.chance * _STEPS)
        known, wrong = counts.get(step, (0, 0))
        counts[step] = known + 1, wrong + deed.wrong
    tallies = (
        Tally(chance=step / _STEPS, deeds=known, wrong=wrong)
        for step, (known, wrong) in sorted(counts.items(), reverse=True)
    )
    return tuple(tally for tally in tallies if tally.chance >= least)


def threshold(
    history: Sequence[Tally], budget: ErrorBudget, default: Probability, least: Probability
) -> Threshold:
    """Return the lowest chance that the history shows to be safe enough, never one below ``least``.

    ``history`` goes from the surest deeds downwards. Where it is too short to show anything, the answer is
    ``default``.
    """
    default = max(default, least)
    sums = [tally for tally in _summed(history) if tally.chance >= least]
    looks = tuple(_looks(sums, budget))
    if not looks:
        return _short(sums, budget, default)
    safe = [look for look, level in _levels(looks, budget) if _shown_safe(look, level, budget)]
    if not safe:
        return Threshold(at=None, because=f"no threshold is shown to be safe by {_said(looks[-1], budget)}")
    return Threshold(at=safe[-1].chance, because=f"earned by {_said(safe[-1], budget)}")


def upper_limit(wrong: int, deeds: int, delta: float) -> float:
    """Return the rate that is exceeded with a chance of at most ``delta``, given so many wrong deeds."""
    from scipy.special import betaincinv  # a quarter of a second that only decisions should pay

    return 1.0 if wrong >= deeds else float(betaincinv(wrong + 1, deeds - wrong, 1.0 - delta))


def lower_limit(wrong: int, deeds: int, delta: float) -> float:
    """Return the rate that is fallen short of with a chance of at most ``delta``."""
    return 1.0 - upper_limit(deeds - wrong, deeds, delta)


def _summed(history: Sequence[Tally]) -> Iterator[Tally]:
    """At each chance, the deeds of that chance or more."""
    deeds = wrong = 0
    for tally in history:
        deeds, wrong = deeds + tally.deeds, wrong + tally.wrong
        yield Tally(chance=tally.chance, deeds=deeds, wrong=wrong)


def _looks(sums: Iterable[Tally], budget: ErrorBudget) -> Iterator[Tally]:
    """Choose where to look: first where no wrong deed would do, then each time at twice as many deeds."""
    needed = math.log(_share(0, budget)) / math.log1p(-budget.wrong_at_most)
    for tally in sums:
        if tally.deeds >= needed:
            needed = 2 * tally.deeds
            yield tally


def _levels(looks: Iterable[Tally], budget: ErrorBudget) -> Iterator[tuple[Tally, float]]:
    """Each look with its level: its own share of delta, and what the looks passed just before it had."""
    handed_on = 0.0
    for number, look in enumerate(looks):
        level = _share(number, budget) + handed_on
        handed_on = level if _shown_safe(look, level, budget) else 0.0
        yield look, level


def _share(number: int, budget: ErrorBudget) -> float:
    return float((1.0 - budget.certainty) / 2 ** (number + 1))


def _shown_safe(look: Tally, level: float, budget: ErrorBudget) -> bool:
    return upper_limit(look.wrong, look.deeds, level) <= budget.wrong_at_most


def _short(sums: Sequence[Tally], budget: ErrorBudget, default: Probability) -> Threshold:
    known = [tally for tally in sums if tally.chance >= default]
    if known and lower_limit(known[-1].wrong, known[-1].deeds, 1.0 - budget.certainty) > budget.wrong_at_most:
        said = _said(known[-1], budget)
        return Threshold(at=None, because=f"the default of {default:.2f} is shown to be unsafe by {said}")
    count = sums[-1].deeds if sums else 0
    return Threshold(
        at=default, because=f"the policy's default; {count} deeds of the site's own are too few to tell"
    )


def _said(tally: Tally, budget: ErrorBudget) -> str:
    return (
        f"{tally.wrong} wrong of {tally.deeds} deeds with a chance of {tally.chance:.3f} or more in the last "
        f"{budget.window / 86_400:.0f} days; at most {budget.wrong_at_most:.1%} may be wrong, "
        f"with {budget.certainty:.0%} certainty"
    )
