"""Telemetry as columns: what an incident of a million spans is held in.

Strings are dictionary-encoded once, where they are read (`Column`), so that everything after that is
arithmetic on integers. A table is a frozen record of equally long numpy arrays; `take` keeps some of its rows
and shares the dictionaries, so that codes can be compared between the quiet and the incident rows of a case.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from causal.evidence import Change, Window

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Selection = Flags | Ints

MISSING = -1


class SpanKind(IntEnum):
    """The OpenTelemetry span kinds, by their OTLP numbers."""

    UNSPECIFIED = 0
    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


class Status(IntEnum):
    """The OpenTelemetry span status, by its OTLP numbers."""

    UNSET = 0
    OK = 1
    ERROR = 2


@dataclass(frozen=True, eq=False)
class Column:
    """Dictionary-encoded strings: ``names[codes[row]]`` is a row's value, code -1 means there is none."""

    codes: Codes
    names: tuple[str, ...]

    @classmethod
    def of(cls, values: Iterable[str | None]) -> Self:
        """Encode values in order of first appearance."""
        known: dict[str, int] = {}
        codes = [MISSING if value is None else known.setdefault(value, len(known)) for value in values]
        return cls(np.array(codes, dtype=np.int32), tuple(known))

    def code(self, name: str) -> int:
        """The code of a name, or -1 where no row has it."""
        return self.names.index(name) if name in self.names else MISSING

    def take(self, rows: Selection) -> Self:
        return type(self)(self.codes[rows], self.names)

    def used(self) -> Ints:
        """The codes that rows have, in ascending order."""
        return np.flatnonzero(np.bincount(self.codes[self.codes != MISSING])).astype(np.int64)

    def values(self) -> list[str | None]:
        """Decode every row."""
        return [None if code == MISSING else self.names[code] for code in self.codes]

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True, eq=False)
class _Table:
    """Equally long columns."""

    def take(self, rows: Selection) -> Self:
        """The chosen rows, with the same dictionaries."""
        kept: dict[str, Any] = {}
        for column in fields(self):
            value = getattr(self, column.name)
            kept[column.name] = value.take(rows) if isinstance(value, Column) else value[rows]
        return type(self)(**kept)

    def joined(self, other: Self) -> Self:
        """The rows of both, where they share their dictionaries (the other's may be longer)."""
        whole: dict[str, Any] = {}
        for column in fields(self):
            one, two = getattr(self, column.name), getattr(other, column.name)
            if isinstance(one, Column):
                whole[column.name] = Column(np.concatenate([one.codes, two.codes]), two.names)
            else:
                whole[column.name] = np.concatenate([one, two])
        return type(self)(**whole)

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))


@dataclass(frozen=True, eq=False)
class Spans(_Table):
    """One row a span.

    ``span`` and ``parent`` are integers that are equal exactly where the ids were equal; a span is identified
    by (trace, span); ``parent`` is -1 for a root and may name a span that is not in the table.
    ``start_ns`` counts from the Unix epoch. ``attributes`` holds JSON objects.
    """

    trace: Column
    span: Ints
    parent: Ints
    service: Column
    instance: Column
    operation: Column
    kind: NDArray[np.int8]
    start_ns: Ints
    duration_ns: Ints
    status: NDArray[np.int8]
    status_code: Column
    attributes: Column

    @classmethod
    def none(cls) -> Self:
        """A table of no rows."""
        nothing, whole = Column.of(()), np.zeros(0, dtype=np.int64)
        small = np.zeros(0, dtype=np.int8)
        return cls(
            nothing, whole, whole, nothing, nothing, nothing, small, whole, whole, small, nothing, nothing
        )


@dataclass(frozen=True, eq=False)
class Metrics(_Table):
    """One row a sample: a service's metric at a time (Unix seconds)."""

    time: Floats
    service: Column
    instance: Column
    metric: Column
    value: Floats

    @classmethod
    def none(cls) -> Self:
        """A table of no rows."""
        nothing, real = Column.of(()), np.zeros(0, dtype=np.float64)
        return cls(real, nothing, nothing, nothing, real)


@dataclass(frozen=True, eq=False)
class Logs(_Table):
    """One row a log record; ``trace`` is coded on its own, compare it with spans by name."""

    time_ns: Ints
    service: Column
    instance: Column
    severity: Column
    trace: Column
    body: Column

    @classmethod
    def none(cls) -> Self:
        """A table of no rows."""
        nothing, whole = Column.of(()), np.zeros(0, dtype=np.int64)
        return cls(whole, nothing, nothing, nothing, nothing, nothing)


@dataclass(frozen=True, eq=False)
class Past(_Table):
    """What is remembered of quiet time before the quiet rows: sums, a row a thing seen and minute.

    ``measure`` is a way of looking, ``context`` what was looked at (an operation, a call, a resource);
    ``feature`` is what some of its requests held, and is missing on the row of the context itself. ``start``
    is when the minute began (Unix seconds), ``n`` how many there were. Of times and levels there are sums
    of the logarithms (taken of values above ``offset``) and of the values, and the sums of the squares of
    both; of shares ``n`` alone.
    """

    measure: Column
    context: Column
    feature: Column
    start: Floats
    n: Floats
    log: Floats
    log_squares: Floats
    total: Floats
    squares: Floats
    offset: Floats

    @classmethod
    def none(cls) -> Self:
        """Nothing is remembered."""
        nothing, real = Column.of(()), np.zeros(0, dtype=np.float64)
        return cls(nothing, nothing, nothing, real, real, real, real, real, real, real)


@dataclass(frozen=True, eq=False)
class Batch:
    """Telemetry of one stretch of time."""

    spans: Spans
    metrics: Metrics
    logs: Logs

    @classmethod
    def none(cls) -> Self:
        """Nothing at all."""
        return cls(Spans.none(), Metrics.none(), Logs.none())

    def services(self) -> frozenset[str]:
        """Every service that any row names."""
        columns = (self.spans.service, self.metrics.service, self.logs.service)
        return frozenset(column.names[code] for column in columns for code in column.used())

    def __bool__(self) -> bool:
        return bool(len(self.spans) or len(self.metrics) or len(self.logs))


@dataclass(frozen=True, eq=False)
class Telemetry:
    """All that the engine may look at besides the alert.

    ``quiet`` holds fault-free rows whatever their time, ``incident`` the rows of the incident window; the
    tables of both share their dictionaries. ``calls`` are published (caller, callee) edges, if any.
    ``past`` is the quiet profile: what is remembered of times before the quiet rows. ``gaps`` says in words
    what is known to be missing; ``digest`` identifies the content.
    """

    baseline: Window
    window: Window
    quiet: Batch
    incident: Batch
    calls: Sequence[tuple[str, str]] = ()
    changes: Sequence[Change] = ()
    gaps: Sequence[str] = ()
    digest: str = ""
    past: Past = field(default_factory=Past.none)
