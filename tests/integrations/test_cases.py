"""Case folders: what is read, how rows are sorted out, and what is said about damage."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from causal.errors import MalformedCase
from causal.telemetry import Telemetry
from integrations.arrow import ArrowBatch, concat
from integrations.snapshots import load_case
from tests.integrations.telemetry_examples import (
    T0,
    logs,
    samples,
    span_row,
    spans_at,
    traces,
    write_case,
    write_tables,
)


def load(folder: Path) -> Telemetry:
    return load_case(folder)[1]


def test_rows_are_divided_by_the_windows(tmp_path: Path) -> None:
    telemetry = load(write_case(tmp_path / "case", spans_at(10, 59.5, 60, 70, 500)))
    assert (len(telemetry.quiet.spans), len(telemetry.incident.spans)) == (1, 2)


def test_a_row_on_a_shared_boundary_is_of_the_incident(tmp_path: Path) -> None:
    windows = {"baseline": [T0, T0 + 60], "incident": [T0 + 60, T0 + 120]}
    telemetry = load(write_case(tmp_path / "case", spans_at(60), **windows))
    assert (len(telemetry.quiet.spans), len(telemetry.incident.spans)) == (0, 1)


def test_the_alert_says_what_hurts(tmp_path: Path) -> None:
    alert, _ = load_case(write_case(tmp_path / "case_007"))
    assert (alert.fingerprint, alert.symptom.service, alert.began_at) == ("case_007", "cart", T0 + 60)


def test_a_case_without_telemetry_says_what_is_missing(tmp_path: Path) -> None:
    assert "no traces at all" in load(write_case(tmp_path / "case")).gaps


def test_rows_of_a_reference_baseline_are_quiet_whatever_their_time(tmp_path: Path) -> None:
    write_tables(tmp_path / "_baseline" / "day", spans_at(-5000, 70, first=100))
    telemetry = load(write_case(tmp_path / "case", spans_at(10, 70), baseline_ref="_baseline/day"))
    assert (len(telemetry.quiet.spans), len(telemetry.incident.spans)) == (3, 1)


def test_what_repeats_in_a_reference_baseline_counts_once(tmp_path: Path) -> None:
    own = concat([spans_at(10), samples([(10, "cpu", 0.5)]), logs([(10, "hello")])])
    write_tables(tmp_path / "_baseline" / "day", own)
    quiet = load(write_case(tmp_path / "case", own, baseline_ref="_baseline/day")).quiet
    assert (len(quiet.spans), len(quiet.metrics), len(quiet.logs)) == (1, 1, 1)


def test_quiet_and_incident_share_their_dictionaries(tmp_path: Path) -> None:
    telemetry = load(write_case(tmp_path / "case", spans_at(10, 70)))
    assert telemetry.quiet.spans.service.names == telemetry.incident.spans.service.names


def test_the_order_of_rows_in_a_file_changes_nothing(tmp_path: Path) -> None:
    rows = spans_at(*range(120))
    mixed = ArrowBatch(traces=rows.traces.take(pa.array(np.random.default_rng(7).permutation(120))))
    there, again = write_case(tmp_path / "a", rows), write_case(tmp_path / "b", mixed)
    assert load(there).digest == load(again).digest


def test_another_value_gives_another_digest(tmp_path: Path) -> None:
    there, again = spans_at(10), spans_at(10, service="carts")
    one, other = write_case(tmp_path / "a", there), write_case(tmp_path / "b", again)
    assert load(one).digest != load(other).digest


def test_the_published_graph_is_read(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "case")
    (folder / "graph.csv").write_text("source,target\ngateway,cart\n")
    assert load(folder).calls == (("gateway", "cart"),)


def test_changes_are_read(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "case")
    (folder / "changes.json").write_text(json.dumps([{"id": "abc1234", "at": T0, "service": "cart"}]))
    assert load(folder).changes[0].id == "abc1234"


def test_the_truth_is_never_opened(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "case", spans_at(10))
    (folder / "truth.json").mkdir()
    assert len(load(folder).quiet.spans) == 1


def test_an_impossible_row_is_left_out_and_said(tmp_path: Path) -> None:
    rows = traces([span_row(1, 10), span_row(2, 10, duration_ns=-1), span_row(3, 10, trace_id=None)])
    telemetry = load(write_case(tmp_path / "case", rows))
    said = [gap for gap in telemetry.gaps if "left out" in gap]
    assert (len(telemetry.quiet.spans), len(said)) == (1, 2)


def test_spans_without_their_parents_are_said(tmp_path: Path) -> None:
    rows = traces([span_row(1, 70, parent_span_id="f" * 16), span_row(2, 71)])
    assert any("50.0%" in gap for gap in load(write_case(tmp_path / "case", rows)).gaps)


def test_parents_in_a_circle_are_loaded_as_they_are(tmp_path: Path) -> None:
    rows = traces(
        [
            span_row(1, 70, trace_id="a" * 32, parent_span_id=f"{2:016x}"),
            span_row(2, 71, trace_id="a" * 32, parent_span_id=f"{1:016x}"),
        ]
    )
    spans = load(write_case(tmp_path / "case", rows)).incident.spans
    assert spans.parent.tolist() == spans.span.tolist()[::-1]


def test_columns_that_say_little_may_be_absent(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "case")
    table = spans_at(70).traces.drop_columns(["instance", "status_code", "attributes"])
    pq.write_table(table, folder / "traces.parquet")
    assert len(load(folder).incident.spans) == 1


def test_dictionary_coded_text_is_read(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "case")
    table = spans_at(70).traces
    coded = table.set_column(3, "service", table["service"].dictionary_encode())
    pq.write_table(coded, folder / "traces.parquet")
    assert load(folder).incident.services() == {"cart"}


def _write(name: str, content: str | bytes) -> Callable[[Path], object]:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data)


def _head(**fields: Any) -> Callable[[Path], object]:
    return lambda folder: write_case(folder, **fields)


def _half(folder: Path) -> None:
    write_tables(folder, spans_at(*range(50)))
    path = folder / "traces.parquet"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _without(column: str) -> Callable[[Path], object]:
    return lambda folder: pq.write_table(spans_at(1).traces.drop_columns(column), folder / "traces.parquet")


def _as_text(column: str) -> Callable[[Path], object]:
    def write(folder: Path) -> None:
        table = spans_at(1).traces
        place = table.column_names.index(column)
        pq.write_table(table.set_column(place, column, pa.array(["1"])), folder / "traces.parquet")

    return write


def _no_text(folder: Path) -> None:
    table = spans_at(1).traces
    offsets, bytes_ = pa.array([0, 2], pa.int32()).buffers()[1], pa.py_buffer(b"\xff\xfe")
    service = pa.StringArray.from_buffers(1, offsets, bytes_)
    pq.write_table(table.set_column(3, "service", service), folder / "traces.parquet")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_write("alert.json", '{\n "case_id": }'), r"alert\.json:2:13: not JSON"),
        (_write("alert.json", "[]"), r"alert\.json: "),
        (_write("alert.json", b"\xff\xfe"), "not UTF-8 at byte 0"),
        (_write("alert.json", "[" * 100_000), "nested too deeply"),
        (_write("alert.json", '{"case_id": "x"}'), "alert_time_unix: Field required"),
        (_head(baseline=[5, 1]), "baseline: the window ends"),
        (_head(incident=[1]), "incident"),
        (_head(incident=[1, float("nan")]), "incident"),
        (_head(alert_time_unix=T0 * 1000), "alert_time_unix"),
        (_head(symptom={"signal": "sadness"}), r"symptom\.signal"),
        (_head(baseline_ref="../../etc"), "baseline_ref: '../../etc' leads out"),
        (_head(baseline_ref="/etc"), "leads out"),
        (_head(baseline_ref="_baseline/none"), "there is no folder"),
        (_head(baseline_ref="a\0b"), "NUL"),
        (_half, r"traces\.parquet: not a readable Parquet file"),
        (_write("logs.parquet", b""), r"logs\.parquet: not a readable Parquet file"),
        (_no_text, r"traces\.parquet: not a readable Parquet file"),
        (_without("status"), "columns are missing: status"),
        (_as_text("duration_ns"), "column duration_ns: holds string"),
        (_write("graph.csv", "from,to\na,b\n"), r"graph\.csv:1: "),
        (_write("graph.csv", "source,target\na,b\nc,\n"), r"graph\.csv:3: "),
        (_write("changes.json", '[{"id": "x"}]'), r"changes\.json: 0\.at"),
    ],
)
def test_damage_is_named_by_file_and_place(
    damage: Callable[[Path], object], said: str, tmp_path: Path
) -> None:
    folder = write_case(tmp_path / "data" / "case")
    damage(folder)
    with pytest.raises(MalformedCase, match=said):
        load_case(folder)


def test_a_baseline_that_leads_out_by_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    folder = write_case(tmp_path / "data" / "case", baseline_ref="_link")
    (tmp_path / "data" / "_link").symlink_to(tmp_path / "secret")
    with pytest.raises(MalformedCase, match="leads out"):
        load_case(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MalformedCase, match="no such case folder"):
        load_case(tmp_path / "none")
