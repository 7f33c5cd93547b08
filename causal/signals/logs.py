"""Logs: lines that are new, gone, or more frequent, judged by the share of requests that hold them.

A template is what is left of a line when values are masked; code locations stay, for they tell lines
apart. Where log records carry trace ids, the unit is a request as one service sees it (one entry
operation at a time, because the mix of traffic changes); where they do not, it is the line among all
lines of its service. Severity is part of the template.
"""

from __future__ import annotations

import re

import numpy as np

from causal import bayes_factors, compare
from causal.columns import grouped
from causal.evidence import Anomaly, Entity
from causal.forest import NANOSECOND
from causal.telemetry import MISSING, Ints
from causal.view import View

_MASK = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{18,}|\b[0-9a-f]{12,}\b|(?<![#\w.])\d+(?:[.:\-]\d+)*(?![\w])|(?<==)[^\s,)\]]+",
    re.IGNORECASE,
)
_SHOWN, _WORDS = 240, 8
_LEAST = 1.0
_FEW = 5


def find(view: View) -> tuple[Anomaly, ...]:
    """The services whose requests write other lines than in quiet time."""
    logs, late = view.logs, view.logs_late
    if not len(logs) or not late.any() or late.all():
        return ()
    template, names = _templates(view)
    context, unit = _units(view)
    once, _ = grouped(unit, template)
    feature_first, feature = grouped(context[once], template[once])
    change = _shares(view, (context, unit), once, feature_first, feature)
    service = logs.service.codes[once][feature_first]
    usual = change.n_quiet >= _FEW
    found = []
    for code in np.unique(service):
        mine = np.flatnonzero((service == code) & usual)
        evidence = bayes_factors.average(change.evidence[mine]) if len(mine) else 0.0
        if code >= 0 and evidence >= _LEAST:
            best = int(mine[np.argmax(change.evidence[mine])])
            line = names[int(template[once][feature_first[best]])]
            found.append(_anomaly(logs.service.names[code], line, change, best, evidence))
    return tuple(found)


def _shares(
    view: View, of: tuple[Ints, Ints], once: Ints, feature_first: Ints, feature: Ints
) -> compare.Change:
    """Each template's share among the units of its context, stretch by stretch."""
    context, unit = of
    stretch = (view.logs.time_ns * NANOSECOND // view.length).astype(np.int64)
    first, slot = grouped(stretch, view.logs_late.astype(np.int64))
    contexts, slots, size = int(context.max()) + 1, len(first), len(feature_first)
    units, _ = grouped(unit)
    n = np.bincount(context[units] * slots + slot[units], minlength=contexts * slots).reshape(contexts, slots)
    k = np.bincount(feature * slots + slot[once], minlength=size * slots)
    cells = compare.Groups(
        group=np.repeat(np.arange(size), slots),
        size=size,
        late=np.tile(view.logs_late[first], size),
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


def _units(view: View) -> tuple[Ints, Ints]:
    """Of each record: its context (service, entry operation) and its unit (request, or the line itself)."""
    logs, spans = view.logs, view.spans
    where = {name: code for code, name in enumerate(spans.trace.names)}
    trace_of = np.array([where.get(name, MISSING) for name in logs.trace.names] + [MISSING], dtype=np.int64)
    trace = trace_of[logs.trace.codes]
    who = {name: code for code, name in enumerate(spans.service.names)}
    service_of = np.array([who.get(name, MISSING) for name in logs.service.names] + [MISSING], dtype=np.int64)
    service = service_of[logs.service.codes]
    key = (trace + 1) * (len(spans.service.names) + 1) + service + 1
    rows = view.requests
    entry = (
        (spans.trace.codes[rows].astype(np.int64) + 1) * (len(spans.service.names) + 1)
        + spans.service.codes[rows]
        + 1
    )
    keys, first = np.unique(entry, return_index=True)
    operation = np.full(len(logs), MISSING, dtype=np.int64)
    if len(keys):
        place = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
        hit = (keys[place] == key) & (trace >= 0)
        operation[hit] = spans.operation.codes[rows[first[place[hit]]]]
    _, context = grouped(logs.service.codes, operation)
    alone = logs.trace.codes == MISSING
    line = np.where(alone, np.arange(len(logs)), -1)
    _, unit = grouped(context, np.where(alone, -1, logs.trace.codes), line)
    return context, unit


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
