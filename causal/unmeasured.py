"""Dependencies that tell nothing of themselves: databases, caches, brokers, other people's services.

A client span is a request to somebody else, and says to whom (``peer.service``, ``server.address``,
``db.system.name``; OpenTelemetry semantic conventions). Where quiet time never shows the other end, that end
is given a span of its own, as long as the client's: its time and its failures are then the dependency's,
shared by all its callers, and the network may settle between them as between any others. Where the address
is a service that is measured, a missing span is a finding and nothing is made up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from causal.attributes import values
from causal.columns import grouped
from causal.forest import parents
from causal.telemetry import MISSING, Column, Flags, Ints, SpanKind, Spans

_NAMED = (
    "peer.service",
    "server.address",
    "net.peer.name",
    "db.system.name",
    "db.system",
    "messaging.system",
)
_SAMPLE = 12
_FEW = 5


def completed(spans: Spans, late: Flags) -> tuple[Spans, Flags]:
    """The spans with one more for each call to an unmeasured dependency, and which are of the incident."""
    calling = np.flatnonzero(spans.kind == SpanKind.CLIENT)
    if not len(calling):
        return spans, late
    parent = parents(spans)
    child = np.flatnonzero(parent >= 0)
    foreign = child[spans.service.codes[child] != spans.service.codes[parent[child]]]
    heard = np.zeros(len(spans), dtype=np.bool_)
    heard[parent[foreign]] = True
    first, kind = grouped(spans.service.codes[calling], spans.operation.codes[calling])
    answered = np.bincount(kind, heard[calling], minlength=len(first)) > 0
    quiet = np.bincount(kind, ~late[calling], minlength=len(first))
    named = dict(_addresses(spans, calling, kind, np.flatnonzero(~answered & (quiet >= _FEW)), late))
    if not named:
        return spans, late
    some = np.flatnonzero(np.isin(kind, list(named)))
    return _with_ends(spans, late, calling[some], [named[group] for group in kind[some].tolist()])


def _addresses(
    spans: Spans, calling: Ints, kind: Ints, unheard: Ints, late: Flags
) -> Iterator[tuple[int, str]]:
    """Of each kind of call that nobody ever answered, the one name that its calls give in quiet time."""
    measured = {name.lower() for name in spans.service.names}
    order = np.argsort(kind, kind="stable")
    bounds = np.searchsorted(kind[order], [unheard, unheard + 1])
    for group, start, end in zip(unheard.tolist(), *bounds.tolist(), strict=True):
        rows = calling[order[start:end]]
        told = set(values(spans, rows[~late[rows]][:_SAMPLE], _NAMED))
        name = next(iter(told)) if len(told) == 1 else None
        if name and not _is_measured(name.lower(), measured):
            yield group, name


def _is_measured(address: str, measured: set[str]) -> bool:
    """Whether an address is that of a service with telemetry of its own: by its name or its first label."""
    host = address.partition(":")[0]
    return bool({address, host, host.partition(".")[0]} & measured)


def _with_ends(spans: Spans, late: Flags, rows: Ints, names: list[str]) -> tuple[Spans, Flags]:
    """The spans, and behind them the other ends of some of them, by the names that these ends are given."""
    known = {name: code for code, name in enumerate(spans.service.names)}
    codes = [known.setdefault(name, len(known)) for name in names]
    latest = int(max(spans.span.max(), spans.parent.max())) + 1
    nothing = np.full(len(rows), MISSING, dtype=np.int32)
    ends = replace(
        spans.take(rows),
        span=np.arange(latest, latest + len(rows), dtype=np.int64),
        parent=spans.span[rows],
        service=Column(np.array(codes, dtype=np.int32), tuple(known)),
        instance=Column(nothing, spans.instance.names),
        kind=np.full(len(rows), SpanKind.SERVER, dtype=np.int8),
        attributes=Column(nothing, spans.attributes.names),
    )
    return spans.joined(ends), np.concatenate([late, late[rows]])
