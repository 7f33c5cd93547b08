import pytest

from benchmarks.figures import most_frequent, summarize
from benchmarks.grade import Grade, Guess
from benchmarks.truth import Cause
from tests.benchmarks.made_up import grade


def test_accuracy_is_counted_among_the_sure_ones() -> None:
    grades = [grade(0.9, right=True), grade(0.8, right=False), grade(0.2, right=False)]
    sure = summarize("set", grades).sure
    assert sure is not None
    assert (sure.hits, sure.n) == (1, 2)


def test_there_is_no_accuracy_among_nobody() -> None:
    very_sure = summarize("set", [grade(0.5, right=True)]).very_sure
    assert very_sure is not None
    assert very_sure.value is None


def test_a_case_without_an_answer_is_wrong_and_counted_apart() -> None:
    summary = summarize("set", [grade(0.5, right=True), grade(0.0, right=False, problem="no file")])
    assert (summary.top(1).value, summary.problems) == (0.5, 1)


def test_the_average_of_the_first_five_counts_each_depth_alike() -> None:
    second = Grade(case="c", guesses=(Guess(service="a", right=False), Guess(service="b", right=True)))
    assert summarize("set", [second]).avg5 == pytest.approx(4 / 5)


def test_a_method_that_only_orders_services_has_no_brier_score() -> None:
    ordered = Grade(case="c", guesses=(Guess(service="a", right=True),))
    assert summarize("set", [ordered]).brier is None


def test_an_engine_that_says_nothing_still_has_a_brier_score() -> None:
    assert summarize("set", [Grade(case="c", engine="aitia-1")]).brier == 0.0


def test_the_time_of_a_case_without_an_answer_does_not_count() -> None:
    slow = grade(0.5, right=True).model_copy(update={"seconds": 3.0})
    failed = grade(0.0, right=False, problem="no file").model_copy(update={"seconds": 0.0})
    assert summarize("set", [slow, failed]).median_seconds == 3.0


def test_the_memory_of_a_set_is_that_of_its_worst_case() -> None:
    grades = [grade(0.5, right=True).model_copy(update={"peak_bytes": mb << 20}) for mb in (1, 7, 3)]
    assert summarize("set", grades).peak_mb == 7.0


def test_steps_are_counted_where_the_truth_knows_them() -> None:
    told = [
        Grade(
            case="c",
            causes=(Cause(service="a", indicator="step:4"),),
            guesses=(Guess(service="a", right=True, probability=0.5, step=step),),
        )
        for step in (4, 5)
    ]
    assert summarize("set", [*told, grade(0.5, right=True)]).steps == 0.5


def test_the_most_frequent_answer_comes_first() -> None:
    grades = [Grade(case="c", causes=(Cause(service=name),)) for name in ("a", "b", "b")]
    assert most_frequent(grades) == ["b", "a"]
