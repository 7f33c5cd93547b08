"""Metrics that tell of calls: whose clock, whom it calls or who calls it, and in which unit.

There is no standard name for such a metric, but there is a habit: the other service of the call stands in
the name, as a label (``http.client.request.duration{server.address=cart}``), behind a colon, dot or slash
(``latency_p50:cart``), or before one (``cart.latency``). Whoever reports the metric holds the clock. Which
end of the call that is, the known calls tell; where they don't, a label says what the other one is (a
destination, a server), and any other word what the reporter is; where nothing is said, the caller tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np

from causal.telemetry import MISSING, Metrics

Pairs = AbstractSet[tuple[str, str]]

_LATENCY = re.compile(r"latenc|duration|response_?time|elapsed|round_?trip|rtt", re.IGNORECASE)
_COUNTED = re.compile(r"\.rate\b|_count\b|_bucket\b", re.IGNORECASE)
_MEAN = re.compile(r"mean|average|avg", re.IGNORECASE)
_MEDIAN = re.compile(r"p50|median|quantile.?0?\.5\b", re.IGNORECASE)
_TAIL = re.compile(r"p[6-9]\d|max|quantile.?0?\.[6-9]", re.IGNORECASE)
TAIL = 3
_LABELS = re.compile(r"\{(.*)\}")
_LABEL = re.compile(r"([\w.]+)\s*=\s*\"?([^,\"}]+)")
_JOINT = re.compile(r"->|[:./|]")
_ASKING = re.compile(r"source|client|caller|outgoing|outbound|egress", re.IGNORECASE)
_ASKED = re.compile(r"dest|server|callee|incoming|inbound|ingress|peer|target|remote", re.IGNORECASE)
_UNITS = (
    (re.compile(r"nano|\bns\b|_ns\b", re.IGNORECASE), 1e-9),
    (re.compile(r"micro|\bus\b|_us\b", re.IGNORECASE), 1e-6),
    (re.compile(r"milli|\bms\b|_ms\b", re.IGNORECASE), 1e-3),
)


@dataclass(frozen=True)
class EdgeSeries:
    """One series about the calls from ``caller`` to ``callee``, told by one of the two.

    ``metric`` and ``owner`` are codes of the table; ``rank`` is how well its statistic adds up, ``unit`` what
    one of it is in seconds.
    """

    caller: str
    callee: str
    metric: int
    owner: int
    told_by_caller: bool
    rank: int
    unit: float


def edge_series(metrics: Metrics, calls: Pairs) -> tuple[EdgeSeries, ...]:
    """The series of latencies that belong to calls between two services; ``calls`` are those known anyhow."""
    timed = [code for code, name in enumerate(metrics.metric.names) if is_latency(name)]
    if not timed:
        return ()
    services = frozenset(metrics.service.names).union(*calls)
    peers = {code: tuple(_peers(metrics.metric.names[code], services)) for code in timed}
    rows = np.isin(metrics.metric.codes, [code for code, found in peers.items() if found])
    pairs = np.unique(np.column_stack([metrics.service.codes[rows], metrics.metric.codes[rows]]), axis=0)
    found = []
    for owner, metric in pairs:
        name = metrics.service.names[owner] if owner != MISSING else None
        other = [told for told in peers[metric] if told[0] != name]
        if name is not None and other:
            found.append(_series(metrics, int(owner), int(metric), other[0], calls))
    return tuple(found)


def revealed(series: Iterable[EdgeSeries]) -> frozenset[tuple[str, str]]:
    """Who calls whom, as edge series tell."""
    return frozenset((one.caller, one.callee) for one in series)


def is_latency(name: str) -> bool:
    """Whether a metric's values are times, not how many of them there were."""
    return bool(_LATENCY.search(name)) and not _COUNTED.search(name)


def rank(name: str) -> int:
    """How well a statistic adds up: a mean before a median before what is not said before a tail."""
    if _TAIL.search(name):
        return TAIL
    return 0 if _MEAN.search(name) else 1 if _MEDIAN.search(name) else 2


def seconds(name: str) -> float:
    """What one unit of a metric is in seconds, as far as its name tells."""
    return next((unit for pattern, unit in _UNITS if pattern.search(name)), 1.0)


def _peers(name: str, services: AbstractSet[str]) -> Iterator[tuple[str, bool | None]]:
    """The services that stand in a metric's name, and whether the name says that they are the ones asked."""
    told = _LABELS.search(name)
    for key, value in _LABEL.findall(told.group(1)) if told else ():
        peer = value if value in services else _JOINT.split(value)[0]
        if peer in services:
            yield peer, _role(key)
    bare = _LABELS.sub("", name)
    for joint in _JOINT.finditer(bare):
        before, after = bare[: joint.start()], bare[joint.end() :]
        for peer, rest in ((after, before), (before, after)):
            if peer in services:
                role = _role(rest)
                yield peer, None if role is None else not role


def _role(text: str) -> bool | None:
    """Whether a word means the one that is asked (True) or that asks (False)."""
    asks, asked = bool(_ASKING.search(text)), bool(_ASKED.search(text))
    return asked if asks != asked else None


def _series(
    metrics: Metrics, owner: int, metric: int, peer: tuple[str, bool | None], calls: Pairs
) -> EdgeSeries:
    name, (other, is_asked) = metrics.service.names[owner], peer
    there, back = (name, other) in calls, (other, name) in calls
    asks = there if there != back else is_asked is not False
    caller, callee = (name, other) if asks else (other, name)
    text = metrics.metric.names[metric]
    return EdgeSeries(caller, callee, metric, owner, asks, rank(text), seconds(text))
