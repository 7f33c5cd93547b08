import json
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.simulate import KINDS, app, simulated, write_case
from benchmarks.simulation.cases import Simulated, simulate
from causal.errors import MalformedCase
from causal.telemetry import Telemetry
from integrations.cases import load_case

SIZES = (5, 12)


@cache
def _case(kind: str, number: int = 1) -> Simulated:
    return simulate(3, number, SIZES, (kind,))


def _telemetry(kind: str, number: int = 1) -> Telemetry:
    case = _case(kind, number)
    return case.rows.telemetry(case.calls, case.changes)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_the_same_seed_and_number_give_the_same_bytes(tmp_path: Path) -> None:
    write_case(tmp_path / "one" / "case_0001", _case("own_errors"))
    write_case(tmp_path / "two" / "case_0001", simulate(3, 1, SIZES, ("own_errors",)))
    assert _bytes(tmp_path / "one" / "case_0001") == _bytes(tmp_path / "two" / "case_0001")


def test_another_seed_gives_another_incident() -> None:
    assert simulate(4, 1, SIZES, ("own_errors",)).alert != _case("own_errors").alert


@pytest.mark.parametrize("kind", sorted(set(KINDS)))
def test_each_kind_of_fault_makes_an_incident_with_its_truth(kind: str) -> None:
    faults = {cause["fault"] for cause in _case(kind).truth["root_causes"]}
    assert len(faults) == (kind != "nothing")


def test_there_is_telemetry_of_quiet_time_as_well() -> None:
    assert _telemetry("own_errors").quiet


def test_a_case_has_telemetry_of_the_incident() -> None:
    assert _telemetry("own_errors").incident


def test_an_alarm_on_noise_blames_nobody() -> None:
    assert _case("nothing").truth["root_causes"] == []


def test_an_incident_is_not_longer_than_three_minutes() -> None:
    assert _case("memory_leak").rows.incident.seconds <= 180.0


def test_no_change_is_the_first_of_its_repository() -> None:
    changes = [change for number in range(1, 4) for change in _case("bad_prompt", number).changes]
    assert [bool(change.previous) for change in changes] == [True] * max(len(changes), 1)


def test_an_alert_never_holds_the_truth(tmp_path: Path) -> None:
    write_case(tmp_path / "case_0001", _case("own_errors"))
    alert = json.loads((tmp_path / "case_0001" / "alert.json").read_text())
    blamed = _case("own_errors").truth["root_causes"][0]["service"]
    own = {key: value for key, value in alert.items() if key not in ("symptom", "summary")}
    assert blamed not in json.dumps(own)
    assert "own_errors" not in json.dumps(alert)


def test_a_written_case_loads_as_what_is_simulated_in_memory(tmp_path: Path) -> None:
    write_case(tmp_path / "case_0001", _case("slow_code"))
    _, loaded = load_case(tmp_path / "case_0001")
    assert loaded.digest == simulated(3, 1, SIZES, ("slow_code",))[1].digest


def test_a_fault_that_nobody_can_have_is_refused() -> None:
    with pytest.raises(MalformedCase, match="no tool_failing was felt"):
        simulate(1, 1, (2, 3), ("tool_failing",))


def test_an_unknown_kind_of_fault_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(tmp_path), "--kinds", "gremlins"])
    assert result.exit_code == 2


def test_the_command_writes_cases_and_keeps_what_is_there(tmp_path: Path) -> None:
    arguments = [str(tmp_path), "--cases", "1", "--seed", "3", "--services", "5-8", "--kinds", "own_errors"]
    CliRunner().invoke(app, arguments)
    again = CliRunner().invoke(app, arguments)
    assert "is there" in again.output


@pytest.mark.parametrize("number", range(8))
def test_an_alarm_on_noise_ends_where_it_was_heard(number: int) -> None:
    case = _case("nothing", number)
    assert case.rows.incident.holds(case.alert.raised_at)
