"""The rolling quiet profile: what is kept of a quiet minute once its spans, samples and lines are gone.

Every signal that compares names what it measures; a profile holds the sums of each measure, a row a
context and minute, for as long as they are worth keeping. So a diagnosis knows how much an operation
varies from minute to minute although only the last minutes before the incident are read again, and one
that has hardly any of those still has something to compare with.

Minutes that turn out not to have been quiet are taken out whole, whenever that is found out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from causal.evidence import Alert, Window
from causal.forest import NANOSECOND
from causal.past import Measure, joined
from causal.signals import MEASURES, logs
from causal.telemetry import Batch, Flags, Past, Telemetry
from causal.view import behold

MINUTE = 60.0
_ANOTHER_SYSTEM = 4.0


def learn(past: Past, minute: Batch, start: float) -> Past:
    """Add a quiet minute that began at ``start`` (Unix seconds) to what is remembered.

    Where requests have become four times as quick or as slow since the profile was begun, its sums of
    logarithms no longer suit them, and a new one is begun.
    """
    if len(past) and not len(minute.spans):
        more = _measured(minute, start, past)
        return joined([past, more]) if len(more) else past
    alone = _measured(minute, start, _vocabulary(past))
    if not len(past) or not len(alone):
        return joined([past, alone])
    before, now = float(past.offset.max()), float(alone.offset.max())
    if max(before / now, now / before) > _ANOTHER_SYSTEM:
        return alone
    return joined([past, alone if before == now else _measured(minute, start, past)])


def minute_of(rows: Batch, start: float) -> Batch:
    """Of all rows, those of one minute: whole requests that began in it, samples and lines of that time."""
    spans, end = rows.spans, start + MINUTE
    first = np.full(len(spans.trace.names) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, spans.trace.codes, spans.start_ns)
    begun = first[spans.trace.codes]
    return Batch(
        spans.take(_within(begun * NANOSECOND, start, end)),
        rows.metrics.take(_within(rows.metrics.time, start, end)),
        rows.logs.take(_within(rows.logs.time_ns * NANOSECOND, start, end)),
    )


def without(past: Past, windows: Iterable[Window]) -> Past:
    """What is left when the minutes that touch any of these windows are taken out."""
    kept: Flags = np.ones(len(past), dtype=np.bool_)
    for window in windows:
        kept &= (past.start >= window.end) | (past.start + MINUTE <= window.start)
    return past.take(kept)


def between(past: Past, earliest: float, latest: float) -> Past:
    """The minutes that lie wholly between two moments."""
    return past.take((past.start >= earliest) & (past.start + MINUTE <= latest))


def minutes(past: Past) -> int:
    """How many minutes are remembered."""
    return len(np.unique(past.start))


def _vocabulary(past: Past) -> Past:
    """What lets the lines of a minute be read as before: the templates, without the scale of the times."""
    lines = past.take(past.measure.codes == past.measure.code(logs.MEASURE))
    return replace(lines, offset=np.zeros(len(lines)))


def _within(moments: NDArray[np.floating], start: float, end: float) -> Flags:
    inside: Flags = (moments >= start) & (moments < end)
    return inside


def _measured(minute: Batch, start: float, past: Past) -> Past:
    window = Window(start=start, end=start + MINUTE)
    end = Window(start=window.end, end=window.end)
    telemetry = Telemetry(baseline=window, window=end, quiet=minute, incident=Batch.none(), past=past)
    view = behold(Alert(fingerprint="quiet", raised_at=window.end), telemetry)
    found: list[Measure] = [measure for measures in MEASURES for measure in measures(view)]
    return joined([measure.quiet(start, view.offset) for measure in found])
