"""Drift: when what was earned no longer holds, autonomy is withdrawn by itself, and given back once it does.

Each confirmed incident and each deed is a bet that was told beforehand: the engine said with which chance
its first hypothesis is right, the gate with which chance a deed brings recovery. Against "at least as often
right as told" one may bet: at a stake f, wealth is multiplied by 1 + f (p - y) / (1 - p) for an outcome y
told with p. Under that hypothesis wealth is a supermartingale, whatever p was each time and whenever one
looks (Ville's inequality; Waudby-Smith and Ramdas, "Estimating means of bounded random variables by
betting", JRSS B 86, 2024). Drift begins at some time, so wealth is never let below one: the mean over several
stakes is an e-detector, and the mean number of outcomes to a false alarm at the limit of ``ALARM_EVERY`` is
at least that many (Page, "Continuous inspection schemes", Biometrika 41, 1954; Shin, Ramdas, Rinaldo,
"E-detectors", NEJSDS 2, 2024). A false alarm costs people some questions, a late one wrong deeds.

Three such watches: the engine on confirmed incidents (drift of it touches every playbook), each playbook on
its deeds against their chance, and each playbook on its deeds alone against the budget for wrong ones. After
a demotion the bet is turned round: against "right at most as often as told but a ``MARGIN``", with one limit
for ever, so that the chance to give autonomy back wrongly is at most ``MISTAKE``. What was before the last
restoration counts no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from causal.evidence import Deed, Demotion, Fact, Priors, Probability, Restoration

ALARM_EVERY = 200.0
MISTAKE = 0.05
MARGIN = 0.1
WRONG_AT_MOST = 0.05
SELF = "drift check"
_STAKES = (0.1, 0.25, 0.5)
_SUREST = 0.999

Measure = Literal["engine", "chance", "budget"]


class Outcome(Fact):
    """Something that was told with a chance beforehand, and whether it was right."""

    told: Probability
    right: bool
    at: float


class Watch(Fact):
    """What one watch has seen: how many outcomes, how many right and how many as told, and its evidence.

    ``wealth`` is what a bet against the measure has come to since the last restoration, drifted from
    ``limit`` on.
    """

    playbook: str = ""
    measure: Measure
    outcomes: int
    right: int
    expected: float
    wealth: float
    limit: float = ALARM_EVERY

    @property
    def drifted(self) -> bool:
        return self.wealth >= self.limit

    @property
    def says(self) -> str:
        """The watch in one sentence."""
        what = {
            "engine": "the first hypothesis was right",
            "chance": f"{self.playbook} brought recovery",
            "budget": f"{self.playbook} was right acting alone",
        }[self.measure]
        return (
            f"{what} in {self.right} of {self.outcomes} cases where at least {self.expected:.1f} were told; "
            f"the evidence of drift is {self.wealth:.3g}, its limit {self.limit:.0f}"
        )


class Drift(Fact):
    """What all watches say, and what follows: what is withdrawn and what is given back."""

    watches: tuple[Watch, ...] = ()
    demotions: tuple[Demotion, ...] = ()
    restorations: tuple[Restoration, ...] = ()

    @property
    def changes(self) -> bool:
        return bool(self.demotions or self.restorations)


def drift(priors: Priors, *, at: float, wrong_at_most: float = WRONG_AT_MOST) -> Drift:
    """Look at all outcomes since the last restorations; ``wrong_at_most`` is the budget for deeds alone."""
    watches = tuple(_watches(priors, wrong_at_most))
    demoted = {known.playbook for known in priors.demotions}
    return Drift(
        watches=watches,
        demotions=tuple(_demotions(watches, demoted, at)),
        restorations=tuple(
            Restoration(playbook=known.playbook, by=SELF, because=because, at=at)
            for known in priors.demotions
            if (because := _recovered(priors, known, wrong_at_most))
        ),
    )


def wealth_against(outcomes: Iterable[Outcome]) -> float:
    """The evidence that outcomes are right less often than told, since some moment; the largest so far.

    Its mean run to a given value is at least that many outcomes where they are right as often as told.
    """
    purses, most = [0.0] * len(_STAKES), 0.0
    for outcome in outcomes:
        told = min(outcome.told, _SUREST)
        factors = [1.0 + stake * (told - outcome.right) / (1.0 - told) for stake in _STAKES]
        purses = [max(purse, 1.0) * factor for purse, factor in zip(purses, factors, strict=True)]
        most = max(most, sum(purses) / len(purses))
    return most


def wealth_for(outcomes: Iterable[Outcome]) -> float:
    """The evidence that outcomes are right more often than told but a margin; the largest so far.

    It reaches 1 / c with a chance of at most c where they are not (Ville).
    """
    purses, most = [1.0] * len(_STAKES), 1.0
    for outcome in outcomes:
        bar = max(outcome.told - MARGIN, MARGIN)
        factors = [1.0 + stake * (outcome.right - bar) / bar for stake in _STAKES]
        purses = [purse * factor for purse, factor in zip(purses, factors, strict=True)]
        most = max(most, sum(purses) / len(purses))
    return most


def _watches(priors: Priors, wrong_at_most: float) -> Iterable[Watch]:
    yield _watch("", "engine", _since(_labelled(priors), _restored(priors, "")))
    for playbook in sorted({deed.playbook for deed in priors.deeds}):
        since = _restored(priors, playbook)
        mine = [deed for deed in priors.deeds if deed.playbook == playbook]
        yield _watch(playbook, "chance", _since(_carried_out(mine), since))
        yield _watch(playbook, "budget", _since(_alone(mine, wrong_at_most), since))


def _watch(playbook: str, measure: Measure, outcomes: Sequence[Outcome]) -> Watch:
    return Watch(
        playbook=playbook,
        measure=measure,
        outcomes=len(outcomes),
        right=sum(outcome.right for outcome in outcomes),
        expected=sum(outcome.told for outcome in outcomes),
        wealth=wealth_against(outcomes),
    )


def _demotions(watches: Iterable[Watch], demoted: set[str], at: float) -> Iterable[Demotion]:
    for watch in watches:
        if watch.drifted and watch.playbook not in demoted:
            demoted = demoted | {watch.playbook}
            yield Demotion(playbook=watch.playbook, because=watch.says, at=at)


def _recovered(priors: Priors, demotion: Demotion, wrong_at_most: float) -> str:
    """Why autonomy may be given back; an empty string if it may not."""
    mine = [deed for deed in priors.deeds if deed.playbook == demotion.playbook]
    known = _carried_out(mine, 1.0 - wrong_at_most) if demotion.playbook else _labelled(priors)
    outcomes = _since(known, demotion.at)
    if wealth_for(outcomes) < 1.0 / MISTAKE:
        return ""
    right = sum(outcome.right for outcome in outcomes)
    return (
        f"since then {right} of {len(outcomes)} were right, as often as told with {1 - MISTAKE:.0%} certainty"
    )


def _labelled(priors: Priors) -> list[Outcome]:
    return [
        Outcome(told=label.probability, right=label.right, at=label.at)
        for label in priors.labels
        if label.probability is not None
    ]


def _carried_out(deeds: Iterable[Deed], told: float | None = None) -> list[Outcome]:
    return [
        Outcome(told=deed.chance if told is None else told, right=not deed.wrong, at=deed.at)
        for deed in deeds
    ]


def _alone(deeds: Iterable[Deed], wrong_at_most: float) -> list[Outcome]:
    return _carried_out((deed for deed in deeds if deed.alone), 1.0 - wrong_at_most)


def _restored(priors: Priors, playbook: str) -> float:
    """When autonomy was last given back, to this playbook or to all."""
    return max((known.at for known in priors.restorations if known.playbook in {"", playbook}), default=0.0)


def _since(outcomes: Iterable[Outcome], moment: float) -> list[Outcome]:
    """The outcomes after a moment, oldest first."""
    return sorted((each for each in outcomes if each.at > moment or not moment), key=lambda each: each.at)
