"""How a system tells of itself: what it records, how it names that, and what is lost on the way.

Two teams that run the same services hand over different telemetry; an engine that only knows one habit is
right by luck. So every habit is drawn: which spans, names, attributes, metrics and lines there are.
"""

import random
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.simulation.chance import happens


class Shown(StrEnum):
    """Which spans a request leaves."""

    BOTH = "both"
    INNER = "inner"
    SERVER = "server"


class Naming(StrEnum):
    """What spans are called."""

    HTTP = "http"
    PLAIN = "plain"
    RPC = "rpc"
    VAGUE = "vague"


class Lines(StrEnum):
    """What log lines look like."""

    PLAIN = "plain"
    PAIRS = "pairs"
    JAVA = "java"
    JSON = "json"


class Gauges(StrEnum):
    """What metrics are called, and in which unit they are."""

    OTEL = "otel"
    PERCENT = "percent"
    CONTAINER = "container"


@dataclass(frozen=True)
class Conventions:
    """The habits of one system; ``skews`` is how much each host's clock is ahead, in seconds."""

    shown: Shown = Shown.BOTH
    naming: Naming = Naming.HTTP
    lines: Lines = Lines.PLAIN
    gauges: Gauges = Gauges.OTEL
    kinds: bool = True
    attributes: bool = True
    instances: bool = True
    line_in_span: bool = True
    line_span: bool = False
    connect_in_span: bool = True
    traces: bool = True
    metrics: bool = True
    logs: bool = True
    sampling: float = 1.0
    lost: float = 0.0
    skews: tuple[float, ...] = ()
    log_traces: bool = True
    severity: bool = True
    interval: int = 5
    rates: bool = False
    edges: bool = False
    hosts: bool = False
    graph: bool = False
    changes: bool = True
    onset: bool = True


def draw_conventions(dice: random.Random, hosts: int) -> Conventions:
    """The habits of a system that nobody knows."""
    traces, metrics, logs = _present(dice)
    shown = dice.choices(list(Shown), (0.45, 0.35, 0.2))[0]
    return Conventions(
        shown=shown,
        naming=dice.choices(list(Naming), (0.45, 0.25, 0.2, 0.1))[0],
        lines=dice.choice(list(Lines)),
        gauges=dice.choice(list(Gauges)),
        kinds=happens(dice, 0.93) or shown is Shown.SERVER,
        attributes=happens(dice, 0.8),
        instances=happens(dice, 0.85),
        line_in_span=happens(dice, 0.6),
        line_span=happens(dice, 0.4),
        connect_in_span=happens(dice, 0.5),
        traces=traces,
        metrics=metrics,
        logs=logs,
        sampling=1.0 if happens(dice, 0.75) else dice.uniform(0.15, 0.7),
        lost=0.0 if happens(dice, 0.75) else dice.uniform(0.001, 0.03),
        skews=_skews(dice, hosts),
        log_traces=happens(dice, 0.75),
        severity=happens(dice, 0.85),
        interval=dice.choice((1, 5, 5, 10, 10, 15, 30)),
        rates=not traces or happens(dice, 0.4),
        edges=not traces or happens(dice, 0.25),
        hosts=happens(dice, 0.5),
        graph=not traces or happens(dice, 0.2),
        changes=happens(dice, 0.85),
        onset=happens(dice, 0.8),
    )


def _present(dice: random.Random) -> tuple[bool, bool, bool]:
    """Traces, metrics, logs: usually all, sometimes one kind is not there."""
    sets = ((True, True, True), (True, True, False), (True, False, True), (True, False, False))
    rest = ((False, True, True), (False, True, False))
    return dice.choices((*sets, *rest), (0.58, 0.12, 0.1, 0.06, 0.08, 0.06))[0]


def _skews(dice: random.Random, hosts: int) -> tuple[float, ...]:
    """Clocks: usually right, on some systems a little off, on some a lot."""
    worst = dice.choices((0.0, 0.004, 0.3, 3.0), (0.6, 0.25, 0.1, 0.05))[0]
    return tuple(dice.uniform(-worst, worst) if happens(dice, 0.5) else 0.0 for _ in range(hosts))
