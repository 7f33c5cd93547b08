"""Segments: append-only files of telemetry that may be cut off anywhere and still be read.

A segment is a row of frames, one per append:

    magic "AIT1" | payload length, CRC-32 (both u32) | earliest, latest row (both i64, ns) | payload

The payload is an Arrow IPC stream. Arrow has no checksum of its own, so the frame brings one over everything
after it; a frame that does not add up is skipped by looking for the next magic that does. A writer that was
killed leaves a torn last frame at worst, and the frames before it are whole.

The name is the index. ``traces-<created ms>-<process>-<n>.part`` is being written, by a process that holds a
lock on it; closed, it is renamed to ``…-<earliest>-<latest>.seg``, and a reader knows without opening it
whether it can hold anything of a window, however late or early its rows came.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pyarrow as pa

from causal.evidence import Window
from integrations.arrow import nanoseconds, times

__all__ = ["Damage", "Frame", "Segment", "decode", "encode", "frames", "segments"]

_MAGIC = b"AIT1"
_HEADER = struct.Struct(">4sIIqq")
_TIMES = struct.Struct(">qq")
# Frames are small: threads, and what zstd sets up for each buffer, would cost ten times the work itself.
_WRITE = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
_READ = pa.ipc.IpcReadOptions(use_threads=False)

SIGNALS = ("traces", "metrics", "logs")


@dataclass(frozen=True)
class Frame:
    """One append: the rows, undecoded, and the times of the earliest and the latest (ns)."""

    low: int
    high: int
    payload: memoryview


@dataclass(frozen=True)
class Damage:
    """A stretch of a segment that is no whole frame; ``at_end`` if nothing whole comes after it."""

    start: int
    stop: int
    at_end: bool


@dataclass(frozen=True)
class Segment:
    """A segment's name, taken apart; ``low`` and ``high`` (ns) are None while it is being written."""

    signal: str
    created_ms: int
    process: int
    number: int
    low: int | None = None
    high: int | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        stem = f"{self.signal}-{self.created_ms}-{self.process}-{self.number}"
        return f"{stem}.part" if self.low is None else f"{stem}-{self.low}-{self.high}.seg"

    @property
    def identity(self) -> tuple[str, int, int, int]:
        """What stays the same when the segment is closed."""
        return self.signal, self.created_ms, self.process, self.number

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """Take a name apart; None if it is not a segment's."""
        stem, _, ending = name.rpartition(".")
        signal, *parts = stem.split("-")
        if signal not in SIGNALS or not all(part.isdecimal() for part in parts):
            return None
        if (ending, len(parts)) not in (("part", 3), ("seg", 5)):
            return None
        return cls(signal, *(int(part) for part in parts))

    def may_hold(self, window: Window) -> bool:
        """Whether any row may lie in the window."""
        if self.low is None or self.high is None:
            return True
        return self.low <= nanoseconds(window.end) and self.high >= nanoseconds(window.start)


def segments(folder: Path) -> dict[Segment, Path]:
    """All segments of a folder, oldest first; one that was renamed while we looked is there once."""
    found = {segment: path for path in folder.iterdir() if (segment := Segment.parse(path.name))}
    closed = {segment.identity for segment in found if segment.low is not None}
    kept = [s for s in found if s.low is not None or s.identity not in closed]
    return {segment: found[segment] for segment in sorted(kept, key=lambda s: s.identity[1:])}


def encode(table: pa.Table) -> tuple[bytes, int, int]:
    """One frame of these rows, and the times (ns) of the earliest and the latest; there must be rows."""
    moments = times(table)
    low, high = int(moments.min()), int(moments.max())
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_WRITE) as stream:
        stream.write_table(table.combine_chunks())
    payload = sink.getvalue()
    check = zlib.crc32(payload, zlib.crc32(_TIMES.pack(low, high)))
    return _HEADER.pack(_MAGIC, payload.size, check, low, high) + payload.to_pybytes(), low, high


def decode(frame: Frame) -> pa.Table:
    """The rows of a frame."""
    return pa.ipc.open_stream(pa.py_buffer(frame.payload), options=_READ).read_all()


def frames(data: bytes) -> Iterator[Frame | Damage]:
    """The whole frames of a segment's bytes, and the stretches between them that are none."""
    view, position = memoryview(data), 0
    while position < len(data):
        frame = _frame(view, position)
        if frame is not None:
            yield frame
            position += _HEADER.size + len(frame.payload)
            continue
        following = _next_frame(data, view, position + 1)
        yield Damage(position, following, following == len(data))
        position = following


def _next_frame(data: bytes, view: memoryview, position: int) -> int:
    while (position := data.find(_MAGIC, position)) >= 0:
        if _frame(view, position) is not None:
            return position
        position += 1
    return len(data)


def _frame(view: memoryview, position: int) -> Frame | None:
    start = position + _HEADER.size
    if start > len(view):
        return None
    magic, size, check, low, high = _HEADER.unpack_from(view, position)
    payload = view[start : start + size]
    if magic != _MAGIC or len(payload) < size:
        return None
    if zlib.crc32(payload, zlib.crc32(_TIMES.pack(low, high))) != check:
        return None
    return Frame(low, high, payload)
