"""Autonomy is withdrawn when outcomes are worse than told, and given back when they are not any more."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.evidence import Deed, Demotion, Fault, Label, Priors, Restoration
from playbooks.drift import ALARM_EVERY, Drift, Outcome, drift, wealth_against, wealth_for

DAY = 86_400.0
NOW = 1000 * DAY


def outcomes(told: float, right: Iterable[bool]) -> list[Outcome]:
    return [Outcome(told=told, right=each, at=DAY * number) for number, each in enumerate(right, 1)]


def labels(told: float, right: Iterable[bool], start: float = 0.0) -> tuple[Label, ...]:
    return tuple(
        Label(
            incident=f"i{start}{number}",
            raw_probability=told,
            probability=told,
            right=each,
            at=start + number,
        )
        for number, each in enumerate(right, 1)
    )


def deeds(
    chance: float, right: Iterable[bool], *, alone: bool = True, playbook: str = "mend"
) -> tuple[Deed, ...]:
    return tuple(
        Deed(
            incident=f"i{number}",
            playbook=playbook,
            fault=Fault.CPU,
            service="cart",
            chance=chance,
            alone=alone,
            wrong=not each,
            at=float(number),
        )
        for number, each in enumerate(right, 1)
    )


def tosses(chance: float, count: int, seed: int) -> list[bool]:
    dice = random.Random(seed)
    return [dice.random() < chance for _ in range(count)]


def looked(priors: Priors) -> Drift:
    return drift(priors, at=NOW)


# The bets


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=50))
def test_wealth_is_never_negative_and_never_a_debt(told: list[tuple[float, bool]]) -> None:
    seen = [Outcome(told=chance, right=right, at=0.0) for chance, right in told]
    assert wealth_against(seen) >= 0.0 <= wealth_for(seen)


@given(st.floats(0.01, 0.99), st.lists(st.booleans(), max_size=30))
def test_one_more_miss_never_lowers_the_evidence(told: float, right: list[bool]) -> None:
    assert wealth_against(outcomes(told, [*right, False])) >= wealth_against(outcomes(told, right))


@pytest.mark.parametrize("told", [0.6, 0.8, 0.95])
def test_false_alarms_are_as_rare_as_promised(told: float) -> None:
    runs = 200
    alarms = sum(
        wealth_against(outcomes(told, tosses(told, 20, seed))) >= ALARM_EVERY for seed in range(runs)
    )
    assert alarms <= 2 * runs * 20 / ALARM_EVERY


@pytest.mark.parametrize("seed", range(10))
def test_an_engine_that_is_right_half_as_often_as_told_is_found_out(seed: int) -> None:
    assert wealth_against(outcomes(0.9, tosses(0.45, 40, seed))) >= ALARM_EVERY


@pytest.mark.parametrize("seed", range(5))
def test_a_long_good_past_does_not_hide_a_bad_present(seed: int) -> None:
    right = [*tosses(0.9, 500, seed), *tosses(0.45, 40, seed + 100)]
    assert wealth_against(outcomes(0.9, right)) >= ALARM_EVERY


def test_worse_than_told_by_the_margin_is_hardly_ever_taken_for_recovery() -> None:
    runs = 200
    assert sum(wealth_for(outcomes(0.9, tosses(0.8, 200, seed))) >= 20 for seed in range(runs)) <= runs * 0.08


# What follows


def test_with_no_history_nothing_is_withdrawn() -> None:
    assert not looked(Priors()).changes


def test_drift_of_the_engine_withdraws_the_autonomy_of_all() -> None:
    [demotion] = looked(Priors(labels=labels(0.9, [False] * 8))).demotions
    assert demotion.playbook == ""


def test_a_demotion_says_what_was_seen() -> None:
    [demotion] = looked(Priors(labels=labels(0.9, [False] * 8))).demotions
    assert "0 of 8" in demotion.because


def test_deeds_that_fail_more_often_than_told_withdraw_their_playbooks_autonomy_alone() -> None:
    known = deeds(0.9, [False] * 8, alone=False) + deeds(0.9, [True] * 8, playbook="other")
    assert [demotion.playbook for demotion in looked(Priors(deeds=known)).demotions] == ["mend"]


def test_deeds_alone_are_held_against_the_budget_however_little_they_promised() -> None:
    assert looked(Priors(deeds=deeds(0.1, [False] * 6))).demotions


def test_what_is_withdrawn_already_is_not_withdrawn_again() -> None:
    known = Demotion(because="drift", at=50.0)
    assert not looked(Priors(labels=labels(0.9, [False] * 8), demotions=(known,))).demotions


def test_what_was_before_a_restoration_counts_no_more() -> None:
    mended = Restoration(by="ada", because="mended", at=50.0)
    assert not looked(Priors(labels=labels(0.9, [False] * 8), restorations=(mended,))).changes


def test_autonomy_is_given_back_once_the_engine_is_right_again() -> None:
    demoted = Demotion(because="drift", at=50.0)
    right = labels(0.8, [True] * 40, start=100.0)
    [given_back] = looked(Priors(labels=right, demotions=(demoted,))).restorations
    assert given_back.playbook == ""


def test_a_few_good_days_do_not_give_autonomy_back() -> None:
    demoted = Demotion(because="drift", at=50.0)
    assert not looked(Priors(labels=labels(0.8, [True] * 5, start=100.0), demotions=(demoted,))).changes


def test_labels_of_which_nobody_was_told_a_chance_say_nothing() -> None:
    untold = tuple(label.model_copy(update={"probability": None}) for label in labels(0.9, [False] * 20))
    assert not looked(Priors(labels=untold)).changes
