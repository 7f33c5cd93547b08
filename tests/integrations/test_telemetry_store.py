"""The store of recent telemetry: one contract for both, and what only a folder on disk can show."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from causal.errors import Unavailable
from causal.evidence import Window
from integrations.arrow import ArrowBatch
from integrations.memory_telemetry import MemoryTelemetryStore
from integrations.ports import TelemetryStore
from integrations.telemetry_store import DiskTelemetryStore
from tests.integrations.telemetry_examples import T0, logs, samples, span_row, spans_at, traces


class Clock:
    """A clock that goes where it is set."""

    def __init__(self) -> None:
        self.now = float(T0)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> TelemetryStore:
    if request.param == "disk":
        return DiskTelemetryStore(tmp_path, 600, 1 << 30, clock=clock)
    return MemoryTelemetryStore(600, 1 << 30, clock=clock)


@pytest.fixture
def disk(tmp_path: Path, clock: Clock) -> Callable[..., DiskTelemetryStore]:
    def another(keep_bytes: int = 1 << 30, keep_free: int = 0) -> DiskTelemetryStore:
        return DiskTelemetryStore(tmp_path, 600, keep_bytes, keep_free=keep_free, clock=clock)

    return another


def seconds(start: float, end: float) -> Window:
    return Window(start=T0 + start, end=T0 + end)


def starts(store: TelemetryStore, window: Window) -> list[float]:
    return sorted((start - T0 * 10**9) / 10**9 for start in store.read(window).spans.start_ns.tolist())


def test_what_was_appended_is_read_back(store: TelemetryStore) -> None:
    one = spans_at(1)
    store.append(one)
    assert store.tables(seconds(0, 10)).traces.to_pylist() == one.traces.to_pylist()


def test_both_ends_of_a_window_belong_to_it(store: TelemetryStore) -> None:
    store.append(spans_at(1, 2, 3, 4))
    assert starts(store, seconds(2, 3)) == [2, 3]


def test_an_empty_store_answers_with_nothing(store: TelemetryStore) -> None:
    assert not store.read(seconds(0, 10))


def test_a_repeated_span_counts_once(store: TelemetryStore) -> None:
    store.append(spans_at(1, 2))
    store.append(spans_at(1, 2))
    assert starts(store, seconds(0, 10)) == [1, 2]


def test_equal_span_ids_of_two_traces_are_two_spans(store: TelemetryStore) -> None:
    store.append(traces([span_row(1, 1), span_row(1, 2) | {"trace_id": "f" * 32}]))
    assert starts(store, seconds(0, 10)) == [1, 2]


def test_a_late_span_is_found_at_its_own_time(store: TelemetryStore, clock: Clock) -> None:
    for minute in range(5):
        clock.now = T0 + minute * 100
        store.append(spans_at(minute * 100, first=minute * 10 + 1))
    store.append(spans_at(-300, first=1000))
    clock.now += 100
    store.append(spans_at(500, first=2000))
    assert starts(store, seconds(-301, -299)) == [-300]


def test_parents_have_the_numbers_of_their_spans_across_appends(store: TelemetryStore) -> None:
    store.append(spans_at(1))
    store.append(spans_at(2, first=2, parent_span_id=f"{1:016x}"))
    spans = store.read(seconds(0, 10)).spans
    assert spans.parent.max() in spans.span


def test_samples_and_logs_are_kept_too(store: TelemetryStore) -> None:
    store.append(samples([(1, "cpu", 0.5)]))
    store.append(logs([(2, "hello")]))
    batch = store.read(seconds(0, 10))
    assert (batch.metrics.value.tolist(), batch.logs.body.values()) == ([0.5], ["hello"])


def test_a_rate_needs_the_export_before_the_window(store: TelemetryStore) -> None:
    store.append(samples([(0, "\x1ftrequests.rate", 10.0)]))
    store.append(samples([(10, "\x1ftrequests.rate", 30.0)]))
    metrics = store.read(seconds(5, 15)).metrics
    assert (metrics.metric.values(), metrics.value.tolist()) == (["requests.rate"], [2.0])


def test_what_is_too_old_is_forgotten(store: TelemetryStore, clock: Clock) -> None:
    store.append(spans_at(0))
    for later in (700, 1400):
        clock.now = T0 + later
        store.append(spans_at(later, first=later))
    assert starts(store, seconds(0, 2000))[0] > 0


def test_another_process_may_read_while_one_writes(disk: Callable[..., DiskTelemetryStore]) -> None:
    writer, reader = disk(), disk()
    writer.append(spans_at(1))
    assert starts(reader, seconds(0, 10)) == [1]


def test_a_reader_misses_nothing_when_a_segment_is_closed(
    disk: Callable[..., DiskTelemetryStore], clock: Clock
) -> None:
    writer, reader = disk(), disk()
    for minute in range(4):
        clock.now = T0 + minute * 61
        writer.append(spans_at(minute, first=minute + 1))
    assert starts(reader, seconds(0, 10)) == [0, 1, 2, 3]


def test_the_oldest_segments_go_when_there_are_too_many_bytes(
    disk: Callable[..., DiskTelemetryStore], tmp_path: Path, clock: Clock
) -> None:
    store = disk(keep_bytes=40_000)
    for number in range(60):
        clock.now = T0 + number
        store.append(spans_at(number, first=number + 1))
    kept = starts(store, seconds(0, 100))
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert (kept[-1], kept[0] > 0, size < 50_000) == (59, True, True)


def test_a_torn_end_is_skipped_and_named(disk: Callable[..., DiskTelemetryStore], tmp_path: Path) -> None:
    store = disk()
    store.append(spans_at(1))
    store.append(spans_at(2, first=2))
    store.close()
    (segment,) = tmp_path.iterdir()
    segment.write_bytes(segment.read_bytes()[:-7])
    reader = disk()
    assert (starts(reader, seconds(0, 10)), len(reader.damage())) == ([1], 1)


def test_a_flipped_byte_costs_one_append(disk: Callable[..., DiskTelemetryStore], tmp_path: Path) -> None:
    store = disk()
    for number in (1, 2, 3):
        store.append(spans_at(number, first=number))
    store.close()
    (segment,) = tmp_path.iterdir()
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 0xFF
    segment.write_bytes(data)
    reader = disk()
    assert (starts(reader, seconds(0, 10)), "checksum" in reader.damage()[0]) == ([1, 3], True)


def test_an_append_on_its_way_is_no_damage(disk: Callable[..., DiskTelemetryStore], tmp_path: Path) -> None:
    writer, reader = disk(), disk()
    writer.append(spans_at(1))
    (segment,) = tmp_path.iterdir()
    with segment.open("ab") as file:
        file.write(b"AIT1 half a frame")
    assert (starts(reader, seconds(0, 10)), reader.damage()) == ([1], [])


def test_files_of_others_in_the_folder_are_left_alone(
    disk: Callable[..., DiskTelemetryStore], tmp_path: Path
) -> None:
    (tmp_path / "notes-1-2-3.txt").write_text("mine")
    disk().append(spans_at(1))
    assert (tmp_path / "notes-1-2-3.txt").read_text() == "mine"


def test_a_disk_without_room_is_said_and_keeps_nothing(disk: Callable[..., DiskTelemetryStore]) -> None:
    store = disk(keep_free=1 << 60)
    with pytest.raises(Unavailable):
        store.append(spans_at(1))
    assert not store.read(seconds(0, 10))


WRITER = """
import sys
from pathlib import Path
from integrations.telemetry_store import DiskTelemetryStore
from tests.integrations.telemetry_examples import spans_at
store = DiskTelemetryStore(Path(sys.argv[1]))
number = 0
while True:
    number += 1
    store.append(spans_at(*[number / 1000] * 50, first=number * 100))
    print(number, flush=True)
"""


def test_what_a_killed_writer_was_told_is_kept_is_there(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    said = [writer.stdout.readline() for _ in range(20)]
    writer.send_signal(signal.SIGKILL)
    said += writer.stdout.readlines()
    writer.wait()
    writer.stdout.close()
    confirmed = sum(1 for line in said if line.endswith("\n"))
    found = len(DiskTelemetryStore(tmp_path).read(seconds(-1, 1000)).spans)
    assert confirmed * 50 <= found <= (confirmed + 1) * 50


def test_the_segment_of_a_dead_writer_is_closed_by_the_next(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    writer.stdout.readline()
    writer.kill()
    writer.communicate()
    DiskTelemetryStore(tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".seg"]


def test_nothing_is_written_for_no_rows(disk: Callable[..., DiskTelemetryStore], tmp_path: Path) -> None:
    disk().append(ArrowBatch())
    assert list(tmp_path.iterdir()) == []
