"""Pictures of the figures, as SVG.

The file is the same for the same figures: no date in it, no made-up identifiers, text kept as text.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.calibration import Bin, Calibration
from causal.errors import Unavailable

_SEED = "aitia"
_INK, _QUIET, _MARK = "#1f3a5f", "#9aa5b1", "#c1440e"


def calibration_picture(judged: Mapping[str, Calibration], path: Path) -> None:
    """Draw said against right, how often what was said, and the risk at each coverage.

    The first of the calibrations is drawn in full, the others as thin lines of risk. Unavailable if
    matplotlib, which only developers have, is not installed.
    """
    pyplot = svg_pyplot()
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10.5, 4.6), layout="constrained")
    name, whole = next(iter(judged.items()))
    _draw_reliability(left, name, whole)
    for place, (label, one) in enumerate(judged.items()):
        _draw_risk(right, label, one, thick=place == 0)
    right.set(xlabel="share of cases answered, the surest first", ylabel="share of those that is wrong")
    right.set(xlim=(0, 1), ylim=(0, None), title="Risk against coverage")
    right.legend(frameon=False, fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    pyplot.close(figure)


def svg_pyplot() -> Any:
    """Matplotlib, set up for files that are the same for the same figures; Unavailable if it is missing."""
    try:
        import matplotlib as mpl

        mpl.use("svg")
        mpl.rcParams.update({"svg.hashsalt": _SEED, "svg.fonttype": "none"})
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise Unavailable("pictures need matplotlib, which `make setup` installs") from error
    return plt


def _draw_reliability(axes: Any, name: str, judged: Calibration) -> None:
    axes.plot([0, 1], [0, 1], color=_QUIET, linewidth=1, linestyle="--")
    said = [part.mean_probability for part in judged.bins]
    right = [part.share_right for part in judged.bins]
    axes.errorbar(said, right, yerr=_beyond(judged.bins), fmt="o", color=_INK, ecolor=_QUIET, capsize=2)
    for part in judged.bins:
        axes.annotate(
            str(part.n), (part.mean_probability, part.share_right), (6, -10), textcoords="offset points"
        )
    axes.set(xlabel="probability of the first hypothesis (mean of a tenth)", ylabel="share that is right")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
    axes.set_title(f"{name}: n {judged.n}, Brier {judged.brier:.3f}, ECE {judged.ece:.3f}")


def _beyond(bins: tuple[Bin, ...]) -> tuple[list[float], list[float]]:
    """How far the interval reaches below and above each share."""
    below = [max(part.share_right - part.interval[0], 0.0) for part in bins]
    above = [max(part.interval[1] - part.share_right, 0.0) for part in bins]
    return below, above


def _draw_risk(axes: Any, label: str, judged: Calibration, *, thick: bool) -> None:
    points = judged.risk_coverage
    axes.step(
        [0.0, *(point.coverage for point in points)],
        [points[0].risk, *(point.risk for point in points)],
        where="pre",
        label=label,
        linewidth=2.2 if thick else 1.0,
        color=_MARK if thick else None,
    )
