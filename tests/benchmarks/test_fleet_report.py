from pathlib import Path

import pytest

from benchmarks.fleet_report import Attempt, Quiet, add_to_report, figures, line, read_report, write_topology
from benchmarks.topologies import draw

CALM = Quiet(start=0.0, end=60.0, looks=12)
SEEN = Attempt(
    topology="chain",
    case="case_001",
    fault="latency",
    service="jade",
    outcome="recorded",
    symptom="onyx",
    signal="latency",
    alarm_after=15.0,
    onset_error=-1.0,
    quiet=CALM,
)
MISSED = SEEN.model_copy(
    update={"case": "case_002", "fault": "errors", "outcome": "missed", "alarm_after": None}
)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "chain").mkdir()
    return tmp_path


def test_a_fleet_without_a_report_has_no_attempts(out: Path) -> None:
    assert read_report(out) == []


def test_an_attempt_is_read_as_it_was_noted(out: Path) -> None:
    add_to_report(out, SEEN)
    assert read_report(out) == [SEEN]


def test_the_last_attempt_of_a_case_counts(out: Path) -> None:
    add_to_report(out, MISSED)
    add_to_report(out, MISSED.model_copy(update={"outcome": "recorded", "alarm_after": 9.0}))
    assert [attempt.outcome for attempt in read_report(out)] == ["recorded"]


def test_the_index_lists_recorded_cases_only(out: Path) -> None:
    for attempt in (MISSED, SEEN):
        add_to_report(out, attempt)
    rows = (out / "chain" / "index.csv").read_text().splitlines()
    assert rows[1:] == ["case_001,jade,latency,onyx,latency,15.0,-1.0,"]


def test_figures_count_what_was_missed() -> None:
    assert "| errors | 0 | 1 | 0 | - | - |" in figures([SEEN, MISSED])


def test_figures_tell_how_late_the_watch_was() -> None:
    slow = SEEN.model_copy(update={"case": "case_003", "alarm_after": 45.0})
    assert "| latency | 2 | 0 | 0 | 30 | 45 |" in figures([SEEN, slow])


def test_figures_count_alarms_on_quiet_shops() -> None:
    cried = SEEN.model_copy(update={"quiet": Quiet(start=0, end=60, looks=12, alarms=("jade is slow",))})
    assert "24 looks in 2 minutes, 1 of them alarms" in figures([MISSED, cried])


def test_the_readme_of_a_fleet_holds_its_figures(out: Path) -> None:
    add_to_report(out, SEEN)
    assert figures([SEEN]) in (out / "README.md").read_text()


def test_a_line_says_when_the_watch_saw_nothing() -> None:
    assert line(MISSED) == "chain/case_002: errors in jade: missed"


def test_a_topology_folder_explains_itself(tmp_path: Path) -> None:
    write_topology(tmp_path / "shop", draw(1, 0))
    assert {path.name for path in (tmp_path / "shop").iterdir()} == {"README.md", "topology.json"}
