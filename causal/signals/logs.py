"""Logs: lines that are new, gone, or more frequent, judged by the share of requests that hold them.

Where log records carry trace ids, the unit is a request as one service sees it: a record belongs to the last
span by which its trace had entered its service when it was written (both by that service's own clock). One
entry operation is compared at a time, because the mix of traffic changes, and a request that logs nothing
counts. Where no span is known, the unit is the trace, and where there is no trace either, it is the line
among all lines of its service. Severity is neither needed nor trusted: a line is news by being new.

Requests in which a call to somebody else failed are left out: what they say and leave unsaid is that
failure's doing. Where a service fails by itself its new lines count, they may be the only ones who tell why;
lines that are gone count only as far as more of them are gone than requests failed.

Templates come from quiet time (from what is remembered of it, first); lines of the incident that fit none of
them are templates of their own. Of a service that wrote nothing at all in one of the two times nothing is
said: a collector that is down looks the same.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from causal import bayes_factors, compare
from causal.columns import grouped
from causal.compare import Counts
from causal.evidence import Anomaly, Entity
from causal.forest import NANOSECOND, failed
from causal.past import Measure, Shared
from causal.telemetry import MISSING, Codes, Column, Flags, Floats, Ints, SpanKind
from causal.templates import Templates, Words, words
from causal.view import View

MEASURE = "logs"
_LEAST = 1.0
_FEW = 5
_TRACE, _LINE = -2, -3
_KINDS = {MISSING: "", _TRACE: "\x1ftraces", _LINE: "\x1flines"}
_SHOWN = 160


@dataclass(frozen=True, eq=False)
class _Units:
    """What may hold a line: of each its service, its operation (`_TRACE`, `_LINE`: no span), time and health.

    ``of_line`` is the unit of each log record, -1 for those that are left out.
    """

    service: Ints
    operation: Ints
    late: Flags
    stretch: Ints
    failed: Flags
    of_line: Ints


@dataclass(frozen=True, eq=False)
class _Held:
    """Features: a template in a context (operation of a service), with its measure and where it was held."""

    service: Codes
    template: Ints
    names: tuple[str, ...]
    measure: Shared
    spoilt: Floats


def find(view: View) -> tuple[Anomaly, ...]:
    """The services whose requests write other lines than in quiet time."""
    logs, late = view.logs, view.logs_late
    known = len(view.telemetry.past) > 0
    if not len(logs) or not late.any() or (late.all() and not known):
        return ()
    held = _held(view)
    change = compare.commoner(held.measure.beside(view.telemetry.past))
    evidence = _unspoilt(change, held.spoilt)
    found = []
    for code in _speakers(view):
        mine = np.flatnonzero((held.service == code) & (change.n_quiet >= _FEW))
        strength = bayes_factors.average(evidence[mine])
        if strength >= _LEAST:
            best = int(mine[np.argmax(evidence[mine])])
            line = held.names[int(held.template[best])][:_SHOWN]
            found.append(_anomaly(logs.service.names[code], line, change, best, strength))
    return tuple(found)


def measures(view: View) -> tuple[Measure, ...]:
    """The shares of requests that hold each line, per entry operation of a service."""
    return (_held(view).measure,) if len(view.logs) else ()


def vocabulary(view: View) -> Templates:
    """The templates of quiet time, the remembered ones first; then those of lines that only the incident has."""
    past = view.telemetry.past
    mine = past.take(past.measure.codes == past.measure.code(MEASURE))
    told = sorted({mine.feature.names[code] for code in np.unique(mine.feature.codes) if code != MISSING})
    templates = Templates(tuple(tuple(name.split(" ")) for name in told))
    lines = _lines(view.logs.body)
    for which in (~view.logs_late, view.logs_late):
        codes, times = np.unique(view.logs.body.codes[which], return_counts=True)
        counts: Counter[Words] = Counter()
        for code, count in zip(codes.tolist(), times.tolist(), strict=True):
            if code != MISSING:
                counts[lines[code]] += count
        templates = templates.beside(counts)
    return templates


def _lines(body: Column) -> dict[int, Words]:
    return {int(code): words(body.names[code]) for code in np.unique(body.codes) if code != MISSING}


def _held(view: View) -> _Held:
    templates, units = vocabulary(view), _units(view)
    lines = _lines(view.logs.body)
    of_body = np.full(len(view.logs.body.names) + 1, MISSING, dtype=np.int64)
    of_body[list(lines)] = templates.match(lines.values())
    template = of_body[view.logs.body.codes]
    rows = np.flatnonzero((units.of_line != MISSING) & (template != MISSING))
    once, _ = grouped(units.of_line[rows], template[rows])
    unit, line = units.of_line[rows[once]], template[rows[once]]
    first_of, context = grouped(units.service, units.operation)
    first, feature = grouped(context[unit], line)
    where = context[unit[first]]
    slots, slot = grouped(units.stretch, units.late)
    wide, deep = (len(first_of), len(slots)), (len(first), len(slots))
    n = np.bincount(context * wide[1] + slot, minlength=wide[0] * wide[1]).reshape(wide)
    k = np.bincount(feature * deep[1] + slot[unit], minlength=deep[0] * deep[1]).reshape(deep)
    named = _named(view, units, first_of)
    return _Held(
        service=units.service[first_of][where].astype(np.int32),
        template=line[first],
        names=templates.names,
        measure=Shared(
            MEASURE,
            [named[of] for of in where],
            [templates.names[code] for code in line[first]],
            Counts(units.late[slots], n[where].astype(np.float64), k.astype(np.float64)),
        ),
        spoilt=_spoilt(units, context, wide[0])[where],
    )


def _units(view: View) -> _Units:
    """Requests of the services that log, and traces and lines that belong to no known request."""
    spans, logs, forest = view.spans, view.logs, view.forest
    wide = len(logs.service.names) + 1
    trace, service = _translated(spans.trace, logs.trace), _translated(spans.service, logs.service)
    logged = np.unique(logs.trace.codes[logs.trace.codes != MISSING])
    speaks = np.isin(np.arange(wide - 1), np.unique(logs.service.codes))
    rows = view.requests[np.isin(trace[view.requests], logged)]
    rows = rows[(service[rows] != MISSING) & speaks[service[rows]]] if wide > 1 else rows[:0]
    line = _entered(
        (trace[rows] * wide + service[rows], spans.start_ns[rows]),
        (logs.trace.codes.astype(np.int64) * wide + logs.service.codes, logs.time_ns),
    )
    line[logs.trace.codes == MISSING] = MISSING
    bare = np.flatnonzero(line == MISSING)
    alone = np.where(logs.trace.codes[bare] == MISSING, bare, MISSING)
    first, group = grouped(logs.service.codes[bare], logs.trace.codes[bare], alone)
    line[bare] = len(rows) + group
    lead = bare[first]
    wrong, passed = _wrong(view)
    kept = ~np.concatenate([passed[rows], np.zeros(len(lead), dtype=np.bool_)])
    number = np.where(kept, np.cumsum(kept) - 1, MISSING)
    kind = np.where(logs.trace.codes[lead] == MISSING, _LINE, _TRACE)
    moment = (logs.time_ns[lead] * NANOSECOND // view.length).astype(np.int64)
    return _Units(
        service=np.concatenate([service[rows], logs.service.codes[lead]])[kept],
        operation=np.concatenate([spans.operation.codes[rows], kind])[kept],
        late=np.concatenate([view.late[rows], view.logs_late[lead]])[kept],
        stretch=np.concatenate([view.stretch[rows], moment])[kept],
        failed=np.concatenate([wrong[rows], np.zeros(len(lead), dtype=np.bool_)])[kept],
        of_line=number[line],
    )


def _wrong(view: View) -> tuple[Flags, Flags]:
    """Of each segment, by its first row: whether something failed in it, and whether a call out of it did."""
    forest, wrong = view.forest, failed(view.spans)
    out = wrong & (view.spans.kind == SpanKind.CLIENT)
    crossing = np.flatnonzero(wrong & forest.crosses)
    size = len(wrong)
    passed = np.bincount(forest.segment[out], minlength=size) > 0
    passed |= np.bincount(forest.segment[forest.parent[crossing]], minlength=size) > 0
    return np.bincount(forest.segment, wrong, minlength=size) > 0, passed


def _entered(requests: tuple[Ints, Ints], lines: tuple[Ints, Ints]) -> Ints:
    """Of each line (key, moment), the place of the last request of its key that had begun by then.

    A line before the first request of its key belongs to that one; -1 where the key has none.
    """
    (mine, began), (wanted, moment) = requests, lines
    if not len(mine):
        return np.full(len(wanted), MISSING, dtype=np.int64)
    key = np.concatenate([mine, wanted])
    is_line = np.repeat([False, True], [len(mine), len(wanted)])
    order = np.lexsort((is_line, np.concatenate([began, moment]), key))
    place = np.arange(len(key))
    last = np.maximum.accumulate(np.where(is_line[order], 0, place))
    found = np.empty(len(key), dtype=np.int64)
    found[order] = order[last]
    before = found[len(mine) :]
    before = np.where(is_line[before], 0, before)
    keys, first = np.unique(mine[np.lexsort((began, mine))], return_index=True)
    earliest = np.lexsort((began, mine))[first]
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    known = keys[at] == wanted
    return np.where(known, np.where(mine[before] == wanted, before, earliest[at]), MISSING)


def _spoilt(units: _Units, context: Ints, size: int) -> Floats:
    """Of each context, by how much the share of requests that fail by themselves has grown."""
    share = []
    for which in (units.late, ~units.late):
        n = np.bincount(context[which], minlength=size)
        share.append(np.bincount(context[which & units.failed], minlength=size) / np.maximum(n, 1))
    return np.maximum(share[0] - share[1], 0.0)


def _unspoilt(change: compare.Change, spoilt: Floats) -> Floats:
    """Evidence of each feature; of one that is gone, against what failing alone may have taken away."""
    gone = (change.now < change.before) & (spoilt > 0)
    nearest = np.clip(change.now, np.maximum(change.before - spoilt, 0.0), change.before)
    beyond = bayes_factors.beta_binomial(
        nearest * change.n_quiet, change.n_quiet, change.now * change.n_now, change.n_now, bayes_factors.TIGHTEST
    )
    return np.where(gone, np.minimum(change.evidence, np.where(nearest == change.now, 0.0, beyond)), change.evidence)


def _speakers(view: View) -> NDArray[np.integer]:
    """The services that wrote something in both times, or now and in what is remembered."""
    codes, late = view.logs.service.codes, view.logs_late
    past = view.telemetry.past
    quiet = set(np.unique(codes[~late]).tolist())
    remembered = past.context.take(past.measure.codes == past.measure.code(MEASURE))
    quiet |= {view.logs.service.code(name.partition("\x1f")[0]) for name in set(remembered.values()) if name}
    return np.array([code for code in np.unique(codes[late]).tolist() if code in quiet and code != MISSING], dtype=np.int64)


def _named(view: View, units: _Units, rows: Ints) -> list[str]:
    """What a quiet profile calls some units: service and entry operation."""
    services, operations = view.logs.service.names, view.spans.operation.names
    return [
        f"{services[service] if service != MISSING else ''}\x1f"
        + (operations[operation] if operation >= 0 else _KINDS[operation])
        for service, operation in zip(units.service[rows].tolist(), units.operation[rows].tolist(), strict=True)
    ]


def _translated(column: Column, into: Column) -> Ints:
    """The codes that another column has for the same names."""
    known = {name: code for code, name in enumerate(into.names)}
    codes = np.array([known.get(name, MISSING) for name in column.names] + [MISSING], dtype=np.int64)
    return codes[column.codes]


def _anomaly(service: str, line: str, change: compare.Change, best: int, evidence: float) -> Anomaly:
    before, now = float(change.before[best]), float(change.now[best])
    return Anomaly(
        entity=Entity.of_service(service),
        signal="logs",
        log_bayes_factor=evidence,
        amount=float(change.amount[best]),
        unit="requests",
        level_before=before,
        level_now=now,
        says=(
            f"{now:.0%} of {change.n_now[best]:.0f} requests of {service} log '{line}', "
            f"in quiet time {before:.0%}"
        ),
    )
