from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.bulk import Incident, incident, layers
from benchmarks.scale import Point, app, measure, series, slope, slopes
from benchmarks.stopwatch import LIBRARIES, Stopwatch
from causal.diagnose import diagnose
from causal.forest import parents
from causal.signals import SIGNALS
from causal.telemetry import MISSING, SpanKind

SERVICES, SPANS = 12, 6000


@pytest.fixture(scope="module")
def drawn() -> Incident:
    return incident(SERVICES, SPANS)


@pytest.fixture(scope="module")
def point(drawn: Incident) -> Point:
    return measure(drawn, SERVICES, SPANS)


def _point(services: int, spans: int, seconds: float) -> Point:
    return Point(
        services=services,
        spans=spans,
        rows={"spans": spans, "logs": 0, "metrics": 0},
        seconds={"view": seconds, LIBRARIES: 1.0},
        clock=seconds,
        megabytes={"view": 100.0},
        culprit="c",
        rank=1,
        probability=0.9,
    )


def test_the_culprit_of_a_drawn_incident_is_found(point: Point) -> None:
    assert point.rank == 1


def test_the_phases_add_up_to_the_total(point: Point) -> None:
    assert point.total + point.seconds[LIBRARIES] == pytest.approx(sum(point.seconds.values()))


def test_no_phase_takes_less_than_nothing(point: Point) -> None:
    assert min(point.seconds.values()) >= 0.0


def test_every_signal_is_a_phase(point: Point) -> None:
    assert {signal.__module__.rpartition(".")[2] for signal in SIGNALS} <= set(point.seconds)


def test_memory_never_falls_from_phase_to_phase(point: Point) -> None:
    assert point.peak == point.megabytes["verdict"]


def test_a_watched_verdict_is_the_same_as_any(drawn: Incident) -> None:
    with Stopwatch().watching():
        watched = diagnose(drawn.alert, drawn.telemetry)
    assert watched == diagnose(drawn.alert, drawn.telemetry)


def test_the_same_seed_draws_the_same_columns(drawn: Incident) -> None:
    again = incident(SERVICES, SPANS)
    assert np.array_equal(again.telemetry.incident.spans.start_ns, drawn.telemetry.incident.spans.start_ns)


def test_another_seed_draws_other_columns(drawn: Incident) -> None:
    other = incident(SERVICES, SPANS, seed=1).telemetry.quiet.spans.start_ns
    assert not np.array_equal(other, drawn.telemetry.quiet.spans.start_ns)


def test_about_as_many_spans_are_drawn_as_were_asked_for(drawn: Incident) -> None:
    both = drawn.telemetry.quiet.spans, drawn.telemetry.incident.spans
    assert sum(map(len, both)) == pytest.approx(SPANS, rel=0.15)


def test_a_request_lies_in_one_window_as_a_whole(drawn: Incident) -> None:
    quiet, unwell = drawn.telemetry.quiet.spans, drawn.telemetry.incident.spans
    assert not set(quiet.trace.codes.tolist()) & set(unwell.trace.codes.tolist())


def test_only_doors_have_no_parent(drawn: Incident) -> None:
    spans = drawn.telemetry.quiet.spans
    assert ((parents(spans) == MISSING) == (spans.parent == MISSING)).all()


def test_each_client_span_belongs_to_the_caller(drawn: Incident) -> None:
    spans = drawn.telemetry.quiet.spans
    clients = np.flatnonzero(spans.kind == SpanKind.CLIENT)
    assert (spans.service.codes[parents(spans)[clients]] == spans.service.codes[clients]).all()


def test_requests_go_from_three_to_twelve_services_deep() -> None:
    assert (layers(10), layers(2000)) == (3, 12)


def test_a_slope_is_the_exponent_of_growth() -> None:
    assert slope([10.0, 100.0, 1000.0], [2.0, 200.0, 20000.0]) == pytest.approx(2.0)


def test_slopes_are_told_along_both_axes() -> None:
    points = [_point(10, 100, 1.0), _point(10, 1000, 10.0), _point(100, 1000, 10.0)]
    assert [(line.along, round(line.total, 6)) for line in slopes(points)] == [
        ("spans", 1.0),
        ("services", 0.0),
    ]


def test_the_last_step_is_told_apart_from_the_whole() -> None:
    points = [_point(10, 100, 1.0), _point(10, 1000, 1.0), _point(10, 10_000, 10.0)]
    assert slopes(points)[0].last == pytest.approx(1.0)


def test_loading_libraries_is_no_part_of_a_verdict() -> None:
    assert _point(10, 100, 2.0).total == 2.0


def test_a_series_comes_in_order_of_size() -> None:
    points = [_point(10, 1000, 1.0), _point(10, 100, 1.0)]
    assert [point.spans for point in series(points, "spans")] == [100, 1000]


def test_a_size_that_cannot_be_read_is_wrong_usage() -> None:
    assert CliRunner().invoke(app, ["--sizes", "many"]).exit_code == 2


def test_a_tiny_size_runs_end_to_end_in_a_process_of_its_own(tmp_path: Path) -> None:
    picture = tmp_path / "scale.svg"
    done = CliRunner().invoke(app, ["--sizes", f"{SERVICES}x{SPANS}", "--plot", str(picture)])
    assert (done.exit_code, picture.exists()) == (0, True)
