"""Whose line is it: log records sorted into the requests during which they were written.

A record names a trace, seldom a request. It belongs to the request by which its trace had entered its service
when it was written: both times are read off that service's own clock, so they agree. Requests of one trace
that overlap in one service are one unit, since nobody can tell their lines apart; what such a unit is
compared with are units of the same operations. Where no span is known, the unit is all that the service
wrote in the trace, and where there is no trace either, the line by itself.

Units that logged nothing count as well, if anybody logged in their trace. Those in which a call to somebody
else failed are left out: what they say and leave unsaid is that failure's doing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from causal.columns import grouped
from causal.forest import failed
from causal.telemetry import MISSING, Column, Flags, Ints, SpanKind
from causal.view import View

_TRACES, _LINES = "\x1ftraces", "\x1flines"
_MICROSECOND = 1000
_SPREAD = 2654435761


@dataclass(frozen=True, eq=False)
class Units:
    """What may hold a line, a row a unit; ``line`` is the unit of each log record (-1: left out).

    ``context`` numbers the things that can be compared (operations of a service), ``service`` is its code
    among those of the logs, ``failed`` tells in which units something failed.
    """

    service: Ints
    context: Ints
    contexts: tuple[str, ...]
    late: Flags
    stretch: Ints
    failed: Flags
    line: Ints


def units(view: View) -> Units:
    """Sort the records of a view."""
    spans, logs = view.spans, view.logs
    rows, asked, line = _asked(view)
    bare = np.flatnonzero(line == MISSING)
    alone = np.where(logs.trace.codes[bare] == MISSING, bare, MISSING)
    first, group = grouped(logs.service.codes[bare], logs.trace.codes[bare], alone)
    lead = bare[first]
    served, of_row = grouped(asked)
    line[bare] = len(served) + group
    wrong, passed = _wrong(view)
    size = len(served)
    spoilt, out = (np.bincount(of_row[flags[rows]], minlength=size) > 0 for flags in (wrong, passed))
    heads = rows[served]
    service = _translated(spans.service, logs.service)
    context, contexts = _contexts(
        view, (service[rows], spans.operation.codes[rows].astype(np.int64), of_row), size
    )
    untold, names = _untold(view, lead, len(contexts))
    healthy = np.zeros(len(lead), dtype=np.bool_)
    moment = view.stretches(logs.time_ns[lead])
    kept = ~np.concatenate([out, healthy])
    number = np.where(kept, np.cumsum(kept) - 1, MISSING)
    return Units(
        service=np.concatenate([service[heads], logs.service.codes[lead]])[kept],
        context=np.concatenate([context, untold])[kept],
        contexts=contexts + names,
        late=np.concatenate([view.late[heads], view.logs_late[lead]])[kept],
        stretch=np.concatenate([view.stretch[heads], moment])[kept],
        failed=np.concatenate([spoilt, healthy])[kept],
        line=number[line] if len(number) else line,
    )


def _asked(view: View) -> tuple[Ints, Ints, Ints]:
    """Requests to services that log, in traces that do, by time; the unit of each, and of each line."""
    spans, logs = view.spans, view.logs
    wide = len(logs.service.names) + 1
    trace, service = _translated(spans.trace, logs.trace), _translated(spans.service, logs.service)
    speaks = np.zeros(wide, dtype=np.bool_)
    speaks[logs.service.used()] = True
    logged = np.zeros(len(logs.trace.names) + 1, dtype=np.bool_)
    logged[logs.trace.used()] = True
    rows = view.requests[logged[trace[view.requests]] & speaks[service[view.requests]]]
    key = trace[rows] * wide + service[rows]
    order = np.lexsort((spans.start_ns[rows], key))
    rows, key = rows[order], key[order]
    unit = _overlapping(key, spans.start_ns[rows], np.maximum(spans.duration_ns[rows], 0))
    wanted = logs.trace.codes.astype(np.int64) * wide + logs.service.codes
    wanted[(logs.trace.codes == MISSING) | (logs.service.codes == MISSING)] = MISSING
    place = _entered((key, spans.start_ns[rows]), (wanted, logs.time_ns))
    return rows, unit, np.where(place == MISSING, MISSING, unit[place]) if len(rows) else place


def _overlapping(key: Ints, began: Ints, lasted: Ints) -> Ints:
    """Number runs of overlapping requests; rows come in order of their key and time."""
    if not len(key):
        return key
    fresh = np.ones(len(key), dtype=np.bool_)
    fresh[1:] = key[1:] != key[:-1]
    number = np.cumsum(fresh) - 1
    start = (began - began[fresh][number]) // _MICROSECOND
    end = start + lasted // _MICROSECOND + 1
    apart = int(end.max()) + 1
    until = np.maximum.accumulate(end + number * apart) - number * apart
    fresh[1:] |= start[1:] >= until[:-1]
    return np.cumsum(fresh) - 1


def _entered(requests: tuple[Ints, Ints], lines: tuple[Ints, Ints]) -> Ints:
    """Of each line (key, moment), the place of the last request of its key that had begun by then.

    Requests come in order of key and moment. A line before the first request of its key belongs to that
    one; -1 where the key has none.
    """
    (mine, began), (wanted, moment) = requests, lines
    if not len(mine):
        return np.full(len(wanted), MISSING, dtype=np.int64)
    key = np.concatenate([mine, wanted])
    is_line = np.repeat([False, True], [len(mine), len(wanted)])
    order = np.lexsort((is_line, np.concatenate([began, moment]), key))
    begun = np.cumsum(~is_line[order]) - 1
    last = np.empty(len(key), dtype=np.int64)
    last[order] = begun
    place = np.clip(last[len(mine) :], np.searchsorted(mine, wanted), len(mine) - 1)
    return np.where(mine[place] == wanted, place, MISSING)


def _wrong(view: View) -> tuple[Flags, Flags]:
    """Of each request, by its first row: whether something failed in it, and whether a call out of it did."""
    forest, wrong = view.forest, failed(view.spans)
    out = wrong & (view.spans.kind == SpanKind.CLIENT)
    crossing = np.flatnonzero(wrong & forest.crosses)
    size = len(wrong)
    passed = np.bincount(forest.segment[out], minlength=size) > 0
    passed |= np.bincount(forest.segment[forest.parent[crossing]], minlength=size) > 0
    return np.bincount(forest.segment, wrong, minlength=size) > 0, passed


def _contexts(view: View, rows: tuple[Ints, Ints, Ints], size: int) -> tuple[Ints, tuple[str, ...]]:
    """Number the units by service and operations; what a quiet profile calls each number."""
    service, operation, unit = rows
    once, _ = grouped(unit, operation)
    mixed = np.zeros(size, dtype=np.int64)
    np.add.at(mixed, unit[once], (operation[once] + 2) * _SPREAD)
    head, _ = grouped(unit)
    first, context = grouped(service[head], mixed)
    names = []
    place = np.argsort(unit[once], kind="stable")
    bounds = np.searchsorted(unit[once][place], [first, first + 1])
    for begin, end, row in zip(*bounds.tolist(), head[first].tolist(), strict=True):
        codes = operation[once[place[begin:end]]].tolist()
        told = sorted(view.spans.operation.names[code] if code != MISSING else "" for code in codes)
        names.append("\x1f".join((view.logs.service.names[service[row]], *told)))
    return context, tuple(names)


def _untold(view: View, lead: Ints, beyond: int) -> tuple[Ints, tuple[str, ...]]:
    """The same of units without spans: the traces of a service, and its lines."""
    service, traced = view.logs.service.codes[lead], view.logs.trace.codes[lead] != MISSING
    first, context = grouped(service, traced)
    names = view.logs.service.names
    told = [
        (names[service[row]] if service[row] != MISSING else "") + (_TRACES if traced[row] else _LINES)
        for row in first
    ]
    return context + beyond, tuple(told)


def _translated(column: Column, into: Column) -> Ints:
    """The codes that another column has for the same names."""
    known = {name: code for code, name in enumerate(into.names)}
    codes = np.array([known.get(name, MISSING) for name in column.names] + [MISSING], dtype=np.int64)
    return codes[column.codes]
