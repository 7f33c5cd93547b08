"""Logs: lines that are new, gone, or more frequent, judged by the share of requests that hold them.

A template is what is left of a line when values are masked; code locations stay, for they tell lines
apart. Where log records carry trace ids, the unit is a request as one service sees it (one entry
operation at a time, because the mix of traffic changes); where they do not, it is the line among all
lines of its service. Severity is part of the template.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from causal import bayes_factors, compare
from causal.columns import grouped
from causal.evidence import Anomaly, Entity
from causal.forest import NANOSECOND, failed
from causal.telemetry import MISSING, Column, Ints
from causal.view import View

_MASK = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{18,}|\b[0-9a-f]{12,}\b|(?<![#\w.])\d+(?:[.:\-]\d+)*(?![\w])|(?<==)[^\s,)\]]+",
    re.IGNORECASE,
)
_SHOWN, _WORDS = 240, 8
_LEAST = 1.0
_FEW = 5


@dataclass(frozen=True, eq=False)
class _Lines:
    """Log records that count: their rows, and of each the template, the context and the unit it stands in."""

    rows: Ints
    template: Ints
    context: Ints
    unit: Ints


def find(view: View) -> tuple[Anomaly, ...]:
    """The services whose requests write other lines than in quiet time."""
    logs, late = view.logs, view.logs_late
    if not len(logs) or not late.any() or late.all():
        return ()
    template, names = _templates(view)
    lines = _lines(view, template)
    if not len(lines.rows):
        return ()
    once, _ = grouped(lines.unit, lines.template)
    first, feature = grouped(lines.context[once], lines.template[once])
    change = _shares(view, lines, once, first, feature)
    service = logs.service.codes[lines.rows[once[first]]]
    found = []
    for code in np.unique(service[service >= 0]):
        mine = np.flatnonzero((service == code) & (change.n_quiet >= _FEW))
        evidence = bayes_factors.average(change.evidence[mine])
        if evidence >= _LEAST:
            best = int(mine[np.argmax(change.evidence[mine])])
            line = names[int(lines.template[once[first[best]]])]
            found.append(_anomaly(logs.service.names[code], line, change, best, evidence))
    return tuple(found)


def _shares(view: View, lines: _Lines, once: Ints, feature_first: Ints, feature: Ints) -> compare.Change:
    """Each template's share among the units of its context, stretch by stretch."""
    context, unit, late = lines.context, lines.unit, view.logs_late[lines.rows]
    stretch = (view.logs.time_ns[lines.rows] * NANOSECOND // view.length).astype(np.int64)
    first, slot = grouped(stretch, late.astype(np.int64))
    contexts, slots, size = int(context.max()) + 1, len(first), len(feature_first)
    units, _ = grouped(unit)
    n = np.bincount(context[units] * slots + slot[units], minlength=contexts * slots).reshape(contexts, slots)
    k = np.bincount(feature * slots + slot[once], minlength=size * slots)
    cells = compare.Groups(
        group=np.repeat(np.arange(size), slots),
        size=size,
        late=np.tile(late[first], size),
        stretch=np.tile(np.arange(slots), size),
    )
    return compare.tallied(k, n[context[once][feature_first]].ravel(), cells)


def _templates(view: View) -> tuple[Ints, list[str]]:
    """The template of each record, as a number, and the templates."""
    body, severity = view.logs.body, view.logs.severity
    known: dict[str, int] = {}
    masked = [" ".join(_MASK.sub("*", text[:_SHOWN]).split()[:_WORDS]) for text in body.names]
    of_body = np.array([known.setdefault(text, len(known)) for text in masked] or [0], dtype=np.int64)
    first, group = grouped(of_body[body.codes], severity.codes)
    lines = list(known)
    severities = [severity.names[c] if c != MISSING else "" for c in severity.codes[first]]
    texts = [lines[of_body[body.codes[row]]] if body.codes[row] != MISSING else "" for row in first]
    return group, [f"{level} {text}".strip() for level, text in zip(severities, texts, strict=True)]


def _lines(view: View, template: Ints) -> _Lines:
    """Every record with its context (service, entry operation) and its unit (request, or the line itself).

    Lines of requests in which a span failed are left out: what an error cuts off is the error's doing.
    """
    logs, spans, rows = view.logs, view.spans, view.requests
    wide = len(spans.service.names) + 1
    trace = _translated(logs.trace, spans.trace)
    key = (trace + 1) * wide + _translated(logs.service, spans.service) + 1
    entry = (spans.trace.codes[rows].astype(np.int64) + 1) * wide + spans.service.codes[rows] + 1
    keys, first = np.unique(entry, return_index=True)
    operation = np.full(len(logs), MISSING, dtype=np.int64)
    place = np.minimum(np.searchsorted(keys, key), max(len(keys) - 1, 0))
    hit = (trace >= 0) & (keys[place] == key) if len(keys) else np.zeros(len(logs), dtype=np.bool_)
    operation[hit] = spans.operation.codes[rows[first[place[hit]]]]
    sick = np.bincount(view.forest.segment, failed(spans), minlength=len(spans))[rows] > 0
    kept = np.flatnonzero(~(hit & np.isin(key, entry[sick])))
    _, context = grouped(logs.service.codes[kept], operation[kept])
    alone = np.where(logs.trace.codes[kept] == MISSING, np.arange(len(kept)), MISSING)
    _, unit = grouped(context, logs.trace.codes[kept], alone)
    return _Lines(kept, template[kept], context, unit)


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
