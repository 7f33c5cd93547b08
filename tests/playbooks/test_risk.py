from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.evidence import Deed, Fault
from playbooks.policy import ErrorBudget
from playbooks.risk import Tally, Threshold, lower_limit, tallied, threshold, upper_limit

BUDGET = ErrorBudget()
DEFAULT, LEAST = 0.99, 0.70


def deed(chance: float, wrong: bool = False) -> Deed:
    return Deed(
        incident="inc-1",
        playbook="mend",
        fault=Fault.CPU,
        service="cart",
        chance=chance,
        alone=False,
        wrong=wrong,
        at=0.0,
    )


def history(*groups: tuple[float, int, int]) -> tuple[Tally, ...]:
    return tuple(Tally(chance=chance, deeds=deeds, wrong=wrong) for chance, deeds, wrong in groups)


def found(*groups: tuple[float, int, int], budget: ErrorBudget = BUDGET) -> Threshold:
    return threshold(history(*groups), budget, DEFAULT, LEAST)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Tally, ...]:
    steps = draw(st.lists(st.integers(600, 1000), max_size=30, unique=True))
    groups = []
    for step in sorted(steps, reverse=True):
        deeds = draw(st.integers(1, 60))
        wrong = draw(st.sampled_from([0, 0, 0, 1, deeds // 2, deeds]))
        groups.append((step / 1000, deeds, min(wrong, deeds)))
    return history(*groups)


def strictness(bar: Threshold) -> float:
    return 2.0 if bar.at is None else bar.at


def test_no_wrong_deed_of_72_is_bounded_by_the_rule_of_three() -> None:
    # exactly 1 - 0.025 ** (1 / 72)
    assert upper_limit(0, 72, 0.025) == pytest.approx(1 - 0.025 ** (1 / 72))


def test_the_upper_limit_is_where_so_few_wrong_deeds_become_unlikely() -> None:
    rate = upper_limit(1, 50, 0.05)
    assert (1 - rate) ** 50 + 50 * rate * (1 - rate) ** 49 == pytest.approx(0.05)


def test_deeds_that_were_all_wrong_are_bounded_by_one() -> None:
    assert upper_limit(3, 3, 0.05) == 1.0


@given(st.integers(0, 200), st.integers(1, 200), st.floats(0.001, 0.5))
def test_the_limits_stand_around_what_was_seen(wrong: int, deeds: int, delta: float) -> None:
    wrong = min(wrong, deeds)
    assert lower_limit(wrong, deeds, delta) <= wrong / deeds <= upper_limit(wrong, deeds, delta)


def test_without_history_the_default_stands() -> None:
    bar = found()
    assert (bar.at, bar.because) == (
        DEFAULT,
        "the policy's default; 0 deeds of the site's own are too few to tell",
    )


def test_71_faultless_deeds_are_too_few_to_tell() -> None:
    assert found((0.9, 71, 0)).at == DEFAULT


def test_72_faultless_deeds_earn_their_chance() -> None:
    bar = found((0.9, 72, 0))
    assert bar.at == 0.9
    assert bar.because == (
        "earned by 0 wrong of 72 deeds with a chance of 0.900 or more in the last 90 days; "
        "at most 5.0% may be wrong, with 95% certainty"
    )


def test_a_faultless_site_earns_its_way_down_to_its_least_sure_deeds() -> None:
    assert found((0.99, 72, 0), (0.9, 72, 0), (0.8, 144, 0)).at == 0.8


def test_wrong_deeds_among_the_less_sure_ones_end_the_way_down() -> None:
    assert found((0.99, 72, 0), (0.9, 72, 0), (0.8, 144, 40)).at == 0.9


def test_between_two_looks_nothing_more_is_earned() -> None:
    assert found((0.99, 72, 0), (0.98, 71, 0)).at == 0.99


def test_a_look_that_passed_lends_its_level_to_the_next() -> None:
    # the tail of 3 wrong of 163 is 0.035: between the 0.0125 of the second look and that with 0.025 more
    assert found((0.99, 72, 0), (0.9, 91, 3)).at == 0.9


def test_a_look_that_passed_lends_no_more_than_its_level() -> None:
    # the tail of 3 wrong of 148 is 0.059
    assert found((0.99, 72, 0), (0.9, 76, 3)).at == 0.99


def test_one_wrong_deed_among_the_surest_is_made_up_for_by_many_right_ones() -> None:
    assert found((0.99, 72, 1), (0.9, 100, 0), (0.8, 200, 0)).at == 0.8


def test_a_site_that_is_often_wrong_never_acts_alone() -> None:
    bar = found((0.99, 72, 9))
    assert bar.at is None
    assert bar.because.startswith("no threshold is shown to be safe by 9 wrong of 72 deeds")


def test_a_short_history_that_is_bad_enough_withdraws_the_default() -> None:
    bar = found((0.99, 10, 3))
    assert bar.at is None
    assert bar.because.startswith("the default of 0.99 is shown to be unsafe by 3 wrong of 10 deeds")


def test_wrong_deeds_below_the_default_do_not_withdraw_it() -> None:
    assert found((0.99, 10, 0), (0.8, 30, 20)).at == DEFAULT


def test_a_default_below_the_least_chance_is_raised_to_it() -> None:
    assert threshold((), BUDGET, 0.5, LEAST).at == LEAST


def test_deeds_below_the_least_chance_do_not_count() -> None:
    assert found((0.69, 500, 0)).at == DEFAULT


def test_chances_are_told_apart_to_a_thousandth_rounded_down() -> None:
    tallies = tallied([deed(0.9019), deed(0.9011, wrong=True), deed(1.0), deed(0.5)], LEAST)
    assert tallies == history((1.0, 1, 0), (0.901, 2, 1))


@given(st.lists(st.floats(0, 1)), st.floats(0, 1))
def test_a_tally_counts_just_the_deeds_that_its_chance_would_let_pass(
    chances: list[float], extra: float
) -> None:
    deeds = [deed(chance) for chance in (*chances, extra)]
    passed = 0
    for tally in tallied(deeds, 0.0):
        passed += tally.deeds
        assert passed == sum(each.chance >= tally.chance for each in deeds)


@given(histories())
def test_the_threshold_is_never_below_the_least_chance(past: tuple[Tally, ...]) -> None:
    assert strictness(threshold(past, BUDGET, DEFAULT, LEAST)) >= LEAST


@given(histories(), st.data())
def test_one_more_wrong_deed_never_lowers_the_threshold(past: tuple[Tally, ...], data: st.DataObject) -> None:
    right = [at for at, tally in enumerate(past) if tally.wrong < tally.deeds]
    if not right:
        return
    at = data.draw(st.sampled_from(right))
    worse = list(past)
    worse[at] = past[at].model_copy(update={"wrong": past[at].wrong + 1})
    before, after = (strictness(threshold(each, BUDGET, DEFAULT, LEAST)) for each in (past, worse))
    assert after >= before


@given(histories(), st.floats(0.01, 0.3), st.floats(0.01, 0.3))
def test_an_earned_threshold_keeps_the_plain_bound_of_its_own_deeds(
    past: tuple[Tally, ...], rate: float, other: float
) -> None:
    budget = ErrorBudget(wrong_at_most=min(rate, other))
    bar = threshold(past, budget, DEFAULT, LEAST)
    if not bar.because.startswith("earned"):
        return
    above = [tally for tally in past if tally.chance >= strictness(bar)]
    deeds, wrong = sum(tally.deeds for tally in above), sum(tally.wrong for tally in above)
    assert upper_limit(wrong, deeds, 1 - budget.certainty) <= budget.wrong_at_most


def _site(random_: random.Random, deeds: int, wrong_at_best: float, wrong_at_worst: float) -> list[Deed]:
    """A site whose deeds are the more often wrong the less sure they are."""
    made = []
    for _ in range(deeds):
        chance = 1.0 - random_.random() * (1.0 - LEAST)
        slope = (1.0 - chance) / (1.0 - LEAST)
        rate = wrong_at_best + slope * (wrong_at_worst - wrong_at_best)
        made.append(deed(chance, wrong=random_.random() < rate))
    return made


def _rate_above(at: float, best: float, worst: float) -> float:
    return best + (1.0 - at) / (1.0 - LEAST) / 2 * (worst - best)  # the mean of a line from 1 down to at


@pytest.mark.parametrize(("best", "worst"), [(0.0, 0.12), (0.02, 0.3), (0.051, 0.051)])
@pytest.mark.parametrize("deeds", [80, 400])
def test_sites_act_alone_within_their_budget_as_certainly_as_they_asked(
    best: float, worst: float, deeds: int
) -> None:
    random_ = random.Random(5)
    broken, sites = 0, 200
    for _ in range(sites):
        past = tallied(_site(random_, deeds, best, worst), LEAST)
        bar = threshold(past, BUDGET, DEFAULT, LEAST)
        if bar.because.startswith("earned"):
            broken += _rate_above(strictness(bar), best, worst) > BUDGET.wrong_at_most
    assert broken / sites <= 1 - BUDGET.certainty + 0.03  # two standard errors of 200 sites


def test_held_out_deeds_above_an_earned_threshold_are_wrong_as_rarely_as_was_asked() -> None:
    random_ = random.Random(6)
    wrong: list[bool] = []
    for _ in range(100):
        bar = threshold(tallied(_site(random_, 400, 0.0, 0.12), LEAST), BUDGET, DEFAULT, LEAST)
        later = _site(random_, 100, 0.0, 0.12)
        wrong += [each.wrong for each in later if each.chance >= strictness(bar)]
    assert len(wrong) > 1000
    assert _share(wrong) <= BUDGET.wrong_at_most


def test_who_takes_the_luckiest_threshold_breaks_the_budget_more_often_than_he_says() -> None:
    random_ = random.Random(7)
    rate, broken, sites = 0.051, 0, 200
    for _ in range(sites):
        past = tallied(_site(random_, 400, rate, rate), LEAST)
        broken += _luckiest_passes(past)
    assert broken / sites > 1 - BUDGET.certainty + 0.03


def _luckiest_passes(past: Sequence[Tally]) -> bool:
    deeds = wrong = 0
    for tally in past:
        deeds, wrong = deeds + tally.deeds, wrong + tally.wrong
        if upper_limit(wrong, deeds, 1 - BUDGET.certainty) <= BUDGET.wrong_at_most:
            return True
    return False


def _share(wrong: Sequence[bool]) -> float:
    return sum(wrong) / len(wrong)
