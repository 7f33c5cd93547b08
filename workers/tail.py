"""The tail: what others keep is copied into the telemetry store, a little at a time, as it settles.

One way to do a thing: whatever the metric agent watches, freezes and verifies comes from the store, whether
it was sent to the door or fetched from a Prometheus, Jaeger, Tempo or Loki. How far each source was read is
kept in a file beside the store and moves on only after the rows are in it: a crash in between reads a
stretch again (spans are kept once, however often they come), none is skipped.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from causal.errors import AitiaError
from causal.evidence import Window
from integrations.backends.source import TelemetrySource
from integrations.ports import TelemetryStore

log = structlog.get_logger()

STRETCH_SECONDS = 60.0
REMEMBERED = 500


@dataclass(frozen=True)
class Gap:
    """What could not be had of a source, of which time."""

    window: Window
    says: str


@dataclass
class Tail:
    """Copies sources into a store; safe to use from several threads, one of which copies at a time.

    ``look_back`` is how much of the past (s) is fetched of a source that was never read, or not for longer.
    """

    sources: Callable[[], tuple[TelemetrySource, ...]]
    store: TelemetryStore
    file: Path
    look_back: float = 900.0
    _gaps: list[Gap] = field(default_factory=list, init=False)
    _busy: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def catch_up(self, now: float) -> int:
        """Copy what has settled since the last time; gives the number of rows, none if somebody is at it."""
        if not self._busy.acquire(blocking=False):
            return 0
        try:
            return sum(self._copy(source, now) for source in self._sources(now))
        finally:
            self._busy.release()

    def gaps(self, window: Window) -> tuple[str, ...]:
        """What could not be had of a window, in words, each once."""
        told = [
            gap.says for gap in self._gaps if gap.window.start < window.end and window.start < gap.window.end
        ]
        return tuple(dict.fromkeys(told))

    def _sources(self, now: float) -> tuple[TelemetrySource, ...]:
        try:
            return self.sources()
        except AitiaError as error:
            self._note(Window(start=now - self.look_back, end=now), f"the sources can not be read: {error}")
            return ()

    def _copy(self, source: TelemetrySource, now: float) -> int:
        rows, until = 0, now - source.settles
        since = max(self._read_until().get(source.name, 0.0), until - self.look_back)
        while until - since > 0:
            stretch = Window(start=since, end=min(since + STRETCH_SECONDS, until))
            try:
                pulled = source.pull(stretch)
                if pulled.rows.rows:
                    self.store.append(pulled.rows)
            except AitiaError as error:
                self._note(stretch.model_copy(update={"end": now}), f"{source.name}: {error}")
                break
            for gap in pulled.gaps:
                self._note(stretch, gap)
            rows, since = rows + pulled.rows.rows, stretch.end
            self._keep(source.name, since)
        return rows

    def _note(self, window: Window, says: str) -> None:
        log.warning("telemetry is missing", says=says)
        self._gaps = [*self._gaps, Gap(window, says)][-REMEMBERED:]

    def _read_until(self) -> Mapping[str, float]:
        try:
            kept = json.loads(self.file.read_text())
        except (OSError, ValueError):
            return {}  # nothing was read yet, or the file is damaged: the look-back is read again
        return {str(name): float(at) for name, at in kept.items()} if isinstance(kept, dict) else {}

    def _keep(self, source: str, until: float) -> None:
        kept = {**self._read_until(), source: until}
        beside = self.file.with_suffix(".new")
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("w") as file:
            json.dump(kept, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.file)
