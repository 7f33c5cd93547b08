import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.calibration import calibration, told
from benchmarks.grade import Grade
from tests.benchmarks.made_up import grade

GRADES = st.lists(
    st.builds(lambda p, right: grade(p, right=right), st.floats(0.0, 1.0), st.booleans()),
    min_size=1,
    max_size=40,
)


def test_the_brier_score_is_that_of_the_first_hypothesis() -> None:
    judged = calibration([grade(0.9, right=True), grade(0.5, right=False)])
    assert judged.brier == pytest.approx(0.13)


def test_nine_of_ten_at_nine_tenths_is_no_calibration_error() -> None:
    grades = [grade(0.9, right=place > 0) for place in range(10)]
    assert calibration(grades).ece == pytest.approx(0.0)


def test_half_of_them_at_nine_tenths_is_an_error_of_four_tenths() -> None:
    grades = [grade(0.9, right=place % 2 == 0) for place in range(10)]
    assert calibration(grades).ece == pytest.approx(0.4)


def test_certainty_falls_into_the_last_tenth() -> None:
    (only,) = calibration([grade(1.0, right=True)]).bins
    assert (only.low, only.high) == (0.9, 1.0)


def test_a_case_without_an_answer_was_given_no_probability() -> None:
    assert calibration([grade(0.0, right=False, problem="no file")]).brier == 0.0


def test_answering_only_the_surest_is_less_risky_here() -> None:
    judged = calibration([grade(0.9, right=True), grade(0.4, right=False)])
    assert [(point.coverage, point.risk) for point in judged.risk_coverage] == [(0.5, 0.0), (1.0, 0.5)]


def test_equal_probabilities_are_answered_together() -> None:
    judged = calibration([grade(0.7, right=True), grade(0.7, right=False)])
    assert len(judged.risk_coverage) == 1


@given(GRADES)
def test_every_case_is_in_one_bin(grades: list[Grade]) -> None:
    assert sum(part.n for part in calibration(grades).bins) == len(grades)


@given(GRADES)
def test_the_error_is_never_more_than_the_root_of_the_brier_score(grades: list[Grade]) -> None:
    judged = calibration(grades)
    assert judged.ece <= judged.brier**0.5 + 1e-9


@given(GRADES)
def test_answering_everything_is_wrong_as_often_as_cases_are(grades: list[Grade]) -> None:
    last = calibration(grades).risk_coverage[-1]
    wrong = sum(not one.right for one in grades) / len(grades)
    assert [last.coverage, last.risk] == pytest.approx([1.0, wrong])


def test_the_diagram_shows_bins_and_coverage() -> None:
    lines = list(told("set", calibration([grade(0.9, right=True), grade(0.4, right=False)])))
    assert lines[0] == "set: 2 cases, Brier 0.085, ECE 0.250"
    assert any(line.lstrip().startswith("100%  50.0%") for line in lines)
