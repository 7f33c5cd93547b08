"""Logs: lines that are new, gone, or more frequent, judged by the share of requests that hold them.

One entry operation is compared at a time, because the mix of traffic changes (`units`). Severity is neither
needed nor trusted: a line is news by being new. Lines that come with failures (more than half of the requests
that hold them failed) say the same thing as those failures, so they are another voice of the same witness:
``error_logs``; they tell where no span does. All other lines are ``logs``. Lines that are gone count only as
far as more requests lack them than fail.

Templates come from quiet time (from what is remembered of it, first); lines of the incident that fit none of
them are templates of their own. Of a service that wrote nothing at all in one of the two times nothing is
said: a collector that is down looks the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from causal import bayes_factors, compare
from causal.bayes_factors import TIGHTEST
from causal.columns import grouped
from causal.compare import Change, Counts
from causal.evidence import Anomaly, Entity
from causal.past import Measure, Shared
from causal.telemetry import MISSING, Flags, Floats, Ints, Past
from causal.templates import Templates, Words, distinct
from causal.units import Units, units
from causal.view import View

MEASURE = "logs"
_LEAST = 1.0
_FEW = 5
_MOSTLY = 0.5
_SHOWN = 160


@dataclass(frozen=True, eq=False)
class _Held:
    """Templates in contexts (operations of a service): what was measured of them.

    ``with_failures`` marks those held by failing requests, ``spoilt`` is by how much failures of their
    context have grown.
    """

    service: Ints
    template: Ints
    names: tuple[str, ...]
    measure: Shared
    with_failures: Flags
    spoilt: Floats


def find(view: View) -> tuple[Anomaly, ...]:
    """The services whose requests write other lines than in quiet time."""
    past = _remembered(view.telemetry.past)
    if not view.logs_late.any() or (view.logs_late.all() and not len(past)):
        return ()
    held = _held(view)
    table = held.measure.beside(past)
    found = []
    for signal, which in (("error_logs", held.with_failures), ("logs", ~held.with_failures)):
        change = compare.commoner(table.take(which), alike=signal == "error_logs")
        evidence = _unspoilt(change, held.spoilt[which])
        for service in _speakers(view, past):
            rows = np.flatnonzero((held.service[which] == service) & (change.n_quiet >= _FEW))
            strength = bayes_factors.average(evidence[rows])
            if strength >= _LEAST:
                best = int(rows[np.argmax(evidence[rows])])
                line = held.names[int(held.template[which][best])]
                name = view.logs.service.names[service]
                found.append(_anomaly(name, line, change, best, told=(signal, strength)))
    return tuple(found)


def measures(view: View) -> tuple[Measure, ...]:
    """The shares of requests that hold each line, per entry operation of a service."""
    return (_held(view).measure,) if len(view.logs) else ()


def vocabulary(view: View, line: Ints, lines: Sequence[Words]) -> Templates:
    """The templates of quiet time, the remembered ones first, and then those that are new in the incident."""
    feature = _remembered(view.telemetry.past).feature
    told = sorted({feature.names[code] for code in np.unique(feature.codes) if code != MISSING})
    templates = Templates(tuple(tuple(name.split(" ")) for name in told))
    for which in (~view.logs_late, view.logs_late):
        times = np.bincount(line[which & (line != MISSING)], minlength=len(lines))
        counts = {lines[code]: int(times[code]) for code in np.flatnonzero(times).tolist()}
        templates = templates.beside(counts)
    return templates


def _remembered(past: Past) -> Past:
    return past.take(past.measure.codes == past.measure.code(MEASURE))


def _lines(view: View) -> tuple[Ints, Sequence[Words]]:
    """The line of each log record, by its number, and the lines."""
    body = view.logs.body
    used = body.used()
    of_body = np.full(len(body.names) + 1, MISSING, dtype=np.int64)
    of_body[used], lines = distinct([body.names[code] for code in used.tolist()])
    return of_body[body.codes], lines


def _held(view: View) -> _Held:
    (number, lines), of = _lines(view), units(view)
    templates = vocabulary(view, number, lines)
    names, code = templates.names, np.append(templates.match(lines), MISSING)
    unit, line = _pairs(code[number], of)
    first, feature = grouped(of.context[unit], line)
    where, template = of.context[unit[first]], line[first]
    size = len(first)
    wrong = np.bincount(feature, of.failed[unit], minlength=size)
    return _Held(
        service=of.service[unit[first]],
        template=template,
        names=names,
        measure=Shared(
            MEASURE,
            [of.contexts[context] for context in where],
            [names[line] for line in template],
            _counts(of, unit, feature, where),
        ),
        with_failures=wrong > _MOSTLY * np.bincount(feature, minlength=size),
        spoilt=_spoilt(of)[where],
    )


def _pairs(template: Ints, of: Units) -> tuple[Ints, Ints]:
    """Which unit holds which template, each pair once, from the template of each record."""
    rows = np.flatnonzero((of.line != MISSING) & (template != MISSING))
    once, _ = grouped(of.line[rows], template[rows])
    return of.line[rows[once]], template[rows[once]]


def _counts(of: Units, unit: Ints, feature: Ints, where: Ints) -> Counts:
    """Units of each feature's context, and those that hold it, stretch by stretch."""
    first, slot = grouped(of.stretch, of.late)
    wide, deep = (len(of.contexts), len(first)), (len(where), len(first))
    n = np.bincount(of.context * wide[1] + slot, minlength=wide[0] * wide[1]).reshape(wide)
    k = np.bincount(feature * deep[1] + slot[unit], minlength=deep[0] * deep[1]).reshape(deep)
    return Counts(of.late[first], n[where].astype(np.float64), k.astype(np.float64))


def _spoilt(of: Units) -> Floats:
    """Of each context, by how much the share of requests that fail by themselves has grown."""
    size, share = len(of.contexts), []
    for which in (of.late, ~of.late):
        n = np.bincount(of.context[which], minlength=size)
        share.append(np.bincount(of.context[which & of.failed], minlength=size) / np.maximum(n, 1))
    return np.maximum(share[0] - share[1], 0.0)


def _unspoilt(change: Change, spoilt: Floats) -> Floats:
    """Evidence of each feature; of one that is gone, against what failing alone may have taken away."""
    gone = (change.now < change.before) & (spoilt > 0)
    nearest = np.clip(change.now, np.maximum(change.before - spoilt, 0.0), change.before)
    n_quiet, n_now = change.n_quiet, change.n_now
    beyond = bayes_factors.beta_binomial(nearest * n_quiet, n_quiet, change.now * n_now, n_now, TIGHTEST)
    left = np.where(nearest == change.now, 0.0, np.minimum(change.evidence, beyond))
    return np.where(gone, left, change.evidence)


def _speakers(view: View, past: Past) -> tuple[int, ...]:
    """The services that wrote something both in the incident and in quiet time, or in what is remembered."""
    service, late = view.logs.service, view.logs_late
    then = set(np.unique(service.codes[~late]).tolist())
    contexts = {past.context.names[code] for code in np.unique(past.context.codes) if code != MISSING}
    then |= {service.code(context.partition("\x1f")[0]) for context in contexts}
    return tuple(code for code in np.unique(service.codes[late]).tolist() if code in then - {MISSING})


def _anomaly(service: str, line: str, change: Change, best: int, *, told: tuple[str, float]) -> Anomaly:
    signal, evidence = told
    before, now = float(change.before[best]), float(change.now[best])
    return Anomaly(
        entity=Entity.of_service(service),
        signal=signal,
        log_bayes_factor=evidence,
        amount=float(change.amount[best]),
        unit="requests",
        level_before=before,
        level_now=now,
        says=(
            f"{now:.0%} of {change.n_now[best]:.0f} requests of {service} log '{line[:_SHOWN]}', "
            f"in quiet time {before:.0%}"
        ),
    )
