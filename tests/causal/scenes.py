"""Scenes for the laws: random systems with random faults, and what may be done to their telemetry.

A scene is told by traces, by metrics or by logs alone. What a law does to it (rename, shuffle, shift, scale,
silence) is done to the columns, so that every law holds for every kind of telemetry.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Literal, TypeVar

import numpy as np
from hypothesis import strategies as st

from causal.diagnose import diagnose
from causal.evidence import Alert, Diagnosis, Signal, Window
from causal.telemetry import Batch, Column, Flags, Logs, Metrics, SpanKind, Spans, Telemetry
from tests.causal.worlds import QUIET, T0, UNWELL, Ill, Row, World, alert, metrics, spans

Table = TypeVar("Table", Spans, Metrics, Logs)
Told = Literal["traces", "metrics", "logs"]
ONSET = T0 + QUIET
WORDS = ("pine", "opal", "birch", "agate", "willow", "jade", "cedar", "onyx", "maple", "zircon")
FAULTS: Mapping[str, tuple[Ill, Signal]] = {
    "slow": (Ill(slow=0.3), "latency"),
    "queue": (Ill(queue=0.3), "latency"),
    "fails": (Ill(fails=0.4), "errors"),
    "deaf": (Ill(deaf=0.3), "latency"),
    "dead": (Ill(dead=True), "errors"),
}
_STEP = 10.0


@dataclass(frozen=True)
class Scene:
    """A system, who is ill in it, and what is told of it; the first service is the door."""

    calls: tuple[tuple[str, tuple[str, ...]], ...]
    ills: tuple[tuple[str, Ill], ...]
    signal: Signal
    told: Told = "traces"
    seed: int = 1
    noise: float = 0.002

    @property
    def services(self) -> list[str]:
        return [name for name, _ in self.calls]

    @property
    def culprit(self) -> str:
        return self.ills[0][0]

    @property
    def alert(self) -> Alert:
        return alert(self.services[0], self.signal)

    @cached_property
    def telemetry(self) -> Telemetry:
        """What the engine gets."""
        rows = played(self)
        batch = {"traces": _traces, "metrics": _metrics, "logs": _logs}[self.told](rows)
        published = [(a, b) for a, to in self.calls for b in to] if self.told == "metrics" else []
        return windowed(batch, published)

    def diagnosed(self, change: Callable[[Telemetry], Telemetry] = lambda told: told) -> Diagnosis:
        """The verdict on this scene, or on a changed one."""
        return diagnose(self.alert, change(self.telemetry))


@lru_cache(maxsize=64)
def played(scene: Scene) -> tuple[Row, ...]:
    """The spans of a scene."""
    world = World(dict(scene.calls), rate=2.0, noise=scene.noise)
    return tuple(world.rows(dict(scene.ills), seed=scene.seed))


@st.composite
def scenes(
    draw: st.DrawFn,
    told: Iterable[Told] = ("traces", "metrics", "logs"),
    faults: Iterable[str] = tuple(FAULTS),
    most: int = 6,
) -> Scene:
    """A system of two to six services of which one is ill."""
    names = draw(st.permutations(WORDS))[: draw(st.integers(2, most))]
    callers = [
        sorted(draw(st.sets(st.integers(0, i), min_size=1, max_size=2))) for i in range(len(names) - 1)
    ]
    calls = tuple(
        (name, tuple(names[j + 1] for j, above in enumerate(callers) if i in above))
        for i, name in enumerate(names)
    )
    fault = draw(st.sampled_from(sorted(faults)))
    ill, signal = FAULTS[fault]
    culprit = draw(st.sampled_from(names[1:] if fault in ("dead", "deaf") else names))
    return Scene(
        calls, ((culprit, ill),), signal, draw(st.sampled_from(sorted(told))), draw(st.integers(0, 50))
    )


def windowed(batch: Batch, calls: Iterable[tuple[str, str]] = ()) -> Telemetry:
    """Cut a batch into quiet time and incident."""
    late = (
        batch.spans.start_ns >= int(ONSET * 1e9),
        batch.metrics.time >= ONSET,
        batch.logs.time_ns >= int(ONSET * 1e9),
    )
    return Telemetry(
        baseline=Window(start=T0, end=ONSET),
        window=Window(start=ONSET, end=ONSET + UNWELL),
        quiet=taken(batch, *(~flags for flags in late)),
        incident=taken(batch, *late),
        calls=tuple(calls),
    )


def taken(batch: Batch, of_spans: Flags, of_metrics: Flags, of_logs: Flags) -> Batch:
    """Some rows of each table."""
    return Batch(batch.spans.take(of_spans), batch.metrics.take(of_metrics), batch.logs.take(of_logs))


def both(told: Telemetry, change: Callable[[Batch], Batch]) -> Telemetry:
    """Change quiet time and incident alike."""
    return replace(told, quiet=change(told.quiet), incident=change(told.incident))


def renamed(told: Telemetry, names: Mapping[str, str]) -> Telemetry:
    """The same system, its services called otherwise."""

    def column(of: Column) -> Column:
        return Column(of.codes, tuple(names[name] for name in of.names))

    def batch(of: Batch) -> Batch:
        return Batch(
            replace(of.spans, service=column(of.spans.service)),
            replace(of.metrics, service=column(of.metrics.service)),
            replace(of.logs, service=column(of.logs.service)),
        )

    return replace(both(told, batch), calls=[(names[a], names[b]) for a, b in told.calls])


def shuffled(told: Telemetry, seed: int) -> Telemetry:
    """The same rows in another order, with dictionaries in the order in which they now appear."""
    dice = np.random.default_rng(seed)

    def table(of: Table) -> Table:
        mixed = of.take(dice.permutation(len(of)))
        coded: dict[str, Any] = {
            name: Column.of(value.values())
            for name in vars(mixed)
            if isinstance(value := getattr(mixed, name), Column)
        }
        return replace(mixed, **coded)

    return both(told, lambda of: Batch(table(of.spans), table(of.metrics), table(of.logs)))


def shifted(told: Telemetry, seconds: int) -> Telemetry:
    """The same, at another time."""

    def batch(of: Batch) -> Batch:
        late = np.int64(seconds) * 1_000_000_000
        return Batch(
            replace(of.spans, start_ns=of.spans.start_ns + late),
            replace(of.metrics, time=of.metrics.time + seconds),
            replace(of.logs, time_ns=of.logs.time_ns + late),
        )

    def window(of: Window) -> Window:
        return Window(start=of.start + seconds, end=of.end + seconds)

    moved = both(told, batch)
    return replace(moved, baseline=window(told.baseline), window=window(told.window))


def silenced(told: Telemetry, service: str) -> Telemetry:
    """Nothing is told by one service itself."""

    def batch(of: Batch) -> Batch:
        return taken(
            of,
            *(
                table.service.codes != table.service.code(service)
                for table in (of.spans, of.metrics, of.logs)
            ),
        )

    return both(told, batch)


def scaled(told: Telemetry, times: float) -> Telemetry:
    """Latency metrics in another unit."""

    def batch(of: Batch) -> Batch:
        latency = [name == "latency_mean" for name in of.metrics.metric.values()]
        value = np.where(np.array(latency, dtype=np.bool_), of.metrics.value * times, of.metrics.value)
        return replace(of, metrics=replace(of.metrics, value=value))

    return both(told, batch)


def stretched(told: Telemetry, times: float) -> Telemetry:
    """The same film, played slower: every time and every duration, in quiet time and in the incident."""

    def moment(at: float) -> float:
        return T0 + (at - T0) * times

    def batch(of: Batch) -> Batch:
        first, old = int(T0 * 1e9), of.spans
        start = ((old.start_ns - first) * times).astype(np.int64) + first
        length = (old.duration_ns * times).astype(np.int64)
        return replace(of, spans=replace(old, start_ns=start, duration_ns=length))

    def window(of: Window) -> Window:
        return Window(start=moment(of.start), end=moment(of.end))

    return replace(both(told, batch), baseline=window(told.baseline), window=window(told.window))


def joined(one: Table, two: Table) -> Table:
    """The rows of two tables, with dictionaries of their own."""
    columns: dict[str, Any] = {}
    for name in vars(one):
        pair: Any = getattr(one, name), getattr(two, name)
        coded = isinstance(pair[0], Column)
        columns[name] = Column.of([*pair[0].values(), *pair[1].values()]) if coded else np.concatenate(pair)
    return type(one)(**columns)


def beside(told: Telemetry, other: Telemetry) -> Telemetry:
    """Two systems that know nothing of each other, in one telemetry."""

    def batch(one: Batch, two: Batch) -> Batch:
        trace = Column(two.spans.trace.codes, tuple(f"far {name}" for name in two.spans.trace.names))
        spans = replace(two.spans, trace=trace)
        return Batch(joined(one.spans, spans), joined(one.metrics, two.metrics), joined(one.logs, two.logs))

    return replace(
        told,
        quiet=batch(told.quiet, other.quiet),
        incident=batch(told.incident, other.incident),
        calls=[*told.calls, *other.calls],
    )


def chances(verdict: Diagnosis) -> dict[str, float]:
    """The probability of each service that is named, and of none of them."""
    return {h.service: h.probability for h in verdict.hypotheses} | {"": verdict.none_of_these}


def _traces(rows: Iterable[Row]) -> Batch:
    return Batch(spans(list(rows)), Metrics.none(), Logs.none())


def _metrics(rows: Iterable[Row]) -> Batch:
    """Requests, failed share and mean latency of each service, every ten seconds."""
    cells: dict[tuple[float, str], list[Row]] = {}
    for row in rows:
        if row.kind is SpanKind.SERVER:
            cells.setdefault((row.start // _STEP * _STEP, row.service), []).append(row)
    samples = []
    for (at, service), mine in sorted(cells.items()):
        samples += [
            (at, service, "requests", float(len(mine))),
            (at, service, "error_rate", sum(row.failed for row in mine) / len(mine)),
            (at, service, "latency_mean", sum(row.seconds for row in mine) / len(mine)),
        ]
    return Batch(Spans.none(), metrics(samples), Logs.none())


def _logs(rows: Iterable[Row]) -> Batch:
    """Two lines a request, and one more where it failed."""
    lines = []
    for row in rows:
        if row.kind is SpanKind.SERVER:
            lines += [(row, "info", "request received"), (row, "info", f"request took {row.seconds:.4f} s")]
            lines += [(row, "error", "request failed in step three")] if row.failed else []
    return Batch(
        Spans.none(),
        Metrics.none(),
        Logs(
            time_ns=np.array([int(row.start * 1e9) for row, _, _ in lines], dtype=np.int64),
            service=Column.of(row.service for row, _, _ in lines),
            instance=Column(np.full(len(lines), -1, dtype=np.int32), ()),
            severity=Column.of(level for _, level, _ in lines),
            trace=Column.of(row.trace for row, _, _ in lines),
            body=Column.of(body for _, _, body in lines),
        ),
    )
