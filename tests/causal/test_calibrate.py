"""Calibration: a line through the log odds, as sure of itself as its labels allow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from causal.calibrate import calibrated, features, fit, refitted, shipped, told
from causal.evidence import Calibration, Label, Lesson, Priors
from causal.learn import learn

VAGUE = np.diag([9.0] * 4)


def line(doubt: float) -> Calibration:
    """The plain line, known as well as that."""
    covariance = np.diag([doubt, 0.1, 0.1, 0.1]).tolist()
    told = {"version": 1, "weights": (0.0, 1.0, 0.0, 0.0), "covariance": covariance, "provenance": "made up"}
    return Calibration.model_validate(told)


PLAIN = line(0.5)


def labels(raw: float, right: int, wrong: int) -> list[Label]:
    told = [True] * right + [False] * wrong
    return [Label(incident=f"inc-{raw}-{n}", raw_probability=raw, right=said) for n, said in enumerate(told)]


@given(
    first=st.floats(0.0, 1.0),
    second=st.floats(0.0, 1.0),
    left=st.floats(0.0, 500.0),
    quiet=st.floats(0.0, 900.0),
)
def test_calibration_never_changes_an_order(first: float, second: float, left: float, quiet: float) -> None:
    low, high = sorted((first / 2, second / 2))
    (a, b), _ = calibrated([low, high], left, quiet)
    assert a <= b


@given(raw=st.lists(st.floats(0.0, 0.2), max_size=5))
def test_calibrated_probabilities_and_the_rest_add_up_to_one(raw: list[float]) -> None:
    calm, rest = calibrated(raw, 0.0, 300.0)
    assert sum(calm) + rest == pytest.approx(1.0)


@given(raw=st.floats(0.51, 1.0))
def test_little_quiet_time_keeps_a_probability_from_certainty(raw: float) -> None:
    ((little,), _), ((plenty,), _) = (calibrated([raw], 0.0, quiet, PLAIN) for quiet in (5.0, 300.0))
    assert little < plenty


@given(raw=st.floats(0.51, 1.0))
def test_a_line_known_less_well_tells_less(raw: float) -> None:
    assert calibrated([raw], 0.0, 300.0, line(4.0))[0][0] < calibrated([raw], 0.0, 300.0, PLAIN)[0][0]


def test_the_shipped_line_doubts_a_verdict_that_leaves_much_unexplained() -> None:
    ((much,), _), ((little,), _) = (calibrated([0.95], left, 300.0) for left in (60.0, 0.0))
    assert much < little


def test_no_hypothesis_leaves_everything_to_none_of_these() -> None:
    assert calibrated([], 0.0, 300.0) == ([], 1.0)


def test_a_line_is_found_again_from_its_own_labels() -> None:
    dice = np.random.default_rng(3)
    raw, left = dice.uniform(0.02, 0.98, 20_000), dice.uniform(0.0, 30.0, 20_000)
    right = dice.uniform(size=20_000) < expit(0.8 + 0.7 * logit(raw) - 0.5 * np.log1p(left))
    x = features(raw.tolist(), left.tolist())
    found, _ = fit(x, right.astype(np.float64), np.array([0.0, 1.0, 0.0, 0.0]), VAGUE)
    assert found == pytest.approx([0.8, 0.7, 0.0, -0.5], abs=0.15)


def test_more_labels_make_a_line_better_known() -> None:
    few, many = refitted(PLAIN, labels(0.9, 4, 1)), refitted(PLAIN, labels(0.9, 40, 10))
    assert few.covariance[0][0] > many.covariance[0][0]


def test_a_site_where_verdicts_are_wrong_learns_to_doubt_them() -> None:
    site = refitted(PLAIN, labels(0.95, 2, 8))
    assert calibrated([0.95], 0.0, 300.0, site)[0][0] < calibrated([0.95], 0.0, 300.0, PLAIN)[0][0]


def test_no_labels_leave_the_line_as_it_was_shipped() -> None:
    assert refitted(PLAIN, []) is PLAIN


@given(order=st.permutations(labels(0.9, 3, 2) + labels(0.4, 1, 3)))
def test_labels_teach_the_same_in_any_order(order: list[Label]) -> None:
    assert refitted(PLAIN, order).weights == pytest.approx(refitted(PLAIN, sorted(order, key=str)).weights)


def test_a_line_never_falls_however_odd_the_labels() -> None:
    assert refitted(PLAIN, labels(0.99, 0, 50) + labels(0.01, 50, 0)).weights[1] > 0.0


def test_few_labels_of_a_site_are_said_to_be_few() -> None:
    assert "only 5 of this site's own" in told(refitted(PLAIN, labels(0.9, 4, 1)))


def test_the_shipped_line_says_on_what_it_was_fitted() -> None:
    assert shipped().provenance


def test_a_confirmed_incident_moves_the_calibration() -> None:
    lesson = Lesson(incident="inc-1", service="cart", confirmed=True, raw_probability=0.8)
    assert learn(Priors(), lesson).calibration == refitted(
        shipped(), [Label(incident="inc-1", raw_probability=0.8, right=True)]
    )


def test_the_last_word_on_an_incident_counts() -> None:
    first = Lesson(incident="inc-1", playbook="p", service="cart", confirmed=True, raw_probability=0.8)
    second = Lesson(incident="inc-1", service="till", confirmed=False, raw_probability=0.8)
    assert [label.right for label in learn(learn(Priors(), first), second).labels] == [False]


def test_a_corrected_cause_is_remembered_as_a_cause() -> None:
    lesson = Lesson(incident="inc-1", service="till", confirmed=False, raw_probability=0.8)
    assert [record.service for record in learn(Priors(), lesson).causes] == ["till"]


def test_saying_the_same_twice_counts_a_cause_once() -> None:
    cured = Lesson(incident="inc-1", playbook="p", service="cart", confirmed=True, raw_probability=0.8)
    person = Lesson(incident="inc-1", service="cart", confirmed=True, raw_probability=0.8)
    assert learn(learn(Priors(), cured), person).causes[0].confirmed == 1.0


def test_a_lesson_that_nobody_vouches_for_teaches_no_calibration() -> None:
    assert learn(Priors(), Lesson(incident="inc-1", raw_probability=0.8)).calibration is None
