"""The tail copies what others keep into the store, once, and says what it could not have."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from causal.evidence import Window
from integrations.backends.jaeger import Jaeger, JaegerSettings
from integrations.backends.written import read_sources
from integrations.memory_telemetry import MemoryTelemetryStore
from tests.doubles.telemetry_backends import JaegerDouble, running, span
from workers.tail import Tail

BEGAN = 1_795_000_000.0
NOW = BEGAN + 605.0


@pytest.fixture
def jaeger() -> Iterator[tuple[JaegerDouble, str]]:
    spans = [span(number + 1, number + 1, "cart", BEGAN + number * 10) for number in range(60)]
    double = JaegerDouble(spans=spans)
    with running(double) as url:
        yield double, url


def tail(url: str, store: MemoryTelemetryStore, folder: Path) -> Tail:
    source = Jaeger(JaegerSettings.model_validate({"url": url}))
    return Tail(lambda: (source,), store, folder / "tail.json")


def spans_of(store: MemoryTelemetryStore) -> int:
    return int(store.tables(Window(start=BEGAN - 1, end=NOW)).traces.num_rows)


def test_everything_within_the_look_back_is_copied_at_first(
    jaeger: tuple[JaegerDouble, str], tmp_path: Path
) -> None:
    store = MemoryTelemetryStore()
    tail(jaeger[1], store, tmp_path).catch_up(NOW)
    assert spans_of(store) == 60


def test_the_next_time_only_what_is_new_is_asked_for(
    jaeger: tuple[JaegerDouble, str], tmp_path: Path
) -> None:
    double, url = jaeger
    store = MemoryTelemetryStore()
    tail(url, store, tmp_path).catch_up(NOW)
    double.spans.append(span(99, 99, "cart", NOW + 1))
    double.asked.clear()
    assert (tail(url, store, tmp_path).catch_up(NOW + 10), len(double.asked)) == (1, 3)


def test_what_failed_is_told_as_a_gap_and_asked_for_again(
    jaeger: tuple[JaegerDouble, str], tmp_path: Path
) -> None:
    double, url = jaeger
    store, copying = MemoryTelemetryStore(), tail(url, MemoryTelemetryStore(), tmp_path)
    copying.store = store
    double.failures = [503]
    copying.catch_up(NOW)
    missing = copying.gaps(Window(start=NOW - 60, end=NOW))
    copying.catch_up(NOW)
    assert (["503" in says for says in missing], spans_of(store)) == ([True], 60)


def test_a_damaged_note_of_how_far_it_read_costs_a_reading_and_no_rows(
    jaeger: tuple[JaegerDouble, str], tmp_path: Path
) -> None:
    store = MemoryTelemetryStore()
    (tmp_path / "tail.json").write_text('{"jaeger": 17950')
    tail(jaeger[1], store, tmp_path).catch_up(NOW)
    assert spans_of(store) == 60


def test_sources_are_read_from_a_file_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text(
        "prometheus:\n  main: {url: http://127.0.0.1:9090}\ntempo:\n  traces: {url: http://127.0.0.1:3200}\n"
    )
    assert [source.name for source in read_sources(path)] == ["main", "traces"]


def test_sources_that_can_not_be_read_are_told_as_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text("prometheus: 3\n")
    copying = Tail(lambda: read_sources(path), MemoryTelemetryStore(), tmp_path / "tail.json")
    copying.catch_up(NOW)
    assert any("sources.yaml" in says for says in copying.gaps(Window(start=NOW - 60, end=NOW)))
