"""Structure: calls inside a request that vanish, appear, or repeat, as one service sees it.

For each entry operation of a service: the share of its requests that hold a child call at all, and
the share that hold it more than once. New branches, skipped steps and retry loops are one feature.
Requests in which something failed are left out: what an error cuts off is the error's doing. Never
over all requests of a service: the mix of traffic would swamp everything. Leaving out is selecting,
though: where the calls to a dead callee fail, those requests are left that never meant to call it. A
caller that makes fewer of its calls selects for its callee, too. So where only a share r of the
requests is left, a share anywhere between 1 - (1 - p)/r and p/r is no news: only what lies beyond the
nearer of the two is weighed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from causal import bayes_factors, compare
from causal.bayes_factors import TIGHTEST
from causal.columns import grouped
from causal.compare import Counts
from causal.evidence import Anomaly, Entity
from causal.forest import failed
from causal.past import Measure, Shared
from causal.telemetry import MISSING, Codes, Flags, Floats, Ints
from causal.view import View

_LEAST = 1.0
_FEW = 5


@dataclass(frozen=True, eq=False)
class _Features:
    """What requests may hold, and which of them do.

    Of each feature: a row of the call, its context, and whether repeating it is meant. ``feature`` and
    ``segment`` list which request holds which.
    """

    row: Ints
    context: Ints
    repeated: Flags
    feature: Ints
    segment: Ints


@dataclass(frozen=True, eq=False)
class _Seen:
    """Requests without a failure (``rows``), the context of each, a row of each context, what they hold.

    ``sick`` marks, of all spans, the segments in which something failed.
    """

    sick: Flags
    rows: Ints
    contexts: Ints
    context: Ints
    features: _Features


def find(view: View) -> tuple[Anomaly, ...]:
    """The services whose requests do other things than in quiet time."""
    if not view.compares:
        return ()
    seen = _seen(view)
    features, spans = seen.features, view.spans
    change = compare.commoner(_shares(view, seen).beside(view.telemetry.past))
    owner, callee = (spans.service.codes[of] for of in (seen.contexts[features.context], features.row))
    left = _left(len(spans.service.names), change, owner, callee)
    left *= _sound(view, seen)[features.context]
    evidence = _beyond_mixing(change, left)
    found = []
    for code in np.unique(owner[owner >= 0]):
        mine = np.flatnonzero((owner == code) & (change.n_quiet >= _FEW))
        strength = bayes_factors.average(evidence[mine])
        if strength >= _LEAST:
            best = int(mine[np.argmax(evidence[mine])])
            amount = float(change.amount[mine].max())
            found.append(_anomaly(view, int(code), change, features, best, seen=(strength, amount)))
    return tuple(found)


def measures(view: View) -> tuple[Measure, ...]:
    """The shares of requests that hold each child call, per entry operation of a service."""
    return (_shares(view, _seen(view)),)


def _seen(view: View) -> _Seen:
    """The requests in which nothing failed, and what they hold."""
    sick = np.bincount(view.forest.segment, failed(view.spans), minlength=len(view.spans)) > 0
    rows = view.requests[~sick[view.requests]]
    first, context = grouped(view.spans.service.codes[rows], view.spans.operation.codes[rows])
    return _Seen(sick, rows, rows[first], context, _features(view, rows, context))


def _features(view: View, rows: Ints, context: Ints) -> _Features:
    """Child calls of these requests, once for being held and once for being held more than once."""
    forest, spans = view.forest, view.spans
    of_row = np.full(len(spans), MISSING, dtype=np.int64)
    of_row[rows] = context
    child = np.flatnonzero(forest.parent >= 0)
    segment = forest.segment[forest.parent[child]]
    sound = of_row[segment] != MISSING
    child, segment = child[sound], segment[sound]
    _, call = grouped(spans.service.codes[child], spans.operation.codes[child])
    once, pair = grouped(segment, call)
    again = once[np.bincount(pair, minlength=len(once)) > 1]
    held = np.concatenate([once, again])
    repeats = np.repeat([False, True], [len(once), len(again)])
    first, feature = grouped(of_row[segment[held]], call[held], repeats.astype(np.int64))
    return _Features(child[held[first]], of_row[segment[held[first]]], repeats[first], feature, segment[held])


def _shares(view: View, seen: _Seen) -> Shared:
    """Each feature's share among the requests of its context, stretch by stretch."""
    features, rows, spans = seen.features, seen.rows, view.spans
    first, slot = grouped(view.stretch[rows], view.late[rows])
    slots, slot_of = len(first), np.zeros(len(spans), dtype=np.int64)
    slot_of[rows] = slot
    wide, deep = (len(seen.contexts), slots), (len(features.row), slots)
    of = np.bincount(seen.context * slots + slot, minlength=wide[0] * slots).reshape(wide)
    n = of[features.context].astype(np.float64)
    k = np.bincount(features.feature * slots + slot_of[features.segment], minlength=deep[0] * slots)
    contexts = view.named(seen.contexts, spans.service, spans.operation)
    calls = view.named(features.row, spans.service, spans.operation)
    told = zip(calls, features.repeated, strict=True)
    table = Counts(view.late[rows[first]], n, k.reshape(deep).astype(np.float64))
    return Shared(
        "structure",
        [contexts[context] for context in features.context],
        [f"{call}\x1fagain" if again else call for call, again in told],
        table,
    )


def _left(services: int, change: compare.Change, owner: Codes, callee: Codes) -> Floats:
    """Of each feature, the share of its owner's requests that callers who call less have left it."""
    left = np.ones(services + 1)
    fewer = (callee != owner) & (change.now < change.before) & (change.evidence > 0) & (callee >= 0)
    ratio = change.now[fewer] / np.maximum(change.before[fewer], 1e-9)
    np.minimum.at(left, callee[fewer], np.maximum(ratio, 0.02))
    return left[owner]


def _sound(view: View, seen: _Seen) -> Floats:
    """Of each context, the share of requests without a failure, against quiet time."""
    codes = view.spans.service.codes, view.spans.operation.codes
    _, groups = view.groups(view.requests, *(code[view.requests] for code in codes))
    well = (~seen.sick[view.requests]).astype(np.float64)
    ratio = groups.mean(well, groups.late) / np.maximum(groups.mean(well, ~groups.late), 1e-9)
    place = np.zeros(len(view.spans), dtype=np.int64)
    place[view.requests] = groups.group
    return np.clip(ratio, 0.02, 1.0)[place[seen.contexts]]


def _beyond_mixing(change: compare.Change, share: Floats) -> Floats:
    """Evidence against the nearest share that selection alone can bring about."""
    low = np.clip(1 - (1 - change.before) / share, 0, 1)
    high = np.clip(change.before / share, 0, 1)
    nearest = np.clip(change.now, low, high)
    beyond = bayes_factors.beta_binomial(
        nearest * change.n_quiet, change.n_quiet, change.now * change.n_now, change.n_now, TIGHTEST
    )
    selected: Flags = share < 1.0
    left = np.where(nearest == change.now, 0.0, np.minimum(change.evidence, beyond))
    return np.where(selected, left, change.evidence)


def _anomaly(
    view: View,
    code: int,
    change: compare.Change,
    features: _Features,
    best: int,
    *,
    seen: tuple[float, float],
) -> Anomaly:
    name, row = view.spans.service.names[code], features.row[best]
    callee, operation = (c.names[c.codes[row]] for c in (view.spans.service, view.spans.operation))
    before, now = float(change.before[best]), float(change.now[best])
    verb = "repeat" if features.repeated[best] else "hold"
    return Anomaly(
        entity=Entity.of_service(name),
        signal="structure",
        log_bayes_factor=seen[0],
        amount=seen[1],
        unit="requests",
        level_before=before,
        level_now=now,
        says=(
            f"{now:.0%} of {change.n_now[best]:.0f} requests of {name} {verb} {operation} of {callee}, "
            f"in quiet time {before:.0%}"
        ),
    )
