"""Spans as a forest: who called whom, which span enters a service, and how long a span was busy by itself.

Everything is arithmetic on columns; no loop runs over spans. Ancestors are found by pointer doubling
(Wyllie, "The complexity of parallel computations", 1979): log2(depth) gathers, and whatever still has an
ancestor after log2(n) of them hangs on a cycle of parents, which is cut. Where the clocks of two hosts
disagree, the server span is centred within its client span, as Jaeger's clock skew adjuster does:
durations are trusted, moments are not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from causal.columns import by_key, grouped
from causal.telemetry import MISSING, Flags, Floats, Ints, SpanKind, Spans, Status

NANOSECOND = 1e-9
_ENTRIES = (SpanKind.SERVER, SpanKind.CONSUMER)
_SERVER_FAULTS = range(500, 600)


@dataclass(frozen=True, eq=False)
class Forest:
    """What follows from the parents of spans; one value a row of ``spans``.

    ``parent`` is the row of the parent (-1: a root, unknown, or cut out of a cycle); ``root`` the row of
    the oldest ancestor; ``segment`` the row through which this service was entered: the connected spans
    of one service in one trace are one request as that service sees it. ``busy`` is the exclusive time in
    seconds.
    """

    spans: Spans
    parent: Ints
    root: Ints
    segment: Ints
    busy: Floats
    orphans: int
    cycles: int
    negative: int
    skewed: frozenset[str]

    @property
    def seconds(self) -> Floats:
        """Durations in seconds; a negative one counts as zero."""
        return np.maximum(self.spans.duration_ns, 0) * NANOSECOND

    @property
    def crosses(self) -> Flags:
        """Whether the parent is known and belongs to another service."""
        service = self.spans.service.codes
        return np.asarray((self.parent >= 0) & (service[self.parent] != service), dtype=np.bool_)


def plant(spans: Spans) -> Forest:
    """Link spans to their parents. Never fails: what does not add up is cut and counted."""
    found = parents(spans)
    parent, cycles = _without_cycles(found)
    service = spans.service.codes
    rows = np.arange(len(spans), dtype=np.int64)
    inside = (parent >= 0) & (service[parent] == service)
    starts, skewed = _aligned(spans, parent)
    return Forest(
        spans=spans,
        parent=parent,
        root=_oldest(np.where(parent >= 0, parent, rows)),
        segment=_oldest(np.where(inside, parent, rows)),
        busy=_exclusive(starts, np.maximum(spans.duration_ns, 0) * NANOSECOND, parent),
        orphans=int(((found < 0) & (spans.parent != MISSING)).sum()),
        cycles=cycles,
        negative=int((spans.duration_ns < 0).sum()),
        skewed=frozenset(spans.service.names[code] for code in skewed if code != MISSING),
    )


def parents(spans: Spans) -> Ints:
    """The row of each span's parent in its trace, or -1; of repeated (trace, span) the first row counts."""
    if not len(spans):
        return np.zeros(0, dtype=np.int64)
    trace = np.concatenate([spans.trace.codes, spans.trace.codes])
    first, identity = grouped(trace, np.concatenate([spans.span, spans.parent]))
    row = first[identity[len(spans) :]]
    hit = (row < len(spans)) & (spans.parent != MISSING)
    return np.where(hit, row, MISSING).astype(np.int64)


def entries(spans: Spans, parent: Ints) -> Flags:
    """Spans through which a request enters a service.

    Server and consumer spans, roots, and, where kinds were not recorded, spans whose parent is unknown or
    belongs to another service.
    """
    service = spans.service.codes
    foreign = (parent < 0) | (service[parent] != service)
    named = np.isin(spans.kind, _ENTRIES) | (spans.parent == MISSING)
    entry: Flags = named | ((spans.kind == SpanKind.UNSPECIFIED) & foreign)
    return entry


def failed(spans: Spans) -> Flags:
    """Spans that say they failed: by status, or by an HTTP status of the server's own fault."""
    names = spans.status_code.names
    bad = [code for code, name in enumerate(names) if name.isdigit() and int(name) in _SERVER_FAULTS]
    wrong: Flags = (spans.status == Status.ERROR) | np.isin(spans.status_code.codes, bad)
    return wrong


def calls(spans: Spans, parent: Ints) -> frozenset[tuple[str, str]]:
    """The (caller, callee) pairs that the spans show."""
    service = spans.service.codes.astype(np.int64)
    names = spans.service.names
    across = (parent >= 0) & (service[parent] != service) & (service >= 0) & (service[parent] >= 0)
    pairs = np.unique(service[parent[across]] * max(len(names), 1) + service[across])
    return frozenset((names[pair // len(names)], names[pair % len(names)]) for pair in pairs)


def _oldest(above: Ints) -> Ints:
    """Follow pointers to their fixed points; they must not run in circles."""
    while True:
        higher = above[above]
        if np.array_equal(higher, above):
            return above
        above = higher


def _without_cycles(parent: Ints) -> tuple[Ints, int]:
    above = parent
    for _ in range(max(len(parent), 1).bit_length() + 1):
        if not (above >= 0).any():
            return parent, 0
        above = np.where(above >= 0, above[above], MISSING)
    endless = above >= 0
    return np.where(endless, MISSING, parent), int(endless.sum())


def _aligned(spans: Spans, parent: Ints) -> tuple[Floats, Ints]:
    """Starts in seconds since the first span, and the services whose clocks disagree with their callers'."""
    first = int(spans.start_ns.min()) if len(spans) else 0
    start = ((spans.start_ns - first) * NANOSECOND).astype(np.float64)
    length = np.maximum(spans.duration_ns, 0) * NANOSECOND
    service = spans.service.codes
    pairs = np.flatnonzero((parent >= 0) & (spans.kind == SpanKind.SERVER) & (service[parent] != service))
    caller = parent[pairs]
    outside = (start[pairs] < start[caller]) | (start[pairs] + length[pairs] > start[caller] + length[caller])
    fits = length[pairs] <= length[caller]
    odd, wide = pairs[outside & fits], caller[outside & fits]
    centred = start[wide] + (length[wide] - length[odd]) / 2
    far = np.abs(start[odd] - centred) > np.maximum(1.0, length[wide])
    moved = start.copy()
    moved[odd] = centred
    return moved, np.unique(service[odd[far]]).astype(np.int64)


def _exclusive(start: Floats, length: Floats, parent: Ints) -> Floats:
    """Duration minus the union of the children's, each clipped to its parent."""
    children = np.flatnonzero(parent >= 0)
    above = parent[children]
    begin = np.clip(start[children] - start[above], 0.0, length[above])
    end = np.clip(start[children] + length[children] - start[above], 0.0, length[above])
    order = _by_family(above, begin)
    above, begin, end = above[order], begin[order], end[order]
    first = np.ones(len(above), dtype=bool)
    first[1:] = above[1:] != above[:-1]
    # One running maximum serves all families: each is lifted above everything in the families before it.
    lift = np.cumsum(first) * (float(length.max(initial=0.0)) + 1.0)
    covered = np.maximum.accumulate(end + lift) - lift
    before = np.where(first, 0.0, np.concatenate([[0.0], covered[:-1]]))
    union = np.bincount(above, np.maximum(end - np.maximum(begin, before), 0.0), minlength=len(length))
    busy: Floats = np.maximum(length - union, 0.0)
    return busy


def _by_family(above: Ints, begin: Floats) -> Ints:
    """Children by parent and beginning. Rows mostly are in order of time, so few families need sorting."""
    order = by_key(above)
    family, begins = above[order], begin[order]
    late = (family[1:] == family[:-1]) & (begins[1:] < begins[:-1])
    tangled = np.zeros(int(above.max(initial=0)) + 1, dtype=np.bool_)
    tangled[family[1:][late]] = True
    mixed = np.flatnonzero(tangled[family])
    order[mixed] = order[mixed][np.lexsort((begins[mixed], family[mixed]))]
    return order
