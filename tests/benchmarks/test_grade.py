from pathlib import Path

import pytest

from benchmarks import readers
from benchmarks.cases import Case
from benchmarks.grade import Grade, Guess, grade_engine, grade_order, grade_ranking
from benchmarks.truth import Cause
from causal.diagnose import diagnose
from causal.evidence import Alert, Diagnosis
from causal.telemetry import Telemetry
from tests.benchmarks.made_up import case_folder, incident, verdict


def _only(root: Path) -> Case:
    return readers.find([root])["set"][0]


def _graded(root: Path, *services: str) -> Grade:
    case = _only(root)
    return grade_engine(case, case.truth().root_causes, case.read(), lambda _a, _t: verdict(*services))


def test_the_engine_is_right_when_its_first_service_is_to_blame(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_001")
    assert _graded(tmp_path, "onyx", "jade").right


def test_a_cause_named_second_has_rank_two(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_001")
    assert _graded(tmp_path, "jade", "onyx").rank == 2


def test_an_engine_that_says_nothing_is_wrong_with_probability_zero(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_001")
    grade = _graded(tmp_path)
    assert (grade.right, grade.probability) == (False, 0.0)


def test_a_hypothesis_may_name_the_pod(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_001", pod="onyx-7")
    assert _graded(tmp_path, "onyx-7").right


def test_a_service_whose_name_only_resembles_the_cause_is_wrong(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_001")
    assert not _graded(tmp_path, "onyx-db").right


def test_the_kind_of_fault_is_judged_by_the_truths_own_name(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_001")
    assert _graded(tmp_path, "onyx").kind_right is True


def test_the_kind_is_not_judged_where_the_service_is_wrong(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_001")
    assert _graded(tmp_path, "jade").kind_right is None


def test_the_engine_sees_the_alert_of_the_case(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_001")
    seen: list[Alert] = []

    def engine(alert: Alert, _telemetry: Telemetry) -> Diagnosis:
        seen.append(alert)
        return verdict()

    case = _only(tmp_path)
    grade_engine(case, (), case.read(), engine)
    assert seen[0].symptom.service == "jade"


def test_an_engine_that_fails_is_wrong_and_said_to_fail(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_001")

    def engine(_alert: Alert, _telemetry: Telemetry) -> Diagnosis:
        raise ZeroDivisionError("by nothing")

    case = _only(tmp_path)
    grade = grade_engine(case, case.truth().root_causes, case.read(), engine)
    assert (grade.right, grade.problem) == (False, "ZeroDivisionError: by nothing")


def test_the_present_engine_can_be_graded(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_001")
    case = _only(tmp_path)
    assert grade_engine(case, (), case.read(), diagnose).problem == ""


def test_the_memory_of_an_engine_is_measured(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_001")
    assert (_graded(tmp_path).peak_bytes or 0) > 1 << 20


def _with_step(step: int | None, indicator: str | None) -> Grade:
    guess = Guess(service="onyx", right=True, probability=0.5, step=step)
    return Grade(case="c", causes=(Cause(service="jade", indicator=indicator),), guesses=(guess,))


@pytest.mark.parametrize(("said", "right"), [(1, True), (10, False), (None, False)])
def test_a_decisive_step_is_right_only_if_it_is_the_same(said: int | None, right: bool) -> None:
    assert _with_step(said, "step:1").step_right is right


def test_a_step_is_not_judged_where_the_truth_knows_none() -> None:
    assert _with_step(3, "CpuUsageRate(%)").step_right is None


def test_a_service_named_twice_in_an_order_counts_once(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_001")
    case = _only(tmp_path)
    graded = grade_order(case, case.truth().root_causes, incident(), ["jade", "jade", "onyx"], 0.1)
    assert graded.rank == 2


def test_a_method_without_anything_to_order_has_no_answer(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_001")
    case = _only(tmp_path)
    assert grade_ranking(case, case.truth().root_causes, incident(), lambda _a, _t: []).problem
