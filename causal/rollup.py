"""A rollup: what the watch remembers of the traffic, a few numbers per service and five seconds.

A request counts where it *ends*, for only then is it known; so a service that hangs shows up as soon as
its requests time out. Latencies are kept as counts in geometric bins about 5 % wide, the sketch of
Masson, Rim and Lee ("DDSketch", VLDB 2019): quantiles of any union of buckets come out within half a bin,
and joining is adding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import log

import numpy as np

from causal.evidence import Window
from causal.forest import NANOSECOND, calls, entries, failed, parents
from causal.telemetry import Flags, Floats, Ints, Spans

BIN = log(1.05)
_SHORTEST = 1e-5
_BINS = 512
_BUCKET_BITS = 40


def edges(bins: Ints) -> Floats:
    """The upper ends of latency bins, in seconds."""
    upper: Floats = _SHORTEST * np.exp((bins + 1) * BIN)
    return upper


@dataclass(frozen=True, eq=False)
class Rollup:
    """Counts of entry spans per service and bucket; a bucket covers [index, index + 1) times ``seconds``.

    Rows are sorted by (service, bucket); ``bin_row`` points from a latency bin to its row.
    """

    seconds: float
    names: tuple[str, ...]
    service: Ints
    bucket: Ints
    n: Ints
    errors: Ints
    bin_row: Ints
    bin: Ints
    count: Ints
    calls: frozenset[tuple[str, str]]

    @classmethod
    def none(cls, seconds: float = 5.0) -> Rollup:
        """No traffic at all: the neutral element of `join`."""
        nothing = np.zeros(0, dtype=np.int64)
        return cls(seconds, (), nothing, nothing, nothing, nothing, nothing, nothing, nothing, frozenset())

    @property
    def services(self) -> frozenset[str]:
        """Every service that the rollup has heard of, as an entry or as an end of a call."""
        return frozenset(self.names).union(*self.calls) if self.calls else frozenset(self.names)

    def join(self, other: Rollup) -> Rollup:
        """Both together; equal buckets add up. Raises ValueError where the bucket lengths differ."""
        if self.seconds != other.seconds:
            raise ValueError(f"buckets of {self.seconds} s cannot be added to buckets of {other.seconds} s")
        names = tuple(sorted({*self.names, *other.names}))
        mine, theirs = _places(self.names, names), _places(other.names, names)
        rows = (_key(mine[self.service], self.bucket), _key(theirs[other.service], other.bucket))
        whole = _assemble(
            self.seconds,
            names,
            rows=(
                np.concatenate(rows),
                np.concatenate([self.n, other.n]),
                np.concatenate([self.errors, other.errors]),
            ),
            cells=(
                np.concatenate([rows[0][self.bin_row], rows[1][other.bin_row]]),
                np.concatenate([self.bin, other.bin]),
                np.concatenate([self.count, other.count]),
            ),
        )
        return replace(whole, calls=self.calls | other.calls)

    def between(self, start: float, end: float) -> Rollup:
        """The buckets that begin at ``start`` or later and before ``end``; all calls are kept."""
        begins = self.bucket * self.seconds
        return self._kept((begins >= start) & (begins < end))

    def outside(self, windows: Iterable[Window]) -> Rollup:
        """The buckets that none of the windows touches."""
        begins, free = self.bucket * self.seconds, np.ones(len(self.bucket), dtype=np.bool_)
        for window in windows:
            free &= (begins + self.seconds <= window.start) | (begins > window.end)
        return self._kept(free)

    def _kept(self, rows: Flags) -> Rollup:
        place, bins = np.cumsum(rows) - 1, rows[self.bin_row]
        return Rollup(
            seconds=self.seconds,
            names=self.names,
            service=self.service[rows],
            bucket=self.bucket[rows],
            n=self.n[rows],
            errors=self.errors[rows],
            bin_row=place[self.bin_row[bins]].astype(np.int64),
            bin=self.bin[bins],
            count=self.count[bins],
            calls=self.calls,
        )


def roll_up(spans: Spans, seconds: float = 5.0) -> Rollup:
    """Count the entry spans of each service by the bucket in which they end."""
    parent = parents(spans)
    seen = calls(spans, parent)
    chosen = entries(spans, parent) & (spans.service.codes >= 0)
    entry = spans.take(chosen)
    names = tuple(sorted({spans.service.names[code] for code in np.unique(entry.service.codes)}))
    service = _places(spans.service.names, names)[entry.service.codes]
    length = np.maximum(entry.duration_ns, 0)
    bucket = ((entry.start_ns + length) // round(seconds * 1e9)).astype(np.int64)
    slow = np.clip(np.log(np.maximum(length * NANOSECOND, _SHORTEST) / _SHORTEST) / BIN, 0, _BINS - 1)
    one = np.ones(len(entry), dtype=np.int64)
    key = _key(service, np.maximum(bucket, 0))
    whole = _assemble(
        seconds,
        names,
        rows=(key, one, failed(entry).astype(np.int64)),
        cells=(key, slow.astype(np.int64), one),
    )
    return replace(whole, calls=seen)


def _places(names: tuple[str, ...], among: tuple[str, ...]) -> Ints:
    index = {name: place for place, name in enumerate(among)}
    return np.array([index.get(name, -1) for name in names], dtype=np.int64)


def _key(service: Ints, bucket: Ints) -> Ints:
    return (service << _BUCKET_BITS) | bucket


def _assemble(
    seconds: float, names: tuple[str, ...], *, rows: tuple[Ints, Ints, Ints], cells: tuple[Ints, Ints, Ints]
) -> Rollup:
    """Add up rows (key, requests, errors) of equal key, and cells (key, latency bin, count) of equal both."""
    keys, place = np.unique(rows[0], return_inverse=True)
    cell, spot = np.unique(np.searchsorted(keys, cells[0]) * _BINS + cells[1], return_inverse=True)
    return Rollup(
        seconds=seconds,
        names=names,
        service=keys >> _BUCKET_BITS,
        bucket=keys & ((1 << _BUCKET_BITS) - 1),
        n=_sums(place, rows[1], len(keys)),
        errors=_sums(place, rows[2], len(keys)),
        bin_row=cell // _BINS,
        bin=cell % _BINS,
        count=_sums(spot, cells[2], len(cell)),
        calls=frozenset(),
    )


def _sums(place: Ints, values: Ints, size: int) -> Ints:
    return np.bincount(place, values, minlength=size).astype(np.int64)
