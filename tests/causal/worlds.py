"""Tiny worlds: services that call each other, requests that run through them, and what may ail them.

A world is a table of who calls whom; `telemetry` plays a quiet stretch and an incident through it. Everything
is drawn from a seeded generator, so a world is the same every time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from causal.evidence import Alert, Change, Signal, Symptom, Window
from causal.telemetry import Batch, Column, Logs, Metrics, SpanKind, Spans, Status, Telemetry

T0 = 1_700_000_000.0
QUIET, UNWELL = 240.0, 60.0

CHAIN = {"shopfront": ("basket",), "basket": ("till",), "till": ()}
FORK = {"shopfront": ("basket", "search"), "basket": (), "search": ()}
COLLIDER = {"shopfront": ("basket", "search"), "basket": ("stock",), "search": ("stock",), "stock": ()}


@dataclass(frozen=True)
class Ill:
    """What ails a service: extra seconds of its own (busy, or waiting for a worker), a share of failures,
    extra seconds before it hears of a call, how often it repeats its calls, or that nobody answers at all."""

    slow: float = 0.0
    queue: float = 0.0
    fails: float = 0.0
    deaf: float = 0.0
    repeats: int = 1
    dead: bool = False


@dataclass(frozen=True)
class Row:
    """One span as it will stand in the table."""

    trace: str
    span: int
    parent: int
    service: str
    operation: str
    kind: SpanKind
    start: float
    seconds: float
    failed: bool = False


@dataclass
class Tape:
    """Writes the spans of requests, one trace after the other."""

    world: "World"
    ills: Mapping[str, Ill]
    dice: np.random.Generator
    rows: list[Row] = field(default_factory=list)

    def request(self, trace: str, start: float) -> None:
        self._serve(trace, -1, self.world.door, start)

    def _serve(self, trace: str, parent: int, service: str, start: float) -> tuple[float, bool]:
        ill = self.ills.get(service, Ill())
        span = self._next()
        at = start + 0.0005
        waited = max(ill.queue, 0.0001) * self.dice.uniform(0.7, 1.3)
        self._write(trace, self._next(), span, service, "wait for worker", SpanKind.INTERNAL, at, waited)
        at += waited
        at += (self.world.work + ill.slow) * float(np.exp(self.dice.normal(0.0, 0.3)))
        failed = bool(self.dice.random() < max(ill.fails, self.world.noise))
        for callee in () if failed else self.world.calls[service]:
            for _ in range(ill.repeats):
                at, broken = self._call(trace, span, service, callee, at)
                failed = failed or broken
        self._write(
            trace, span, parent, service, f"POST /{service}", SpanKind.SERVER, start, at - start, failed
        )
        return at, failed

    def _call(self, trace: str, parent: int, caller: str, callee: str, start: float) -> tuple[float, bool]:
        ill, span = self.ills.get(callee, Ill()), self._next()
        if ill.dead:
            end, failed = start + 0.002, True
        else:
            end, failed = self._serve(trace, span, callee, start + 0.0005 + ill.deaf)
            end += 0.0005
        operation = f"call {callee}"
        self._write(trace, span, parent, caller, operation, SpanKind.CLIENT, start, end - start, failed)
        return end, failed

    def _next(self) -> int:
        self._last = getattr(self, "_last", 0) + 1
        return self._last

    def _write(self, *of: Any) -> None:
        self.rows.append(Row(*of))


@dataclass(frozen=True)
class World:
    """Who calls whom; the first service is the door. ``work`` is a service's usual own time in seconds."""

    calls: Mapping[str, Sequence[str]]
    rate: float = 4.0
    work: float = 0.01
    noise: float = 0.0

    @property
    def door(self) -> str:
        return next(iter(self.calls))

    def rows(self, ills: Mapping[str, Ill], *, seed: int = 1, quiet: float = QUIET) -> list[Row]:
        """The spans of a quiet stretch and of an incident after it."""
        dice = np.random.default_rng(seed)
        calm, sick = Tape(self, {}, dice), Tape(self, ills, dice)
        sick._last = 1_000_000
        for number, start in enumerate(self._arrivals(dice, T0, quiet)):
            calm.request(f"quiet-{number}", start)
        for number, start in enumerate(self._arrivals(dice, T0 + QUIET, UNWELL)):
            sick.request(f"sick-{number}", start)
        return calm.rows + sick.rows

    def telemetry(
        self, ills: Mapping[str, Ill], *, seed: int = 1, quiet: float = QUIET, changes: Sequence[Change] = ()
    ) -> Telemetry:
        """A quiet stretch and an incident, as the engine gets them."""
        return telemetry(self.rows(ills, seed=seed, quiet=quiet), changes=changes)

    def _arrivals(self, dice: np.random.Generator, start: float, seconds: float) -> Iterator[float]:
        yield from start + np.sort(dice.uniform(0.0, seconds, dice.poisson(self.rate * seconds)))


def spans(rows: Sequence[Row]) -> Spans:
    """Rows as a table."""
    none = Column(np.full(len(rows), -1, dtype=np.int32), ())
    return Spans(
        trace=Column.of(row.trace for row in rows),
        span=np.array([row.span for row in rows], dtype=np.int64),
        parent=np.array([row.parent for row in rows], dtype=np.int64),
        service=Column.of(row.service for row in rows),
        instance=none,
        operation=Column.of(row.operation for row in rows),
        kind=np.array([row.kind for row in rows], dtype=np.int8),
        start_ns=np.array([int(row.start * 1e9) for row in rows], dtype=np.int64),
        duration_ns=np.array([int(row.seconds * 1e9) for row in rows], dtype=np.int64),
        status=np.array([Status.ERROR if row.failed else Status.UNSET for row in rows], dtype=np.int8),
        status_code=none,
        attributes=none,
    )


def telemetry(rows: Sequence[Row], *, changes: Sequence[Change] = (), shift: float = 0.0) -> Telemetry:
    """Rows cut into quiet time and incident by their own clocks."""
    table = spans(rows)
    late = table.start_ns >= int((T0 + shift + QUIET) * 1e9)
    return Telemetry(
        baseline=Window(start=T0 + shift, end=T0 + shift + QUIET),
        window=Window(start=T0 + shift + QUIET, end=T0 + shift + QUIET + UNWELL),
        quiet=Batch(table.take(~late), Metrics.none(), Logs.none()),
        incident=Batch(table.take(late), Metrics.none(), Logs.none()),
        changes=tuple(changes),
    )


def metrics(samples: Sequence[tuple[float, str, str, float]]) -> Metrics:
    """Samples (time, service, metric, value) as a table."""
    return Metrics(
        time=np.array([s[0] for s in samples], dtype=np.float64),
        service=Column.of(s[1] for s in samples),
        instance=Column(np.full(len(samples), -1, dtype=np.int32), ()),
        metric=Column.of(s[2] for s in samples),
        value=np.array([s[3] for s in samples], dtype=np.float64),
    )


def alert(service: str | None = "shopfront", signal: Signal = "latency", *, shift: float = 0.0) -> Alert:
    """An alert that fires a minute into the incident."""
    return Alert(
        fingerprint="f" * 64,
        symptom=Symptom(service=service, signal=signal),
        raised_at=T0 + shift + QUIET + UNWELL,
        began_at=T0 + shift + QUIET,
    )
