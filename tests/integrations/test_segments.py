"""Segments: what is whole is read, wherever the file is cut or damaged."""

from hypothesis import given
from hypothesis import strategies as st

from causal.evidence import Window
from integrations.segments import Damage, Frame, Segment, decode, encode, frames
from tests.integrations.telemetry_examples import T0, spans_at

FRAMES = [encode(spans_at(number, first=number + 1).traces)[0] for number in range(4)]
WHOLE = b"".join(FRAMES)
STARTS = [sum(map(len, FRAMES[:number])) for number in range(5)]


def numbers(data: bytes) -> list[int]:
    """Which of the frames are found, by their spans' numbers."""
    whole = [found for found in frames(data) if isinstance(found, Frame)]
    return [int(decode(frame)["span_id"][0].as_py(), 16) - 1 for frame in whole]


@given(st.integers(0, len(WHOLE)))
def test_a_file_cut_anywhere_keeps_its_whole_frames(end: int) -> None:
    assert numbers(WHOLE[:end]) == [number for number in range(4) if STARTS[number + 1] <= end]


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_one_wrong_byte_costs_one_frame(position: int, flip: int) -> None:
    data = bytearray(WHOLE)
    data[position] ^= flip
    hurt = next(number for number in range(4) if position < STARTS[number + 1])
    assert numbers(bytes(data)) == [number for number in range(4) if number != hurt]


@given(st.binary(max_size=60))
def test_any_bytes_are_read_to_their_end(data: bytes) -> None:
    damage = [found for found in frames(data) if isinstance(found, Damage)]
    assert sum(found.stop - found.start for found in damage) == len(data)


def test_a_damaged_stretch_in_the_middle_is_not_the_end() -> None:
    hurt = FRAMES[0] + b"garbage" + FRAMES[1]
    (found,) = [found for found in frames(hurt) if isinstance(found, Damage)]
    assert found == Damage(len(FRAMES[0]), len(FRAMES[0]) + 7, at_end=False)


def test_a_name_taken_apart_and_put_together_is_the_same() -> None:
    names = ["traces-1-2-3.part", "logs-1-2-3-40-50.seg"]
    assert [segment.name for name in names if (segment := Segment.parse(name))] == names


def test_names_of_other_files_are_none_of_ours() -> None:
    others = ["traces.seg", "traces-1-2-3.seg", "spans-1-2-3.part", "traces-a-2-3.part", "traces-1-2-3.txt"]
    assert [Segment.parse(name) for name in others] == [None] * len(others)


def test_a_closed_segment_is_known_by_its_times() -> None:
    segment = Segment("traces", 0, 1, 2, low=T0 * 10**9, high=(T0 + 10) * 10**9)
    windows = [Window(start=T0 - 5, end=T0 - 1), Window(start=T0 + 10, end=T0 + 20)]
    assert [segment.may_hold(window) for window in windows] == [False, True]
