"""How incidents recover by themselves, and how far a recovery speaks for the plan that was carried out.

*By themselves.* The time from an onset to the recovery without any effect of ours is estimated from the
site's own incidents: those about which nothing was done (gone, declined, expired, only suggested, left to
people) ended at a known time, all others are censored at the moment of the first effect (Kaplan and Meier,
"Nonparametric estimation from incomplete observations", JASA 53, 1958). What people repaired on their own
counts as by itself as well, which makes playbooks look worse, never better. Few incidents say little: the
hazard has a beta process prior (Hjort, "Nonparametric Bayes estimators based on beta processes in models for
life history data", Annals of Statistics 18, 1990) worth ``PSEUDO`` incidents: for all kinds of fault together
a constant rate, of as many ends and half a one more (Jeffreys' prior) in all the time that incidents were
watched; for one kind of fault, that of all kinds. Without pseudo incidents it is Kaplan and Meier's.

*Credit.* Let u be the chance that the incident would have recovered by itself by then, given that it had not
before the first effect. Of a plan that does nothing, u is uniform on [0, 1] (the probability integral
transform), so 1 - u would give it half a success a run. The bet 1 / sqrt(u) - 1 has a mean of one under that
hypothesis, and so can win in the long run only where recoveries come sooner than by themselves (Shafer,
"Testing by betting", JRSS A 184, 2021); as a share of belief, starting even, it moves by 1 - 2 sqrt(u). What
is positive of that is credit, what is negative speaks against the plan: only a recovery among the soonest
quarter of those by themselves is a merit. A plan that does nothing gains 1/12 of a success a run and 5/12 of
a failure, and more failures where its time runs out: its confidence falls. A recovery before the first
effect is nobody's.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, inf, sqrt
from typing import Self

from causal.evidence import Fact, Fault, Probability
from playbooks.remedy import Attempt, StepStatus
from playbooks.ticket import Ticket

PSEUDO = 5.0
_JEFFREYS = 0.5


class Spell(Fact):
    """How long an incident lasted with nothing effective done (s), and whether it ended by itself then."""

    seconds: float
    fault: Fault
    by_itself: bool


class Credit(Fact):
    """How far a recovery speaks for a plan and how far against it, and why in a sentence.

    ``by_itself`` is the chance that it would have come by then without any plan.
    """

    credit: Probability = 0.0
    debit: Probability = 0.0
    by_itself: Probability = 1.0
    says: str

    @classmethod
    def none(cls, says: str = "no recovery was seen") -> Self:
        """Nobody's merit and nobody's fault."""
        return cls(says=says)


@dataclass(frozen=True)
class Survival:
    """A survival function: a hazard rate (1/s) between breaks, and a chance to end at each break.

    ``rates`` has one value more than ``breaks`` (s, ascending) and ``jumps``: the last holds for ever.
    """

    breaks: tuple[float, ...] = ()
    jumps: tuple[Probability, ...] = ()
    rates: tuple[float, ...] = (0.0,)

    def lasting(self, after: float, until: float) -> float:
        """The chance to last beyond ``until`` (s), given that it lasted beyond ``after`` (s)."""
        left, edges = 1.0, (0.0, *self.breaks, inf)
        for rate, start, end in zip(self.rates, edges, edges[1:], strict=False):
            left *= exp(-rate * max(min(end, until) - max(start, after), 0.0))
        for jump in self.jumps[bisect_right(self.breaks, after) : bisect_right(self.breaks, until)]:
            left *= 1.0 - jump
        return left

    def hazard(self, at: float) -> tuple[float, float]:
        """The rate just before a time and the chance to end at it."""
        place = bisect_left(self.breaks, at)
        jump = self.jumps[place] if place < len(self.breaks) and self.breaks[place] == at else 0.0
        return self.rates[place], jump


def survival(spells: Sequence[Spell], prior: Survival, pseudo: float = PSEUDO) -> Survival:
    """The prior's hazard after these spells; with no pseudo incidents it is the Kaplan-Meier estimate."""
    times = sorted(spell.seconds for spell in spells)
    ended = sorted(spell.seconds for spell in spells if spell.by_itself)
    breaks = tuple(sorted({*times, *prior.breaks}))
    jumps, rates = [], []
    for at in breaks:
        there = len(times) - bisect_left(times, at)
        ends = bisect_right(ended, at) - bisect_left(ended, at)
        rate, jump = prior.hazard(at)
        weight = pseudo + there
        rates.append(pseudo * rate / weight if weight else 0.0)
        jumps.append((pseudo * jump + ends) / weight if weight else 0.0)
    return Survival(breaks, tuple(jumps), (*rates, prior.rates[-1] if pseudo else 0.0))


def by_itself(spells: Sequence[Spell], fault: Fault) -> Survival:
    """How incidents of one kind of fault last by themselves, as far as the site's incidents tell."""
    watched = sum(spell.seconds for spell in spells)
    if watched <= 0.0:
        return Survival()
    ends = sum(spell.by_itself for spell in spells)
    all_kinds = survival(spells, Survival(rates=((ends + _JEFFREYS) / watched,)))
    return survival([spell for spell in spells if spell.fault == fault], all_kinds)


def spells_of(tickets: Iterable[Ticket]) -> tuple[Spell, ...]:
    """What the incidents on record tell about recovery by itself; one that still runs is censored."""
    return tuple(spell for ticket in tickets if (spell := _spell(ticket)) is not None)


def onset_of(ticket: Ticket) -> float:
    """When an incident's trouble began, as far as it is known."""
    return ticket.opened_at if ticket.alert.began_at is None else ticket.alert.began_at


def first_effect(attempts: Iterable[Attempt]) -> float | None:
    """When the first step of any of these attempts that may have had an effect began; None where none had."""
    acted = [
        result.started_at
        for attempt in attempts
        for result in attempt.results
        if result.status is not StepStatus.FAILED
    ]
    return min(acted, default=None)


def well_before(attempt: Attempt) -> bool:
    """Whether the system is known to have been well before a plan's first effect."""
    acted, seen = first_effect([attempt]), attempt.verification
    return acted is not None and seen is not None and seen.well_since is not None and seen.well_since < acted


def credit(attempt: Attempt, ticket: Ticket, curve: Survival) -> Credit:
    """How far the recovery after an attempt speaks for its plan.

    The recovery's moment is that from which on the verification had found the system well (where it does not
    know, when it looked); both it and the first effect are counted from the onset.
    """
    onset, acted, seen = onset_of(ticket), first_effect([attempt]), attempt.verification
    if acted is None or seen is None:
        return Credit.none("nothing was done before it recovered")
    if well_before(attempt):
        return Credit.none("it was well before the first step: no merit of the plan's")
    well = max(seen.checked_at, acted) if seen.well_since is None else seen.well_since
    chance = 1.0 - curve.lasting(acted - onset, well - onset)
    share = 1.0 - 2.0 * sqrt(chance)
    return Credit(
        credit=max(share, 0.0),
        debit=max(-share, 0.0),
        by_itself=chance,
        says=f"well {well - acted:.0f} s after the first step; such incidents recover by themselves so soon "
        f"in {chance:.0%} of cases",
    )


def _spell(ticket: Ticket) -> Spell | None:
    acted = first_effect(ticket.attempts)
    until = acted or ticket.ended_at or ticket.updated_at
    lasted = until - onset_of(ticket)
    if lasted <= 0.0:
        return None
    return Spell(
        seconds=lasted, fault=_fault(ticket), by_itself=acted is None and ticket.ended_at is not None
    )


def _fault(ticket: Ticket) -> Fault:
    if ticket.cause is not None:
        return ticket.cause.fault
    if ticket.attempts:
        return ticket.attempts[0].plan.fault
    first = ticket.diagnosis.first if ticket.diagnosis else None
    return first.fault if first else Fault.UNKNOWN
