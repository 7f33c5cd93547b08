"""How incidents recover by themselves, and what a recovery says for a plan."""

from __future__ import annotations

import random
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.evidence import Alert, Fault, Lesson, Priors, Symptom
from causal.learn import learn
from playbooks.confidence import confidence_on
from playbooks.recovery import Spell, Survival, by_itself, credit, spells_of, survival
from playbooks.remedy import (
    Attempt,
    AttemptStatus,
    Claim,
    Decision,
    Plan,
    StepResult,
    StepStatus,
    Verdict,
    Verification,
)
from playbooks.ticket import KnownCause, Ticket, TicketStatus

CLAIM = Claim(prior=0.7, weight=4)


def attempt(
    acted: float | None,
    well: float | None,
    status: AttemptStatus = AttemptStatus.RECOVERED,
    step: StepStatus = StepStatus.DONE,
) -> Attempt:
    done = () if acted is None else (_step(acted, step),)
    return Attempt(
        plan=Plan(id="p1", incident="i", playbook="mend", service="cart", fault=Fault.CPU),
        decision=Decision(verdict=Verdict.ASK),
        status=status,
        results=done,
        verification=Verification(recovered=well is not None, says="", well_since=well),
    )


def _step(at: float, status: StepStatus) -> StepResult:
    return StepResult(step="s", action="a", key="k", status=status, started_at=at)


def ticket(
    ended: float | None, *attempts: Attempt, status: TicketStatus = "gone", fault: Fault = Fault.CPU
) -> Ticket:
    """An incident that began at the moment 1000."""
    return Ticket(
        id="i",
        title="",
        status=status,
        opened_at=1010.0,
        updated_at=1020.0,
        ended_at=ended,
        alert=Alert(fingerprint="f", symptom=Symptom(), raised_at=1010.0, began_at=1000.0),
        attempts=attempts,
        cause=KnownCause(service="cart", fault=fault, confirmed=True, by="ada", at=0.0),
    )


def spell(seconds: float, *, ended: bool = True, fault: Fault = Fault.CPU) -> Spell:
    return Spell(seconds=seconds, fault=fault, by_itself=ended)


spells = st.lists(
    st.builds(
        Spell,
        seconds=st.floats(0.1, 1e5),
        fault=st.sampled_from([Fault.CPU, Fault.ERRORS]),
        by_itself=st.booleans(),
    ),
    min_size=1,
    max_size=30,
)
times = st.floats(0.0, 2e5)


# What is counted


def test_an_incident_that_went_away_is_a_recovery_by_itself() -> None:
    assert spells_of([ticket(1300.0)]) == (spell(300.0),)


def test_a_declined_plan_leaves_an_incident_to_itself() -> None:
    declined = attempt(None, None, AttemptStatus.DECLINED)
    assert spells_of([ticket(1300.0, declined, status="declined")]) == (spell(300.0),)


def test_an_incident_is_censored_at_the_first_effect() -> None:
    assert spells_of([ticket(1300.0, attempt(1120.0, 1200.0))]) == (spell(120.0, ended=False),)


def test_a_step_that_certainly_did_nothing_leaves_an_incident_to_itself() -> None:
    failed = attempt(1120.0, None, AttemptStatus.FAILED, StepStatus.FAILED)
    assert spells_of([ticket(1300.0, failed)]) == (spell(300.0),)


def test_a_running_incident_is_censored_where_it_stands() -> None:
    assert spells_of([ticket(None)]) == (spell(20.0, ended=False),)


# The estimate


def test_without_pseudo_incidents_it_is_the_estimate_of_kaplan_and_meier() -> None:
    known = [spell(1), spell(2, ended=False), spell(3), spell(4)]
    curve = survival(known, Survival(), pseudo=0.0)
    assert [curve.lasting(0, at) for at in (0.5, 1, 2.5, 3, 4)] == pytest.approx([1, 3 / 4, 3 / 4, 3 / 8, 0])


def test_one_incident_that_was_watched_for_a_minute_is_half_an_end_a_minute() -> None:
    curve = by_itself([spell(60, ended=False)], Fault.CPU)
    assert curve.lasting(60, 120) == pytest.approx(exp(-0.5))


def test_a_kind_of_fault_without_incidents_recovers_like_all_the_others() -> None:
    known = [spell(60), spell(90), spell(600, ended=False)]
    all_kinds = survival(known, Survival(rates=(2.5 / 750,)))
    assert by_itself(known, Fault.ERRORS).lasting(0, 100) == pytest.approx(all_kinds.lasting(0, 100))


def test_a_kind_of_fault_that_never_heals_is_held_to_heal_less_than_the_others() -> None:
    known = [*(spell(60 + n) for n in range(10)), *(spell(3600, ended=False, fault=Fault.ERRORS),) * 10]
    stubborn, quick = by_itself(known, Fault.ERRORS), by_itself(known, Fault.CPU)
    assert stubborn.lasting(0, 600) > quick.lasting(0, 600)


@given(spells, times, times, times)
def test_the_chance_to_last_never_rises(known: list[Spell], a: float, b: float, c: float) -> None:
    first, second, third = sorted((a, b, c))
    curve = by_itself(known, Fault.CPU)
    assert 0.0 <= curve.lasting(first, third) <= curve.lasting(first, second) + 1e-12 <= 1.0 + 2e-12


@given(spells, times, times, times)
def test_lasting_twice_is_lasting_through(known: list[Spell], a: float, b: float, c: float) -> None:
    first, second, third = sorted((a, b, c))
    curve = by_itself(known, Fault.CPU)
    both = curve.lasting(first, second) * curve.lasting(second, third)
    assert curve.lasting(first, third) == pytest.approx(both, abs=1e-12)


@given(spells, st.randoms(), times)
def test_the_order_of_incidents_does_not_matter(
    known: list[Spell], dice: random.Random, until: float
) -> None:
    shuffled = list(known)
    dice.shuffle(shuffled)
    once, again = by_itself(known, Fault.CPU), by_itself(shuffled, Fault.CPU)
    assert once.lasting(0, until) == pytest.approx(again.lasting(0, until))


# Credit


@given(spells, st.floats(1000.0, 1e5), st.floats(1000.0, 1e5))
def test_credit_and_debit_are_shares_and_never_both(known: list[Spell], acted: float, well: float) -> None:
    told = credit(attempt(acted, well), ticket(None), by_itself(known, Fault.CPU))
    assert 0.0 <= told.credit <= 1.0 >= told.debit >= 0.0 == told.credit * told.debit


def test_a_recovery_before_the_first_effect_is_nobodys_merit() -> None:
    told = credit(attempt(1100.0, 1090.0), ticket(None), by_itself([spell(1e6)], Fault.CPU))
    assert (told.credit, told.debit) == (0.0, 0.0)


def test_a_sudden_recovery_among_incidents_that_last_for_days_is_full_credit() -> None:
    curve = by_itself([spell(2e6 + n) for n in range(20)], Fault.CPU)
    assert credit(attempt(1100.0, 1105.0), ticket(None), curve).credit > 0.95


def test_a_recovery_that_comes_as_late_as_by_itself_speaks_against_the_plan() -> None:
    curve = by_itself([spell(200 + n) for n in range(50)], Fault.CPU)
    told = credit(attempt(1100.0, 1300.0), ticket(None), curve)
    assert told.debit > 0.5


def test_the_sooner_a_recovery_the_more_credit() -> None:
    curve = by_itself([spell(100.0 * n) for n in range(1, 40)], Fault.CPU)
    given_at = [
        credit(attempt(1100.0, 1100.0 + wait), ticket(None), curve).credit for wait in (1, 30, 90, 300)
    ]
    assert given_at == sorted(given_at, reverse=True)


def trusted(effect: float, *, seed: int, incidents: int = 200) -> tuple[float, float]:
    """The mean and the floor of a playbook's confidence after a history of self-healing incidents.

    Incidents end by themselves after 5 minutes on average. The plan begins to act after 1 minute on average
    and cures at once with the chance ``effect``; its verification waits 10 minutes.
    """
    dice, known, priors = random.Random(seed), list[Spell](), Priors()
    for number in range(incidents):
        heals, acts = dice.expovariate(1 / 300), dice.expovariate(1 / 60)
        known.append(spell(min(heals, acts), ended=heals <= acts))
        if heals <= acts:
            continue
        well = acts + 5.0 if dice.random() < effect else heals
        told = credit(attempt(1000.0 + acts, 1000.0 + well), ticket(None), by_itself(known, Fault.CPU))
        worked = well - acts < 600.0
        lesson = Lesson(
            incident=f"i{number}",
            playbook="mend",
            service="cart",
            fault=Fault.CPU,
            worked=worked,
            credit=told.credit,
            debit=told.debit,
            at=1e6 + 3600.0 * number,
        )
        priors = learn(priors, lesson)
    now = confidence_on(CLAIM, priors, "mend", Fault.CPU, "cart", at=1e6 + 3600.0 * incidents)
    return now.mean, now.floor


CLAIMED = confidence_on(CLAIM, Priors(), "mend", Fault.CPU, "cart", at=0.0)


@pytest.mark.parametrize("seed", range(10))
def test_a_useless_playbook_gains_no_confidence_where_incidents_heal_themselves(seed: int) -> None:
    mean, floor = trusted(0.0, seed=seed)
    assert mean < CLAIMED.mean / 2
    assert floor < CLAIMED.floor


@pytest.mark.parametrize("seed", range(5))
def test_a_playbook_that_cures_gains_confidence_even_there(seed: int) -> None:
    mean, floor = trusted(1.0, seed=seed)
    assert mean > CLAIMED.mean
    assert floor > CLAIMED.floor
