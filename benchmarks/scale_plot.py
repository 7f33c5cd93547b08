"""The curve of `benchmarks.scale` as a picture: time by phase and memory, against size, on logarithms."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.plot import svg_pyplot
from benchmarks.scale import Point, Slope, series, slopes
from benchmarks.stopwatch import LIBRARIES

_INK, _GOAL = "#1f3a5f", "#c1440e"
_SHOWN = 7
_SECONDS, _MEGABYTES, _SPANS = 5.0, 1500.0, 1e6


def draw(points: Sequence[Point], path: Path) -> None:
    """Draw the points into an SVG file. Unavailable if matplotlib, which only developers have, is missing."""
    pyplot = svg_pyplot()
    figure, axes = pyplot.subplots(1, 3, figsize=(14.0, 4.6), layout="constrained")
    for place, line in zip(axes, slopes(points), strict=False):
        _draw_times(place, series(points, line.along), line)
    _draw_memory(axes[2], series(points, "spans"))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    pyplot.close(figure)


def _draw_times(axes: Any, line: Sequence[Point], slope: Slope) -> None:
    sizes = [getattr(point, slope.along) for point in line]
    last = line[-1].seconds
    dearest = sorted((name for name in last if name != LIBRARIES), key=lambda name: -last[name])[:_SHOWN]
    axes.plot(sizes, [point.total for point in line], color=_INK, linewidth=2.4, marker="o", label="all")
    for name in dearest:
        axes.plot(sizes, [point.seconds.get(name, 0.0) for point in line], linewidth=1.0, label=name)
    if slope.along == "spans":
        axes.plot([_SPANS], [_SECONDS], marker="v", color=_GOAL, linestyle="none", label="goal")
    other = "services" if slope.along == "spans" else "spans"
    axes.set(xscale="log", yscale="log", xlabel=slope.along, ylabel="processor seconds")
    axes.set_title(f"{slope.fixed:,} {other}: slope {slope.total:.2f}, at last {slope.last:.2f}")
    axes.legend(frameon=False, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.14), ncol=4)


def _draw_memory(axes: Any, line: Sequence[Point]) -> None:
    axes.plot(
        [point.spans for point in line], [point.peak for point in line], color=_INK, marker="o", label="peak"
    )
    columns = [point.megabytes["columns"] for point in line]
    axes.plot([point.spans for point in line], columns, linewidth=1.0, label="columns alone")
    axes.plot([_SPANS], [_MEGABYTES], marker="v", color=_GOAL, linestyle="none", label="goal")
    axes.set(xscale="log", xlabel="spans", ylabel="megabytes resident", ylim=(0, None))
    axes.set_title("Memory, with interpreter and libraries")
    axes.legend(frameon=False, fontsize="small")
