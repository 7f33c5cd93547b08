"""What the metric agent remembers of quiet time."""

from pathlib import Path

import numpy as np

from causal.evidence import Window
from causal.quiet import minutes
from integrations.memory_telemetry import MemoryTelemetryStore
from integrations.otlp import decode_traces
from integrations.quiet_profile import NAME, digest, read_profile
from tests.workers.running import traffic
from workers.quiet_memory import QuietMemory

T0 = 1_790_000_040.0  # a whole minute
NOW = T0 + 600.0


def store(start: float = T0, end: float = NOW) -> MemoryTelemetryStore:
    held = MemoryTelemetryStore(clock=lambda: NOW)
    held.append(decode_traces(traffic(start, end, cart_fails=False).SerializeToString(), "protobuf").rows)
    return held


def test_minutes_are_learned_once_they_have_settled(tmp_path: Path) -> None:
    memory = QuietMemory(store(), tmp_path)
    memory.tend(T0 + 300.0, ())
    assert minutes(memory.before(NOW, ())) == 3


def test_a_minute_is_learned_only_once(tmp_path: Path) -> None:
    memory = QuietMemory(store(), tmp_path)
    memory.tend(T0 + 300.0, ())
    memory.tend(T0 + 300.0, ())
    past = memory.before(NOW, ())
    whole = past.take((past.measure.codes == past.measure.code("exclusive_time")) & (past.start == T0))
    assert len(set(whole.context.values())) == len(whole)


def test_a_memory_outlives_its_process(tmp_path: Path) -> None:
    QuietMemory(store(), tmp_path).tend(T0 + 300.0, ())
    assert minutes(QuietMemory(MemoryTelemetryStore(), tmp_path).before(NOW, ())) == 3


def test_minutes_that_an_incident_touches_are_not_learned(tmp_path: Path) -> None:
    memory = QuietMemory(store(), tmp_path)
    memory.tend(T0 + 300.0, (Window(start=T0 + 50.0, end=T0 + 70.0),))
    assert set(memory.before(NOW, ()).start.tolist()) == {T0 + 120.0}


def test_an_incident_found_out_about_later_is_left_out(tmp_path: Path) -> None:
    memory = QuietMemory(store(), tmp_path)
    memory.tend(T0 + 300.0, ())
    assert minutes(memory.before(NOW, (Window(start=T0, end=T0 + 1.0),))) == 2


def test_only_what_was_before_a_moment_is_told(tmp_path: Path) -> None:
    memory = QuietMemory(store(), tmp_path)
    memory.tend(NOW, ())
    assert memory.before(T0 + 130.0, ()).start.max() == T0 + 60.0


def test_minutes_are_forgotten_after_their_time(tmp_path: Path) -> None:
    memory = QuietMemory(store(), tmp_path, span=200.0)
    memory.tend(T0 + 300.0, ())
    memory.tend(NOW, ())
    assert np.min(read_profile(tmp_path).start) >= NOW - 200.0


def test_a_damaged_memory_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"PAR1 of old")
    memory = QuietMemory(store(), tmp_path)
    memory.tend(T0 + 300.0, ())
    assert minutes(memory.before(NOW, ())) == 3


def test_a_long_silence_costs_no_minute_of_reading(tmp_path: Path) -> None:
    memory = QuietMemory(store(), tmp_path, span=300.0)
    memory.tend(NOW + 86_400.0, ())
    assert minutes(memory.before(NOW + 86_400.0, ())) == 0


# Learned anew


def test_what_is_learned_anew_from_the_same_telemetry_is_the_same(tmp_path: Path) -> None:
    memory = QuietMemory(store(), tmp_path)
    memory.tend(T0 + 300.0, ())
    before, after = memory.relearn(T0 + 300.0, ())
    assert digest(before) == digest(after)


def test_minutes_that_only_the_profile_still_knows_are_kept(tmp_path: Path) -> None:
    QuietMemory(store(), tmp_path).tend(NOW, ())
    forgetful = QuietMemory(store(T0 + 240.0, NOW), tmp_path)
    before, after = forgetful.relearn(NOW, ())
    assert set(after.start.tolist()) == set(before.start.tolist())


def test_minutes_that_were_missed_are_learned(tmp_path: Path) -> None:
    before, after = QuietMemory(store(), tmp_path).relearn(T0 + 300.0, ())
    assert (minutes(before), minutes(after)) == (0, 3)


def test_minutes_of_an_incident_are_forgotten_for_good(tmp_path: Path) -> None:
    memory = QuietMemory(store(), tmp_path)
    memory.tend(T0 + 300.0, ())
    memory.relearn(T0 + 300.0, (Window(start=T0, end=T0 + 1.0),))
    assert minutes(read_profile(tmp_path)) == 2


def test_minutes_older_than_the_span_are_forgotten(tmp_path: Path) -> None:
    memory = QuietMemory(store(), tmp_path, span=300.0)
    memory.tend(NOW, ())
    _, after = memory.relearn(NOW + 120.0, ())
    assert after.start.min() >= NOW - 180.0


def test_learning_goes_on_after_learning_anew(tmp_path: Path) -> None:
    memory = QuietMemory(store(), tmp_path)
    memory.relearn(T0 + 300.0, ())
    memory.tend(NOW, ())
    assert minutes(memory.before(NOW, ())) == 8
