"""What a diagnosis costs as systems grow: ``python -m benchmarks.scale``.

Every size is drawn here, written to a scratch file, and measured in a process of its own, which holds nothing
but the columns and the engine; so its high-water mark of resident memory is that of one diagnosis, with the
interpreter and all libraries. Times are the processor's, the clock stands beside them. How cost grows is a
straight line through logarithms: a slope of 1 is linear, 2 quadratic.
"""

import importlib
import json
import pickle
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from pydantic import BaseModel, ConfigDict

from benchmarks.bulk import Incident, incident
from benchmarks.stopwatch import LIBRARIES, REST, Stopwatch, high_water
from causal import diagnose, network

SIZES = (
    "10x10000",
    *(f"{services}x100000" for services in (10, 50, 200, 500, 1000, 2000)),
    *(f"1000x{spans}" for spans in (30_000, 300_000, 1_000_000, 2_000_000)),
    "2000x2000000",
)
_AXES = ("spans", "services")
_OTHERS, _TELLING = "others", 0.01


class Point(BaseModel):
    """One size, measured: what was drawn, what each phase took, and whether the culprit was found.

    ``seconds`` is how long each phase kept the processor busy, ``clock`` how long the whole verdict took,
    loading libraries apart. ``megabytes`` is the high-water mark of the process after each phase;
    ``rank`` is the place of the true culprit among the hypotheses, None where it is not among them.
    """

    model_config = ConfigDict(frozen=True)

    services: int
    spans: int
    rows: dict[str, int]
    seconds: dict[str, float]
    clock: float
    megabytes: dict[str, float]
    culprit: str
    rank: int | None
    probability: float

    @property
    def total(self) -> float:
        """Processor seconds from columns in memory to the verdict, libraries being loaded."""
        return sum(took for phase, took in self.seconds.items() if phase != LIBRARIES)

    @property
    def peak(self) -> float:
        """Megabytes at the most: interpreter, libraries and columns included."""
        return max(self.megabytes.values())


class Slope(BaseModel):
    """How total and phases grow along one axis, the other figure being ``fixed``; log-log least squares.

    ``last`` is how the total grows over the last step alone, where what every diagnosis costs weighs least.
    """

    model_config = ConfigDict(frozen=True)

    along: str
    fixed: int
    total: float
    last: float
    phases: dict[str, float]
    megabytes: float


def measure(drawn: Incident, services: int, spans: int) -> Point:
    """Have a drawn incident diagnosed in this process."""
    watch = Stopwatch()
    watch.megabytes["columns"] = high_water()
    with watch.phase(LIBRARIES):
        network.load()
    began = time.perf_counter()
    with watch.watching(), watch.phase(REST):
        verdict = diagnose.diagnose(drawn.alert, drawn.telemetry)
    clock = time.perf_counter() - began
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
        clock=clock,
        megabytes=watch.megabytes,
        culprit=drawn.culprit,
        rank=rank,
        probability=verdict.hypotheses[rank - 1].probability if rank else 0.0,
    )


def measure_apart(services: int, spans: int, *, seed: int = 0, unwell: float = 1 / 3) -> Point:
    """Draw an incident here and have a new process diagnose it. Raises CalledProcessError if that fails."""
    with tempfile.NamedTemporaryFile(suffix=".columns") as scratch:
        pickle.dump(incident(services, spans, seed=seed, unwell=unwell), scratch, protocol=5)
        scratch.flush()
        words = [sys.executable, "-W", "ignore", "-m", "benchmarks.scale", "--measure", scratch.name]
        words += ["--sizes", f"{services}x{spans}"]
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    return Point.model_validate_json(done.stdout)


def series(points: Sequence[Point], along: str) -> list[Point]:
    """The longest series of sizes that differ in one figure alone, the smallest first."""
    other = _other(along)
    fixed = Counter(getattr(point, other) for point in points).most_common(1)
    chosen = [point for point in points if fixed and getattr(point, other) == fixed[0][0]]
    return sorted(chosen, key=lambda point: int(getattr(point, along)))


def slopes(points: Sequence[Point]) -> list[Slope]:
    """How cost grows along each axis, the other figure being the same."""
    found = []
    for along in _AXES:
        line = series(points, along)
        sizes = [float(getattr(point, along)) for point in line]
        if len(set(sizes)) > 1:
            phases = {name: [point.seconds.get(name, 0.0) for point in line] for name in line[0].seconds}
            totals = [point.total for point in line]
            found.append(
                Slope(
                    along=along,
                    fixed=getattr(line[0], _other(along)),
                    total=slope(sizes, totals),
                    last=slope(sizes[-2:], totals[-2:]),
                    phases={name: slope(sizes, costs) for name, costs in phases.items()},
                    megabytes=slope(sizes, [point.peak for point in line]),
                )
            )
    return found


def slope(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The exponent b of cost = a * size ** b that fits best, by least squares on logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(costs, 1e-6)), 1)[0])


def table(points: Sequence[Point]) -> Iterator[str]:
    """The curve as lines of text: processor milliseconds by phase, the small ones together."""
    phases = _telling(points)
    yield (
        f"{'services':>8} {'spans':>8} {'logs':>7} {'samples':>8} {'cpu s':>6} {'s':>6} {'MB':>6}  "
        f"{'culprit':11}" + "".join(f"{name[:9]:>10}" for name in (*phases, _OTHERS))
    )
    for point in points:
        rows = point.rows
        yield (
            f"{point.services:8} {rows['spans']:8} {rows['logs']:7} {rows['metrics']:8} {point.total:6.2f} "
            f"{point.clock:6.2f} {point.peak:6.0f}  {_found(point):11}"
            + "".join(f"{cost * 1e3:10.0f}" for cost in _costs(point, phases))
        )
    for line in slopes(points):
        title = f"slope along {line.along}, {line.fixed} {_other(line.along)}"
        yield (
            f"{title:34} {line.total:6.2f} {'':6} {line.megabytes:6.2f}  {f'last {line.last:.2f}':11}"
            + "".join(f"{line.phases.get(name, 0.0):10.2f}" for name in phases)
        )


def _telling(points: Sequence[Point]) -> list[str]:
    """Phases that are a hundredth of the whole somewhere, in the order in which they run."""
    names = dict.fromkeys(name for point in points for name in point.seconds)
    return [
        name
        for name in names
        if any(point.seconds.get(name, 0.0) >= _TELLING * point.total for point in points)
    ]


def _costs(point: Point, phases: Sequence[str]) -> list[float]:
    others = sum(cost for name, cost in point.seconds.items() if name not in phases)
    return [*(point.seconds.get(name, 0.0) for name in phases), others]


def _other(along: str) -> str:
    return _AXES[1 - _AXES.index(along)]


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
    """Print time by phase and peak memory for each size, and how they grow. Exit 1 if a culprit is missed."""
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
