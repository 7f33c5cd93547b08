import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from benchmarks.grade import Cause, Grade, Guess, grade_case, main, sets_under, summarize
from causal.evidence import Alert, Diagnosis, Entity, Fault, Hypothesis
from causal.telemetry import Telemetry

ALERT = {
    "case_id": "case_001",
    "system": "shop",
    "fault_start_unix": 1000,
    "alert_time_unix": 1010,
    "baseline": [900, 995],
    "incident": [1000, 1030],
    "symptom": {"service": "jade", "signal": "latency", "operation": None},
}


def _case(root: Path, name: str, service: str = "onyx", pod: str | None = None) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "alert.json").write_text(json.dumps(ALERT | {"case_id": folder.name}))
    cause = {"service": service, "pod": pod, "fault": "latency", "indicator": None}
    (folder / "truth.json").write_text(json.dumps({"root_causes": [cause], "source": "made up"}))
    return folder


def _says(*services: str) -> Diagnosis:
    """A verdict that names these services, with 0.6, 0.3 and so on."""
    return Diagnosis(
        engine="test",
        hypotheses=tuple(
            Hypothesis(
                service=name,
                entity=Entity.of_service(name),
                fault=Fault.LATENCY,
                probability=0.6 / 2**place,
                raw_probability=0.6 / 2**place,
            )
            for place, name in enumerate(services)
        ),
    )


def _grade(probability: float, *, right: bool, case: str = "case") -> Grade:
    guess = Guess(service="onyx", fault=Fault.LATENCY, probability=probability, right=right)
    return Grade(case=case, causes=(Cause(service="onyx"),), guesses=(guess,), seconds=1.0)


def test_the_engine_is_right_when_its_first_service_is_to_blame(tmp_path: Path) -> None:
    case = _case(tmp_path, "set/case_001")
    assert grade_case(case, lambda _alert, _telemetry: _says("onyx", "jade")).right


def test_a_cause_named_second_has_rank_two(tmp_path: Path) -> None:
    case = _case(tmp_path, "set/case_001")
    assert grade_case(case, lambda _alert, _telemetry: _says("jade", "onyx")).rank == 2


def test_an_engine_that_says_nothing_is_wrong_with_probability_zero(tmp_path: Path) -> None:
    grade = grade_case(_case(tmp_path, "set/case_001"), lambda _alert, _telemetry: _says())
    assert (grade.right, grade.probability) == (False, 0.0)


def test_a_hypothesis_may_name_the_pod(tmp_path: Path) -> None:
    case = _case(tmp_path, "set/case_001", pod="onyx-7")
    assert grade_case(case, lambda _alert, _telemetry: _says("onyx-7")).right


def test_the_kind_of_fault_is_judged_by_the_truths_own_name(tmp_path: Path) -> None:
    case = _case(tmp_path, "set/case_001")
    assert grade_case(case, lambda _alert, _telemetry: _says("onyx")).kind_right is True


def test_the_kind_is_not_judged_where_the_service_is_wrong(tmp_path: Path) -> None:
    case = _case(tmp_path, "set/case_001")
    assert grade_case(case, lambda _alert, _telemetry: _says("jade")).kind_right is None


def test_the_engine_sees_the_alert_of_the_case(tmp_path: Path) -> None:
    seen: list[Alert] = []

    def engine(alert: Alert, _telemetry: Telemetry) -> Diagnosis:
        seen.append(alert)
        return _says()

    grade_case(_case(tmp_path, "set/case_001"), engine)
    assert seen[0].symptom.service == "jade"


def test_a_case_that_cannot_be_read_is_told_and_wrong(tmp_path: Path) -> None:
    case = _case(tmp_path, "set/case_001")
    (case / "alert.json").write_text("{")
    assert grade_case(case).problem != ""


def test_the_present_engine_can_be_graded(tmp_path: Path) -> None:
    assert grade_case(_case(tmp_path, "set/case_001")).problem == ""


def test_sets_are_named_by_the_folder_above_their_cases(tmp_path: Path) -> None:
    _case(tmp_path, "one/case_001")
    _case(tmp_path, "two/case_001")
    assert sorted(sets_under([tmp_path])) == ["one", "two"]


def test_folders_with_an_underscore_hold_no_cases(tmp_path: Path) -> None:
    _case(tmp_path, "one/_baseline/case_001")
    assert sets_under([tmp_path]) == {}


def test_a_set_can_be_named_directly(tmp_path: Path) -> None:
    case = _case(tmp_path, "one/case_001")
    assert sets_under([tmp_path / "one"]) == {"one": [case]}


def test_accuracy_is_counted_among_the_sure_ones() -> None:
    grades = [_grade(0.9, right=True), _grade(0.8, right=False), _grade(0.2, right=False)]
    assert summarize("set", grades).sure == (2, 0.5)


def test_there_is_no_accuracy_among_nobody() -> None:
    assert summarize("set", [_grade(0.5, right=True)]).very_sure == (0, None)


def test_the_brier_score_is_that_of_the_first_hypothesis() -> None:
    assert summarize("set", [_grade(0.9, right=True), _grade(0.5, right=False)]).brier == pytest.approx(0.13)


def _run(*words: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(main)
    done = CliRunner().invoke(app, list(words))
    return done.exit_code, done.output


def test_nothing_to_grade_is_wrong_usage(tmp_path: Path) -> None:
    assert _run(str(tmp_path))[0] == 2


def test_wrong_cases_are_listed_on_demand(tmp_path: Path) -> None:
    _case(tmp_path, "set/case_007")
    assert "set/case_007: truth onyx (latency); said nothing" in _run(str(tmp_path), "--wrong")[1]


def test_figures_are_there_for_programs(tmp_path: Path) -> None:
    _case(tmp_path, "set/case_001")
    told = json.loads(_run(str(tmp_path), "--json")[1])
    assert (told[0]["name"], told[0]["n"]) == ("set", 1)
