"""Recent telemetry in memory: the twin of the store on disk, for tests and for a run that keeps nothing."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from causal.evidence import Window
from causal.telemetry import Batch
from integrations.arrow import ArrowBatch, concat, distinct_spans, from_arrow, within
from integrations.rates import LOOK_BACK, rates

__all__ = ["MemoryTelemetryStore", "answer", "looking_back"]


def looking_back(window: Window) -> Window:
    """Stretch a window so that it holds the exports before its first ones."""
    return Window(start=window.start - LOOK_BACK, end=window.end)


def answer(rows: ArrowBatch, window: Window) -> ArrowBatch:
    """Make a store's answer of the rows that it holds of a window, and of the samples shortly before it."""
    read = ArrowBatch(
        traces=rows.traces.combine_chunks(),
        metrics=rates(
            within(ArrowBatch(metrics=rows.metrics), looking_back(window)).metrics.combine_chunks()
        ),
        logs=rows.logs.combine_chunks(),
    )
    inside = within(read, window)
    return ArrowBatch(distinct_spans(inside.traces), inside.metrics, inside.logs)


class MemoryTelemetryStore:
    """A TelemetryStore of this process; ages are in seconds by ``clock``, sizes in bytes in memory."""

    def __init__(
        self,
        keep_seconds: float = 3600.0,
        keep_bytes: int = 256 * 1024 * 1024,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keep_seconds, self._keep_bytes, self._clock = keep_seconds, keep_bytes, clock
        self._batches: deque[tuple[float, ArrowBatch]] = deque()
        self._lock = threading.Lock()

    def append(self, rows: ArrowBatch) -> None:
        with self._lock:
            self._batches.append((self._clock(), rows))
            self._forget()

    def tables(self, window: Window) -> ArrowBatch:
        with self._lock:
            held = [rows for _, rows in self._batches]
        return answer(concat(held), window)

    def read(self, window: Window) -> Batch:
        return from_arrow(self.tables(window))

    def damage(self) -> Sequence[str]:
        return ()

    def _forget(self) -> None:
        size = sum(rows.size for _, rows in self._batches)
        oldest = self._clock() - self._keep_seconds
        while len(self._batches) > 1 and (size > self._keep_bytes or self._batches[0][0] < oldest):
            size -= self._batches.popleft()[1].size
