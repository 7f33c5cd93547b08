"""Recent telemetry on disk: a folder of segments, written by some processes and read by others.

Each writing process has one open segment a signal and holds a lock on it; after a minute, or when it is
large, it is closed and the next one begun. Closing is also when the past is forgotten: segments older than
``keep_seconds``, then the oldest until all fit into ``keep_bytes``, never one that somebody still writes. A
segment whose writer died is closed by whoever comes next: its lock went with the process.

Rows are in the kernel's hands when `append` returns, so they survive the death of the process, though not a
power cut: this is the last hour of telemetry, and an fsync per request would cost more than it protects.

Readers keep nothing between two readings: they list the folder, open what may hold the window, and take whole
frames only.
"""

import fcntl
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from causal.errors import Unavailable
from causal.evidence import Window
from causal.telemetry import Batch
from integrations.arrow import LOGS, METRICS, TRACES, ArrowBatch, from_arrow, nanoseconds
from integrations.memory_telemetry import answer, looking_back
from integrations.segments import SIGNALS, Damage, Frame, Segment, decode, encode, frames, segments

__all__ = ["DiskTelemetryStore"]

_ROLL_SECONDS = 60.0
_ROLL_BYTES = 16 * 1024 * 1024
_KEEP_FREE = 64 * 1024 * 1024
_SCHEMAS = {"traces": TRACES, "metrics": METRICS, "logs": LOGS}
_LOOKS = 5  # a segment may be closed, and so renamed, between our listing and our opening it

_numbers = itertools.count()


@dataclass
class _Open:
    """The segment that this process is writing for one signal."""

    segment: Segment
    path: Path
    file: int
    size: int = 0
    low: int | None = None
    high: int = 0

    def append(self, frame: bytes, low: int, high: int) -> None:
        """Add a frame, or, where the disk refuses, leave the file as it was."""
        try:
            rest = memoryview(frame)
            while rest:
                rest = rest[os.write(self.file, rest) :]
        except OSError:
            os.ftruncate(self.file, self.size)
            raise
        self.size += len(frame)
        self.low, self.high = low if self.low is None else min(self.low, low), max(self.high, high)


class DiskTelemetryStore:
    """A TelemetryStore in a folder.

    ``keep_seconds`` counts from when rows came in, by ``clock`` (Unix seconds); ``keep_bytes`` is for all
    signals together; at least ``keep_free`` bytes of the disk are left to others.
    """

    def __init__(
        self,
        folder: Path,
        keep_seconds: float = 3600.0,
        keep_bytes: int = 1024 * 1024 * 1024,
        *,
        keep_free: int = _KEEP_FREE,
        roll_seconds: float = _ROLL_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self._clock = folder, clock
        self._keep_seconds, self._keep_bytes, self._keep_free = keep_seconds, keep_bytes, keep_free
        self._roll_seconds, self._roll_bytes = roll_seconds, max(1, min(_ROLL_BYTES, keep_bytes // 8))
        self._open: dict[str, _Open] = {}
        self._damage: dict[tuple[str, int, int, int], dict[int, str]] = {}
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._tidy()

    def append(self, rows: ArrowBatch) -> None:
        with self._lock:
            try:
                for signal in SIGNALS:
                    if getattr(rows, signal).num_rows:
                        self._write(signal, *encode(getattr(rows, signal)))
            except OSError as error:
                raise Unavailable(f"telemetry cannot be kept in {self._folder}: {error.strerror}") from error

    def tables(self, window: Window) -> ArrowBatch:
        found = {signal: self._rows(signal, window) for signal in SIGNALS}
        return answer(ArrowBatch(**found), window)

    def read(self, window: Window) -> Batch:
        return from_arrow(self.tables(window))

    def damage(self) -> Sequence[str]:
        there = {segment.identity for segment in segments(self._folder)}
        with self._lock:
            self._damage = {segment: said for segment, said in self._damage.items() if segment in there}
            return [sentence for said in self._damage.values() for sentence in said.values()]

    def close(self) -> None:
        """Close the open segments; the store can still be used after it."""
        with self._lock:
            for signal in list(self._open):
                self._finish(signal)

    def _write(self, signal: str, frame: bytes, low: int, high: int) -> None:
        free = os.statvfs(self._folder)
        if free.f_bavail * free.f_frsize < self._keep_free + len(frame):
            raise Unavailable(f"the disk of {self._folder} has less than {self._keep_free} bytes left")
        current = self._open.get(signal)
        if current is not None and self._is_full(current):
            self._finish(signal)
            self._tidy()
        if signal not in self._open:
            self._open[signal] = self._begin(signal)
        self._open[signal].append(frame, low, high)

    def _is_full(self, current: _Open) -> bool:
        age = self._clock() - current.segment.created_ms / 1000
        return current.size >= self._roll_bytes or not 0 <= age < self._roll_seconds

    def _begin(self, signal: str) -> _Open:
        segment = Segment(signal, int(self._clock() * 1000), os.getpid(), next(_numbers))
        path = self._folder / segment.name
        # Locked before it gets its name: a part without a lock is one whose writer died.
        unnamed = path.with_suffix(".new")
        file = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        unnamed.rename(path)
        return _Open(segment, path, file)

    def _finish(self, signal: str) -> None:
        done = self._open.pop(signal)
        _rename_closed(done.segment, done.path, done.low, done.high)
        os.close(done.file)

    def _tidy(self) -> None:
        """Close what dead writers left, then forget what is too old or too much."""
        mine = {current.segment for current in self._open.values()}
        for segment, path in segments(self._folder).items():
            if segment.low is None and segment not in mine:
                _adopt(segment, path)
        self._forget()

    def _forget(self) -> None:
        there = segments(self._folder)
        sizes = {segment: _size(path) for segment, path in there.items()}
        total = sum(sizes.values())
        oldest = (self._clock() - self._keep_seconds - self._roll_seconds) * 1000
        for segment, path in there.items():
            if segment.low is None or (segment.created_ms >= oldest and total <= self._keep_bytes):
                continue
            path.unlink(missing_ok=True)
            total -= sizes[segment]

    def _rows(self, signal: str, window: Window) -> pa.Table:
        wide = looking_back(window) if signal == "metrics" else window
        parts = [_SCHEMAS[signal].empty_table()]
        for segment, data in self._contents(signal, wide):
            parts += self._whole(segment, data, wide)
        return pa.concat_tables(parts)

    def _contents(self, signal: str, window: Window) -> Iterator[tuple[Segment, bytes]]:
        """The bytes of each segment that may hold the window, each once."""
        done: set[tuple[str, int, int, int]] = set()
        for _ in range(_LOOKS):
            vanished = False
            for segment, path in segments(self._folder).items():
                if segment.signal != signal or segment.identity in done or not segment.may_hold(window):
                    continue
                try:
                    data = path.read_bytes()
                except FileNotFoundError:
                    vanished = True
                    continue
                done.add(segment.identity)
                yield segment, data
            if not vanished:
                return

    def _whole(self, segment: Segment, data: bytes, window: Window) -> list[pa.Table]:
        start, end = nanoseconds(window.start), nanoseconds(window.end)
        parts = []
        for found in frames(data):
            if isinstance(found, Damage):
                self._note(segment, found)
            elif found.low <= end and found.high >= start:
                parts.append(decode(found))
        return parts

    def _note(self, segment: Segment, damage: Damage) -> None:
        path = self._folder / segment.name
        if damage.at_end and segment.low is None and not _is_abandoned(path):
            return  # an append is on its way
        what = "the end was never written" if damage.at_end else "does not match its checksum"
        sentence = f"{path.name}: bytes {damage.start} to {damage.stop} are skipped: {what}"
        with self._lock:
            self._damage.setdefault(segment.identity, {})[damage.start] = sentence


def _adopt(segment: Segment, path: Path) -> None:
    """Close a segment whose writer is gone."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        whole = [frame for frame in frames(path.read_bytes()) if isinstance(frame, Frame)]
        low = min((frame.low for frame in whole), default=None)
        _rename_closed(segment, path, low, max((frame.high for frame in whole), default=0))
    except (BlockingIOError, FileNotFoundError):
        return  # it is alive, or somebody else closed it first
    finally:
        os.close(file)


def _rename_closed(segment: Segment, path: Path, low: int | None, high: int) -> None:
    """Give a segment its closed name; one without a single whole frame is worth nothing."""
    if low is None:
        path.unlink(missing_ok=True)
        return
    closed = Segment(*segment.identity, low=max(low, 0), high=max(high, 0))
    path.rename(path.with_name(closed.name))


def _is_abandoned(path: Path) -> bool:
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(file)
    return True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
