"""The rolling rollup of recent traffic, kept so that a look every few seconds reads only the last minute.

It is derived: after a restart the first look reads all that the telemetry store still holds.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from causal.evidence import Window
from causal.rollup import Rollup, roll_up
from integrations.ports import TelemetryStore

SETTLED_AFTER_SECONDS = 30.0
LONGEST_REQUEST_SECONDS = 60.0


@dataclass
class Rolling:
    """Rollups of a telemetry store, up to any recent moment. Safe to use from several threads.

    Buckets older than ``SETTLED_AFTER_SECONDS`` are read once and remembered; younger ones are read anew each
    time, since their telemetry may still arrive. ``memory`` is how far back (s) anything is remembered.
    """

    store: TelemetryStore
    memory: float = 3600.0
    bucket_seconds: float = 5.0
    _settled: Rollup = field(init=False)
    _settled_until: float = field(default=0.0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        self._settled = Rollup.none(self.bucket_seconds)

    def until(self, now: float) -> Rollup:
        """Everything remembered up to ``now``; of a moment before the last one, what is still remembered."""
        with self._lock:
            if now <= self._settled_until:
                return self._settled.between(now - self.memory, now)
            start = max(self._settled_until, self._edge(now - self.memory))
            recent = self._read(start, now)
            whole = self._settled.join(recent).between(now - self.memory, now)
            edge = self._edge(now - SETTLED_AFTER_SECONDS)
            if edge > self._settled_until:
                self._settled = whole.between(now - self.memory, edge)
                self._settled_until = edge
            return whole

    def _read(self, start: float, now: float) -> Rollup:
        """Buckets from ``start`` on; requests count where they end, so those begun before are read too."""
        batch = self.store.read(Window(start=start - LONGEST_REQUEST_SECONDS, end=now))
        return roll_up(batch.spans, self.bucket_seconds).between(start, now)

    def _edge(self, moment: float) -> float:
        return moment // self.bucket_seconds * self.bucket_seconds
