"""Quiet time remembered: what a signal measures, and setting it beside what was measured before.

The quiet rows of an incident are the minutes just before it; the quiet profile (`telemetry.Past`) remembers
the hour before those, a row a minute for every operation, call, resource and feature. Nothing but sums is
kept, since sums are all that the comparisons need: the level of quiet time and how much minutes differ from
one another. Names, not codes, tie both together, so that a profile outlives every batch of telemetry. Two
kinds of measures exist: times (and levels) of a context, and shares of a context's requests that hold a
feature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from causal.columns import grouped
from causal.compare import Counts, Sums
from causal.telemetry import MISSING, Column, Flags, Floats, Ints, Past

_SUMS = ("n", "log", "log_squares", "total", "squares")


@dataclass(frozen=True, eq=False)
class Timed:
    """Times, or levels, of contexts: one row of the table a context."""

    name: str
    contexts: Sequence[str]
    table: Sums

    def beside(self, past: Past) -> Sums:
        """The table with what is remembered of the same contexts."""
        rows = np.flatnonzero(past.measure.codes == past.measure.code(self.name))
        row = _places(past.context.take(rows), self.contexts)
        kept, row = rows[row != MISSING], row[row != MISSING]
        if not len(kept):
            return self.table
        late, slot = _slots(past.start[kept])
        shape = len(self.contexts), len(late)
        return self.table.beside(
            Sums(late, *(_table(getattr(past, n)[kept], row, slot, shape) for n in _SUMS))
        )

    def quiet(self, start: float, offset: float) -> Past:
        """What is to be remembered of the quiet stretches: one row a context, all in one minute."""
        quiet = ~self.table.late
        columns = [getattr(self.table, name)[:, quiet].sum(axis=1) for name in _SUMS]
        some = np.flatnonzero(columns[0] > 0).tolist()
        contexts = [self.contexts[row] for row in some]
        return _remembered(
            self.name, contexts, [None] * len(some), (start, offset), [c[some] for c in columns]
        )


@dataclass(frozen=True, eq=False)
class Shared:
    """Shares: one row of the table a feature, with the context whose requests may hold it."""

    name: str
    contexts: Sequence[str]
    features: Sequence[str]
    table: Counts

    def beside(self, past: Past) -> Counts:
        """The table with what is remembered of the same contexts; what was not seen then, was not held."""
        rows = np.flatnonzero(past.measure.codes == past.measure.code(self.name))
        mine = past.take(rows)
        whole = mine.feature.codes == MISSING
        if not whole.any() or not len(self.contexts):
            return self.table
        late, slot = _slots(mine.start)
        known = Column.of(self.contexts)
        row = _places(mine.context, known.names)
        wide = len(known.names), len(late)
        mass = whole & (row != MISSING)
        of = _table(mine.n[mass], row[mass], slot[mass], wide)[known.codes]
        pairs = [f"{c}\x1f{f}" for c, f in zip(self.contexts, self.features, strict=True)]
        told = _pairs(mine)
        place = _places(told, pairs)
        held = ~whole & (place != MISSING)
        shape = len(self.contexts), len(late)
        return self.table.beside(Counts(late, of, _table(mine.n[held], place[held], slot[held], shape)))

    def quiet(self, start: float, offset: float) -> Past:
        """What is to be remembered of the quiet stretches: a row a context, and one a feature held."""
        quiet = ~self.table.late
        n, held = self.table.n[:, quiet].sum(axis=1), self.table.held[:, quiet].sum(axis=1)
        known = Column.of(self.contexts)
        _, first = np.unique(known.codes, return_index=True)
        whole, some = first[n[first] > 0].tolist(), np.flatnonzero(held > 0).tolist()
        contexts = [self.contexts[row] for row in (*whole, *some)]
        features = [*([None] * len(whole)), *(self.features[row] for row in some)]
        count = np.concatenate([n[whole], held[some]])
        sums = [count, *([np.zeros(len(count))] * 4)]
        return _remembered(self.name, contexts, features, (start, offset), sums)


Measure = Timed | Shared


def means(past: Past, measure: str) -> Mapping[str, Floats]:
    """What was measured of each context on average, minute by minute."""
    rows = past.take(past.measure.codes == past.measure.code(measure))
    order = np.argsort(rows.context.codes, kind="stable")
    codes, start = np.unique(rows.context.codes[order], return_index=True)
    level = (rows.total / np.maximum(rows.n, 1.0))[order]
    parts = np.split(level, start[1:])
    return (
        {rows.context.names[code]: part for code, part in zip(codes, parts, strict=True)}
        if len(codes)
        else {}
    )


def joined(parts: Sequence[Past]) -> Past:
    """Several memories as one."""
    if not parts:
        return Past.none()
    columns: dict[str, Any] = {}
    for name in vars(parts[0]):
        values = [getattr(part, name) for part in parts]
        same = isinstance(values[0], Column)
        columns[name] = _chained(values) if same else np.concatenate(values)
    return Past(**columns)


def _remembered(
    name: str,
    contexts: Sequence[str],
    features: Sequence[str | None],
    taken: tuple[float, float],
    sums: Sequence[Floats],
) -> Past:
    size = len(contexts)
    n, log, log_squares, total, squares = sums
    return Past(
        measure=Column(np.zeros(size, dtype=np.int32), (name,)),
        context=Column.of(contexts),
        feature=Column.of(features),
        start=np.full(size, taken[0]),
        n=n,
        log=log,
        log_squares=log_squares,
        total=total,
        squares=squares,
        offset=np.full(size, taken[1]),
    )


def _pairs(mine: Past) -> Column:
    """Context and feature of each row as one name."""
    first, pair = grouped(mine.context.codes, mine.feature.codes)
    feature = mine.feature.names
    names = tuple(
        f"{mine.context.names[c]}\x1f{feature[f] if f != MISSING else ''}"
        for c, f in zip(mine.context.codes[first], mine.feature.codes[first], strict=True)
    )
    return Column(pair.astype(np.int32), names)


def _places(column: Column, names: Sequence[str]) -> Ints:
    """The place of each row's name among some names, or -1."""
    known = {name: place for place, name in enumerate(names)}
    return np.array([known.get(name, MISSING) for name in column.names] + [MISSING], dtype=np.int64)[
        column.codes
    ]


def _slots(start: Floats) -> tuple[Flags, Ints]:
    starts, slot = np.unique(start, return_inverse=True)
    return np.zeros(len(starts), dtype=np.bool_), slot.astype(np.int64)


def _table(values: Floats, row: Ints, slot: Ints, shape: tuple[int, int]) -> Floats:
    flat = np.bincount(row * shape[1] + slot, values, minlength=shape[0] * shape[1])
    return flat.astype(np.float64).reshape(shape)


def _chained(columns: Sequence[Column]) -> Column:
    known: dict[str, int] = {}
    codes = []
    for column in columns:
        into = [known.setdefault(name, len(known)) for name in column.names]
        codes.append(np.array([*into, MISSING], dtype=np.int32)[column.codes])
    return Column(np.concatenate(codes), tuple(known))
