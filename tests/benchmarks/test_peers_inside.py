from pathlib import Path

from benchmarks.peers.handover import hand_over
from benchmarks.peers.inside import Case
from tests.benchmarks.made_up import incident, sample, span


def _handed(folder: Path, **rows: object) -> Case:
    hand_over(*incident(**rows), folder)  # type: ignore[arg-type]  # rows of the three tables, by name
    return Case(str(folder))


def test_a_series_is_a_column_filled_forward(tmp_path: Path) -> None:
    metrics = [sample("onyx", "cpu", at, at) for at in (910, 1010)] + [sample("jade", "cpu", 920, 7.0)]
    frame = _handed(tmp_path, metrics=metrics).metrics
    assert frame["time"].tolist() == [910.0, 920.0, 1010.0]
    assert frame.drop(columns="time").T.to_numpy().tolist() == [[0.0, 7.0, 7.0], [910.0, 910.0, 1010.0]]


def test_a_column_leads_back_to_its_service_whatever_it_is_called(tmp_path: Path) -> None:
    case = _handed(tmp_path, metrics=[sample("odd_name", "cpu_rate", 1001, 1.0)])
    (column,) = (name for name in case.metrics if name != "time")
    assert case.named(str(column)) == "odd_name"


def test_operations_that_quiet_time_never_saw_are_left_out(tmp_path: Path) -> None:
    new = dict(span("t2", "b", None, "onyx", 1002, 1)) | {"operation": "new"}
    case = _handed(
        tmp_path, traces=[span("t0", "a", None, "onyx", 910, 1), span("t1", "a", None, "onyx", 1001, 1), new]
    )
    assert (len(case.spans), len(case.known_spans())) == (3, 2)


def test_spans_are_in_microseconds_on_either_side_of_the_split(tmp_path: Path) -> None:
    case = _handed(
        tmp_path, traces=[span("t0", "a", None, "onyx", 910, 1), span("t1", "a", None, "onyx", 1001, 2)]
    )
    assert (case.spans["startTime"] < case.split / 1e3).tolist() == [True, False]
    assert case.spans["duration"].tolist() == [1e6, 2e6]
