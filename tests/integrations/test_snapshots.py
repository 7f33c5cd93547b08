"""Snapshots: frozen, named by their content, and at home anywhere."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from causal.errors import MalformedCase, NotFound
from causal.evidence import Alert, Change, Symptom, Window
from causal.telemetry import Batch, Telemetry
from integrations.arrow import concat
from integrations.memory_telemetry import MemoryTelemetryStore
from integrations.snapshots import FolderSnapshots, load_case
from tests.integrations.telemetry_examples import (
    PAST,
    T0,
    logs,
    samples,
    spans_at,
    write_case,
    write_tables,
)

ALERT = Alert(
    fingerprint="f00",
    source="watch",
    system="shop",
    symptom=Symptom(service="cart", signal="latency", operation="GET /"),
    raised_at=T0 + 90.25,
    began_at=T0 + 60,
    summary="the cart is slow",
    labels={"severity": "page"},
    url="http://127.0.0.1/alert",
)
BASELINE, INCIDENT = Window(start=T0, end=T0 + 59), Window(start=T0 + 60, end=T0 + 120)
CHANGE = Change(id="abc1234", kind="config", service="cart", at=T0 + 58.5, files=("cart.yaml",))


@pytest.fixture
def snapshots(tmp_path: Path) -> FolderSnapshots:
    return FolderSnapshots(tmp_path / "snapshots")


@pytest.fixture
def store() -> MemoryTelemetryStore:
    held = MemoryTelemetryStore()
    held.append(spans_at(10, 20, 70, 80, instance="c-1", attributes='{"error.type":"x"}'))
    held.append(spans_at(71, first=50, parent_span_id=f"{3:016x}", status="error"))
    held.append(concat([samples([(10.5, "cpu", 0.25), (70.5, "cpu", 0.75)]), logs([(70, "slow")])]))
    return held


def cut(snapshots: FolderSnapshots, store: MemoryTelemetryStore) -> str:
    return snapshots.cut(store, ALERT, BASELINE, INCIDENT, [CHANGE])


def columns(batch: Batch) -> list[object]:
    """Everything in a batch, decoded."""
    values = [value for table in (batch.spans, batch.metrics, batch.logs) for value in vars(table).values()]
    return [value.values() if hasattr(value, "values") else value.tolist() for value in values]


def content(telemetry: Telemetry) -> list[object]:
    return [*columns(telemetry.quiet), *columns(telemetry.incident), telemetry.changes, telemetry.digest]


def test_a_cut_snapshot_holds_the_rows_of_both_windows(
    snapshots: FolderSnapshots, store: MemoryTelemetryStore
) -> None:
    _, telemetry = snapshots.load(cut(snapshots, store))
    assert (len(telemetry.quiet.spans), len(telemetry.incident.spans)) == (2, 3)


def test_the_alert_comes_back_as_it_was(snapshots: FolderSnapshots, store: MemoryTelemetryStore) -> None:
    assert snapshots.load(cut(snapshots, store))[0] == ALERT


def test_changes_come_back_as_they_were(snapshots: FolderSnapshots, store: MemoryTelemetryStore) -> None:
    assert snapshots.load(cut(snapshots, store))[1].changes == (CHANGE,)


def test_a_loaded_snapshot_saved_again_is_the_same_one(
    snapshots: FolderSnapshots, store: MemoryTelemetryStore
) -> None:
    reference = cut(snapshots, store)
    assert snapshots.save(*snapshots.load(reference)) == reference


def test_saving_elsewhere_gives_the_same_content(
    snapshots: FolderSnapshots, store: MemoryTelemetryStore, tmp_path: Path
) -> None:
    alert, telemetry = snapshots.load(cut(snapshots, store))
    other = FolderSnapshots(tmp_path / "others")
    assert content(other.load(other.save(alert, telemetry))[1]) == content(telemetry)


def test_the_same_content_makes_the_same_bytes(
    snapshots: FolderSnapshots, store: MemoryTelemetryStore, tmp_path: Path
) -> None:
    other = FolderSnapshots(tmp_path / "others")
    one = tmp_path / "snapshots" / cut(snapshots, store)
    two = tmp_path / "others" / cut(other, store)
    assert {p.name: p.read_bytes() for p in one.iterdir()} == {p.name: p.read_bytes() for p in two.iterdir()}


def test_the_memory_of_quiet_time_travels_along(
    snapshots: FolderSnapshots, store: MemoryTelemetryStore
) -> None:
    reference = snapshots.cut(store, ALERT, BASELINE, INCIDENT, past=PAST)
    assert snapshots.load(reference)[1].past.context.values() == ["cart", "gateway"]


def test_another_memory_of_quiet_time_makes_another_snapshot(
    snapshots: FolderSnapshots, store: MemoryTelemetryStore
) -> None:
    one = snapshots.cut(store, ALERT, BASELINE, INCIDENT, past=PAST)
    assert snapshots.cut(store, ALERT, BASELINE, INCIDENT, past=replace(PAST, n=PAST.n + 1.0)) != one


def test_real_span_ids_are_kept(
    snapshots: FolderSnapshots, store: MemoryTelemetryStore, tmp_path: Path
) -> None:
    folder = tmp_path / "snapshots" / cut(snapshots, store)
    assert f"{50:016x}".encode() in (folder / "traces.parquet").read_bytes()


def test_a_copied_folder_is_a_case(
    snapshots: FolderSnapshots, store: MemoryTelemetryStore, tmp_path: Path
) -> None:
    reference = cut(snapshots, store)
    shutil.copytree(tmp_path / "snapshots" / reference, tmp_path / "elsewhere" / "case_001")
    assert content(load_case(tmp_path / "elsewhere" / "case_001")[1]) == content(snapshots.load(reference)[1])


def test_quiet_rows_of_any_time_travel_with_a_snapshot(snapshots: FolderSnapshots, tmp_path: Path) -> None:
    write_tables(tmp_path / "_day", spans_at(-5000, 70, first=100))
    alert, telemetry = load_case(write_case(tmp_path / "case", spans_at(10, 70), baseline_ref="_day"))
    assert content(snapshots.load(snapshots.save(alert, telemetry))[1]) == content(telemetry)


def test_a_changed_snapshot_is_refused(
    snapshots: FolderSnapshots, store: MemoryTelemetryStore, tmp_path: Path
) -> None:
    reference = cut(snapshots, store)
    (tmp_path / "snapshots" / reference / "logs.parquet").unlink()
    with pytest.raises(MalformedCase, match="changed"):
        snapshots.load(reference)


@pytest.mark.parametrize("reference", ["0" * 16, "../snapshots", "", "a/b"])
def test_an_unknown_reference_is_not_found(snapshots: FolderSnapshots, reference: str) -> None:
    with pytest.raises(NotFound):
        snapshots.load(reference)


def test_nothing_but_snapshots_is_left_behind(
    snapshots: FolderSnapshots, store: MemoryTelemetryStore, tmp_path: Path
) -> None:
    reference = cut(snapshots, store)
    cut(snapshots, store)
    assert [path.name for path in (tmp_path / "snapshots").iterdir()] == [reference]


def test_an_empty_store_gives_a_snapshot_that_says_so(snapshots: FolderSnapshots) -> None:
    _, telemetry = snapshots.load(cut(snapshots, MemoryTelemetryStore()))
    assert "no traces at all" in telemetry.gaps


def test_windows_that_touch_do_not_count_a_row_twice(snapshots: FolderSnapshots) -> None:
    store = MemoryTelemetryStore()
    store.append(concat([logs([(60, "once")]), samples([(60, "cpu", 1.0)])]))
    baseline = Window(start=T0, end=T0 + 60)
    _, telemetry = snapshots.load(snapshots.cut(store, ALERT, baseline, INCIDENT))
    assert (len(telemetry.quiet.logs), len(telemetry.incident.logs)) == (0, 1)


def a_version_that_changes() -> MemoryTelemetryStore:
    store = MemoryTelemetryStore()
    store.append(spans_at(10, attributes='{"vcs.ref.head.revision":"aaaa"}'))
    store.append(spans_at(70, first=9, attributes='{"vcs.ref.head.revision":"bbbb"}'))
    return store


def test_a_version_that_changes_is_added_to_the_changes(snapshots: FolderSnapshots) -> None:
    long_ago = CHANGE.model_copy(update={"at": T0 - 600.0})
    cut_at = snapshots.cut(a_version_that_changes(), ALERT, BASELINE, INCIDENT, [long_ago])
    assert [change.id for change in snapshots.load(cut_at)[1].changes] == ["abc1234", "bbbb"]


def test_a_version_that_comes_right_after_a_commit_is_that_commit(snapshots: FolderSnapshots) -> None:
    _, telemetry = snapshots.load(cut(snapshots, a_version_that_changes()))
    assert [change.id for change in telemetry.changes] == ["abc1234"]
