"""What a diagnosis costs as systems grow: ``python -m benchmarks.scale``.

Every size is drawn here, written to a scratch file, and measured in a process of its own, which holds nothing
but the columns and the engine; so its high-water mark of resident memory is that of one diagnosis, with the
interpreter and all libraries. Phases are timed by wrapping the engine's own steps while it runs as always;
a phase's time is without the phases inside it. How cost grows is a straight line through logarithms: a slope
of 1 is linear, 2 quadratic.
"""

import contextlib
import importlib
import json
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, ParamSpec, TypeVar

import numpy as np
import typer
from pydantic import BaseModel, ConfigDict

from benchmarks.bulk import Incident, incident
from causal.evidence import Diagnosis

P = ParamSpec("P")
T = TypeVar("T")

LIBRARIES, REST = "libraries", "verdict"
_ENGINE = "causal.diagnose"
STEPS = (
    ("view", _ENGINE, "behold"),
    ("forest", "causal.view", "plant"),
    ("suspects", _ENGINE, "examine"),
    ("graph", _ENGINE, "surroundings"),
    ("network", _ENGINE, "connect"),
    ("network", _ENGINE, "posterior"),
    ("network", _ENGINE, "minimal_set"),
)
SIZES = (
    *(f"1000x{spans}" for spans in (10_000, 30_000, 100_000, 300_000, 1_000_000, 2_000_000)),
    *(f"{services}x200000" for services in (10, 50, 200, 1000, 2000)),
    "2000x2000000",
)
_MEGABYTE = 1e6
_PER_MAXRSS = 1 if sys.platform == "darwin" else 1024
_AXES = ("spans", "services")


class Point(BaseModel):
    """One size, measured: what was drawn, what each phase took, and whether the culprit was found.

    ``megabytes`` is the high-water mark of the process after each phase; ``rank`` is the place of the true
    culprit among the hypotheses, None where it is not among them.
    """

    model_config = ConfigDict(frozen=True)

    services: int
    spans: int
    rows: dict[str, int]
    seconds: dict[str, float]
    megabytes: dict[str, float]
    culprit: str
    rank: int | None
    probability: float

    @property
    def total(self) -> float:
        """Seconds from columns in memory to the verdict, libraries being loaded."""
        return sum(took for phase, took in self.seconds.items() if phase != LIBRARIES)

    @property
    def peak(self) -> float:
        """Megabytes at the most: interpreter, libraries and columns included."""
        return max(self.megabytes.values())


class Slope(BaseModel):
    """How total and phases grow along one axis, the other figure being ``fixed``; log-log least squares."""

    model_config = ConfigDict(frozen=True)

    along: str
    fixed: int
    total: float
    phases: dict[str, float]
    megabytes: float


class Stopwatch:
    """Seconds by phase, each without the phases inside it, and the high-water mark after each."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.megabytes: dict[str, float] = {}
        self._inside = [0.0]

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Everything until the end of the block is of this phase."""
        self._inside.append(0.0)
        began = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - began
            self.seconds[name] = self.seconds.get(name, 0.0) + took - self._inside.pop()
            self._inside[-1] += took
            self.megabytes[name] = high_water()

    def timed(self, name: str, step: Callable[P, T]) -> Callable[P, T]:
        """A step that does what it did, and is timed."""

        def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
            with self.phase(name):
                return step(*args, **kwargs)

        return wrapped

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Time the engine's steps and signals until the end of the block."""
        engine = importlib.import_module(_ENGINE)
        places = [(phase, importlib.import_module(module), name) for phase, module, name in STEPS]
        before = [(place, name, getattr(place, name)) for _, place, name in places]
        signals = engine.SIGNALS
        for phase, place, name in places:
            setattr(place, name, self.timed(phase, getattr(place, name)))
        engine.SIGNALS = tuple(self.timed(_short(signal), signal) for signal in signals)
        try:
            yield
        finally:
            engine.SIGNALS = signals
            for place, name, step in before:
                setattr(place, name, step)


def _short(signal: Callable[..., object]) -> str:
    return signal.__module__.rpartition(".")[2]


def high_water() -> float:
    """The most memory that this process ever had resident, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _PER_MAXRSS / _MEGABYTE


def measure(drawn: Incident, services: int, spans: int) -> Point:
    """Have a drawn incident diagnosed in this process."""
    watch = Stopwatch()
    watch.megabytes["columns"] = high_water()
    with watch.phase(LIBRARIES):
        load_libraries()
    with watch.watching(), watch.phase(REST):
        verdict: Diagnosis = importlib.import_module(_ENGINE).diagnose(drawn.alert, drawn.telemetry)
    accused = [hypothesis.service for hypothesis in verdict.hypotheses]
    rank = accused.index(drawn.culprit) + 1 if drawn.culprit in accused else None
    both = drawn.telemetry.quiet, drawn.telemetry.incident
    tables = ("spans", "logs", "metrics")
    return Point(
        services=services,
        spans=spans,
        rows={name: sum(len(getattr(batch, name)) for batch in both) for name in tables}
        | {"incident spans": len(both[1].spans)},
        seconds=watch.seconds,
        megabytes=watch.megabytes,
        culprit=drawn.culprit,
        rank=rank,
        probability=verdict.hypotheses[rank - 1].probability if rank else 0.0,
    )


def load_libraries() -> None:
    """Import what the engine imports late, so that it is counted apart."""
    importlib.import_module("pgmpy.inference")


def measure_apart(services: int, spans: int, *, seed: int = 0, unwell: float = 1 / 3) -> Point:
    """Draw an incident here and have a new process diagnose it. Raises CalledProcessError if that fails."""
    with tempfile.NamedTemporaryFile(suffix=".columns") as scratch:
        pickle.dump(incident(services, spans, seed=seed, unwell=unwell), scratch, protocol=5)
        scratch.flush()
        words = [sys.executable, "-W", "ignore", "-m", "benchmarks.scale", "--measure", scratch.name]
        words += ["--sizes", f"{services}x{spans}"]
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    return Point.model_validate_json(done.stdout)


def slopes(points: Sequence[Point]) -> list[Slope]:
    """How cost grows along each axis, over the longest series of sizes that differ in that figure alone."""
    found = []
    for along, other in (_AXES, _AXES[::-1]):
        most = Counter(getattr(point, other) for point in points).most_common(1)
        series = [point for point in points if getattr(point, other) == most[0][0]] if most else []
        if len({getattr(point, along) for point in series}) > 1:
            sizes = [getattr(point, along) for point in series]
            found.append(
                Slope(
                    along=along,
                    fixed=most[0][0],
                    total=slope(sizes, [point.total for point in series]),
                    phases={
                        name: slope(sizes, [point.seconds.get(name, 0.0) for point in series])
                        for name in series[0].seconds
                    },
                    megabytes=slope(sizes, [point.peak for point in series]),
                )
            )
    return found


def slope(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The exponent b of cost = a * size ** b that fits best, by least squares on logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(costs, 1e-6)), 1)[0])


def table(points: Sequence[Point]) -> Iterator[str]:
    """The curve as lines of text: milliseconds by phase, in the order in which they run."""
    phases = list(dict.fromkeys(name for point in points for name in point.seconds))
    heads = [f"{name[:9]:>9}" for name in phases]
    yield f"{'services':>8} {'spans':>8} {'logs':>7} {'samples':>8} {'s':>6} {'MB':>6}  {'culprit':10}" + "".join(
        heads
    )
    for point in points:
        cells = [f"{point.seconds.get(name, 0.0) * 1e3:9.0f}" for name in phases]
        rows = point.rows
        yield (
            f"{point.services:8} {rows['spans']:8} {rows['logs']:7} {rows['metrics']:8} {point.total:6.2f} "
            f"{point.peak:6.0f}  {_found(point):10}" + "".join(cells)
        )
    for line in slopes(points):
        other = _AXES[1 - _AXES.index(line.along)]
        cells = [f"{line.phases.get(name, 0.0):9.2f}" for name in phases]
        yield f"slope along {line.along} ({line.fixed} {other})".ljust(34) + (
            f"{line.total:6.2f} {line.megabytes:6.2f}  {'':10}" + "".join(cells)
        )


def _found(point: Point) -> str:
    return f"no. {point.rank} {point.probability:.2f}" if point.rank else "not found"


def _size(text: str) -> tuple[int, int]:
    """Read SERVICESxSPANS; spans may be written like 1e6."""
    services, _, spans = text.lower().partition("x")
    try:
        return int(services), int(float(spans))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no size; write SERVICESxSPANS, like 1000x1e6") from None


app = typer.Typer(help="Measure what a diagnosis costs, from 10 to 2,000 services and 10^4 to 2*10^6 spans.")


@app.command()
def main(
    *,
    sizes: Annotated[
        list[str] | None, typer.Option(help="SERVICESxSPANS, like 1000x1e6; may be repeated")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    plot: Annotated[Path | None, typer.Option(help="draw the curve into this SVG file")] = None,
    seed: Annotated[int, typer.Option(help="other systems of the same sizes")] = 0,
    unwell: Annotated[float, typer.Option(min=0.05, max=0.95, help="share of spans in the incident")] = 1 / 3,
    repeat: Annotated[int, typer.Option(min=1, help="measure each size so often, keep the quickest")] = 1,
    measured: Annotated[Path | None, typer.Option("--measure", hidden=True)] = None,
) -> None:
    """Print time by phase and peak memory for each size, and how they grow. Exit 1 if a culprit was missed."""
    chosen = [_size(text) for text in sizes or SIZES]
    if measured is not None:
        with measured.open("rb") as scratch:
            drawn = pickle.load(scratch)  # noqa: S301  written by the process that started this one
        typer.echo(measure(drawn, *chosen[0]).model_dump_json())
        return
    points = []
    for services, spans in chosen:
        typer.echo(f"{services} services, {spans} spans ...", err=True)
        tries = [measure_apart(services, spans, seed=seed, unwell=unwell) for _ in range(repeat)]
        points.append(min(tries, key=lambda point: point.total))
    typer.echo(_as_json(points) if as_json else "\n".join(table(points)))
    if plot is not None:
        importlib.import_module("benchmarks.scale_plot").draw(points, plot)
    if any(point.rank != 1 for point in points):
        raise typer.Exit(1)


def _as_json(points: Sequence[Point]) -> str:
    told = {
        "points": [
            point.model_dump(mode="json") | {"total": point.total, "peak": point.peak} for point in points
        ],
        "slopes": [line.model_dump(mode="json") for line in slopes(points)],
    }
    return json.dumps(told, indent=1)


if __name__ == "__main__":
    app()
