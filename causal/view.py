"""What the signals look at: quiet and incident rows side by side, cut anew where clocks disagree.

A span belongs to the window of its trace's root, not to that of its own clock, so that a service whose
clock is off still stands beside its callers. Quiet time is divided into stretches; how much they differ
from one another is the yardstick for every comparison.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, TypeVar

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from causal.columns import grouped
from causal.compare import Groups
from causal.edge_series import EdgeSeries, edge_series, revealed
from causal.evidence import Alert
from causal.forest import NANOSECOND, Forest, calls, parents, plant
from causal.genai import Acts, acts
from causal.presumed import presumed
from causal.telemetry import (
    MISSING,
    Codes,
    Column,
    Flags,
    Floats,
    Ints,
    Logs,
    Metrics,
    SpanKind,
    Spans,
    Telemetry,
)
from causal.unmeasured import completed

_LONGEST_STRETCH = 60.0
_SHORTEST_STRETCH = 5.0
_STRETCHES = 12
_PURE = 0.9
_ASKING = (SpanKind.CLIENT, SpanKind.PRODUCER)
_SLOT = 2.0

Table = TypeVar("Table", Spans, Metrics, Logs)


@dataclass(frozen=True, eq=False)
class View:
    """One incident, ready to be looked at; ``late`` marks the spans of the incident, the others are quiet.

    Only the first ``recorded`` spans were recorded; those after them are presumed.
    """

    alert: Alert
    telemetry: Telemetry
    forest: Forest
    late: Flags
    metrics: Metrics
    metrics_late: Flags
    logs: Logs
    logs_late: Flags
    recorded: int

    @property
    def spans(self) -> Spans:
        return self.forest.spans

    @cached_property
    def length(self) -> float:
        """Seconds of a quiet stretch: a twelfth of the quiet time that has rows, between 5 s and a minute."""
        moments = self.since_quiet(self.spans.start_ns[self.forest.root][~self.late])
        held = len(np.unique(moments // _SHORTEST_STRETCH)) * _SHORTEST_STRETCH
        return float(np.clip(held / _STRETCHES, _SHORTEST_STRETCH, _LONGEST_STRETCH))

    @cached_property
    def stretch(self) -> Ints:
        """The stretch of time in which each span's trace began."""
        return self.stretches(self.spans.start_ns[self.forest.root])

    def stretches(self, moments_ns: Ints) -> Ints:
        """The stretch of time in which each moment lies."""
        return (self.since_quiet(moments_ns) // self.length).astype(np.int64)

    def since_quiet(self, moments_ns: Ints) -> Floats:
        """Seconds since quiet time began; time has no origin of its own, so nothing may hang on another."""
        origin = int(self.telemetry.baseline.start / NANOSECOND)
        return np.asarray((moments_ns - origin) * NANOSECOND, dtype=np.float64)

    @cached_property
    def compares(self) -> bool:
        """Whether there are spans of the incident, and of quiet time or a memory of it."""
        return bool(self.late.any() and (not self.late.all() or len(self.telemetry.past)))

    @cached_property
    def requests(self) -> Ints:
        """The rows through which requests enter services: one a segment."""
        rows = np.arange(len(self.spans), dtype=np.int64)
        return np.flatnonzero(self.forest.segment == rows)

    @cached_property
    def offset(self) -> float:
        """Seconds below which times are all alike: a hundredth of a usual request, at least a millisecond.

        A quiet profile has its own: sums of logarithms compare only where the same was added before.
        """
        remembered = float(self.telemetry.past.offset.max(initial=0.0))
        if remembered > 0.0:
            return remembered
        roots = (self.forest.parent < 0) & ~self.late
        usual = float(np.median(self.forest.seconds[roots])) if roots.any() else 0.0
        return max(0.01 * usual, 1e-3)

    @cached_property
    def peer(self) -> Codes:
        """Whom each outgoing span calls: its child's service, else whom such spans usually call, else -1."""
        return _peers(self.forest)

    @cached_property
    def outgoing(self) -> Flags:
        """Spans that wait for another service, be it only to take a message off their hands."""
        waiting = (*_ASKING, SpanKind.UNSPECIFIED, SpanKind.INTERNAL)
        calling = np.isin(self.spans.kind, waiting)
        out: Flags = (self.peer != MISSING) & calling
        return out

    @cached_property
    def asking(self) -> Flags:
        """Spans that ask another service for something, where it is known whom."""
        asks: Flags = np.isin(self.spans.kind, _ASKING) & (self.peer != MISSING)
        return asks

    @cached_property
    def callee(self) -> Column:
        """Whom each outgoing span calls, by name."""
        return Column(self.peer, self.spans.service.names)

    @cached_property
    def answered(self) -> Flags:
        """Spans below which another service shows a span."""
        seen = np.zeros(len(self.spans), dtype=np.bool_)
        seen[self.forest.parent[self.forest.crosses]] = True
        return seen

    @cached_property
    def calls(self) -> frozenset[tuple[str, str]]:
        """Who calls whom: as published, as seen, as attempted, and as metrics tell."""
        return self.known_calls | revealed(self.edge_series)

    @cached_property
    def spoken(self) -> frozenset[str]:
        """The services that have spans to compare, of quiet time and of the incident."""
        service = self.spans.service
        both = set(service.take(self.late).used()) & set(service.take(~self.late).used())
        return frozenset(service.names[code] for code in both)

    @cached_property
    def edge_series(self) -> tuple[EdgeSeries, ...]:
        """The metrics that tell of calls."""
        return edge_series(self.metrics, self.known_calls)

    @cached_property
    def known_calls(self) -> frozenset[tuple[str, str]]:
        """Who calls whom, as published, as seen, and as attempted."""
        names = self.spans.service.names
        asked = np.flatnonzero(self.outgoing)
        caller, callee = self.spans.service.codes[asked], self.peer[asked]
        first, _ = grouped(caller, callee)
        attempted = {(names[caller[row]], names[callee[row]]) for row in first if caller[row] >= 0}
        published = {(a, b) for a, b in self.telemetry.calls}
        return frozenset(published | attempted | calls(self.spans, self.forest.parent))

    @cached_property
    def acts(self) -> Acts:
        """What agents did: the spans of the GenAI semantic conventions."""
        return acts(self.spans, self.forest.parent, self.late)

    @cached_property
    def services(self) -> tuple[str, ...]:
        """Every service that any telemetry or the call graph names."""
        tables = (self.spans.service, self.metrics.service, self.logs.service)
        told = {table.names[code] for table in tables for code in table.used()}
        return tuple(sorted(told.union(*self.calls) if self.calls else told))

    def groups(self, rows: Ints, *columns: NDArray[np.integer]) -> tuple[Ints, Groups]:
        """Group some spans by columns that belong to them: the first of each group, and the groups."""
        first, group = grouped(*columns)
        return first, Groups(group, len(first), self.late[rows], self.stretch[rows])

    def named(self, rows: Ints, *columns: Column) -> tuple[str, ...]:
        """What a quiet profile calls some rows: their values in these columns, one after the other."""
        values = [column.take(rows).values() for column in columns]
        return tuple("\x1f".join(value or "" for value in row) for row in zip(*values, strict=True))

    def onset(self, rows: Ints, values: Floats, before: float, now: float) -> float | None:
        """When the mean of the incident's rows was first nearer to now than to before, to two seconds."""
        if not len(rows):
            return None
        slot = self.since_quiet(self.spans.start_ns[self.forest.root[rows]]) // _SLOT
        slots, place = np.unique(slot, return_inverse=True)
        risen = np.flatnonzero(np.bincount(place, values) / np.bincount(place) >= (before + now) / 2)
        first = slots[risen[0] if len(risen) else 0]
        return float(self.telemetry.baseline.start + first * _SLOT)

    def trace(self, rows: Iterable[int]) -> tuple[str, ...]:
        """The trace ids of some rows, each once."""
        codes = dict.fromkeys(int(self.spans.trace.codes[row]) for row in rows)
        return tuple(self.spans.trace.names[code] for code in codes if code != MISSING)


def behold(alert: Alert, telemetry: Telemetry) -> View:
    """Put quiet and incident rows side by side, of the services that have to do with the symptom's."""
    quiet, unwell = telemetry.quiet, telemetry.incident
    spans = _stacked(quiet.spans, unwell.spans)
    metrics, logs = _stacked(quiet.metrics, unwell.metrics), _stacked(quiet.logs, unwell.logs)
    late = _flags(len(quiet.spans), len(spans))
    metrics_late, logs_late = _flags(len(quiet.metrics), len(metrics)), _flags(len(quiet.logs), len(logs))
    related = _related(alert, telemetry.calls, spans)
    if related is not None:
        kept = [
            np.isin(table.service.codes, _codes(table.service, related)) for table in (spans, metrics, logs)
        ]
        spans, late = spans.take(kept[0]), late[kept[0]]
        metrics, metrics_late = metrics.take(kept[1]), metrics_late[kept[1]]
        logs, logs_late = logs.take(kept[2]), logs_late[kept[2]]
    spans, late = completed(spans, late)
    forest = plant(spans)
    recorded, (whole, late) = len(spans), presumed(forest, late[forest.root])
    forest = forest if whole is spans else plant(whole)
    return View(alert, telemetry, forest, late[forest.root], metrics, metrics_late, logs, logs_late, recorded)


def _related(alert: Alert, published: Iterable[tuple[str, str]], spans: Spans) -> frozenset[str] | None:
    """The services that are joined to the symptom's by calls; None where that tells nothing."""
    graph: nx.Graph[str] = nx.Graph()
    graph.add_edges_from(sorted({*published, *calls(spans, parents(spans))}))
    symptom = alert.symptom.service
    if symptom is None or symptom not in graph:
        return None
    return frozenset(nx.node_connected_component(graph, symptom))


def _codes(column: Column, names: frozenset[str]) -> list[int]:
    return [code for code, name in enumerate(column.names) if name in names]


def _flags(zeros: int, size: int) -> Flags:
    flags = np.zeros(size, dtype=np.bool_)
    flags[zeros:] = True
    return flags


def _stacked(first: Table, second: Table) -> Table:
    """Rows of two tables, one after the other; dictionaries are shared, or coded anew where they are not."""
    joined: dict[str, Any] = {}
    for field in fields(first):
        one, two = getattr(first, field.name), getattr(second, field.name)
        same = isinstance(one, Column)
        joined[field.name] = _chained(one, two) if same else np.concatenate([one, two])
    return type(first)(**joined)


def _chained(one: Column, two: Column) -> Column:
    if one.names == two.names or not len(two):
        return Column(np.concatenate([one.codes, two.codes]), one.names)
    if not len(one):
        return two
    known = {name: code for code, name in enumerate(one.names)}
    into = [known.setdefault(name, len(known)) for name in two.names]
    codes = np.array([*into, MISSING], dtype=np.int32)[two.codes]
    return Column(np.concatenate([one.codes, codes]), tuple(known))


def _peers(forest: Forest) -> Codes:
    spans = forest.spans
    peer = np.full(len(spans), MISSING, dtype=np.int32)
    children = np.flatnonzero(forest.crosses)
    peer[forest.parent[children]] = spans.service.codes[children]
    asks = np.flatnonzero(np.isin(spans.kind, _ASKING))
    if not len(asks):
        return peer
    _, kind = grouped(spans.service.codes[asks], spans.operation.codes[asks])
    known = peer[asks] != MISSING
    pairs, pair = grouped(kind[known], peer[asks][known])
    counts = np.bincount(pair, minlength=len(pairs))
    total = np.bincount(kind[known], minlength=int(kind.max()) + 1)
    usual = np.full(len(total), MISSING, dtype=np.int32)
    rows = np.flatnonzero(known)[pairs]
    pure = counts >= _PURE * total[kind[rows]]
    usual[kind[rows[pure]]] = peer[asks][rows[pure]]
    peer[asks] = np.where(known, peer[asks], usual[kind])
    return peer
