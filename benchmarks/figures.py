"""A set of graded cases in figures."""

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence

from pydantic import computed_field

from benchmarks.calibration import brier, expected_calibration_error
from benchmarks.grade import Grade
from benchmarks.intervals import wilson
from benchmarks.truth import Told

SURE, VERY_SURE = 0.7, 0.95
DEPTH = 5
_MEBI = 1 << 20


class Share(Told):
    """So many of so many."""

    hits: int
    n: int

    @property
    def value(self) -> float | None:
        """The share; None of nobody."""
        return self.hits / self.n if self.n else None

    @computed_field  # type: ignore[prop-decorator]  # pydantic's documented use
    @property
    def interval(self) -> tuple[float, float]:
        """Its Wilson interval, 95 %."""
        return wilson(self.hits, self.n)


class Summary(Told):
    """What one engine made of one set; shares are None where there is nothing to divide by.

    ``brier``, ``ece``, ``mean_p``, ``sure`` and ``very_sure`` are None for methods that give no
    probabilities. ``problems`` counts cases without an answer: they are wrong, too. ``peak_mb`` is the
    process's resident peak.
    """

    name: str
    engine: str
    n: int
    hits: tuple[int, ...]
    avg5: float
    kinds: float | None = None
    steps: float | None = None
    mean_p: float | None = None
    brier: float | None = None
    ece: float | None = None
    sure: Share | None = None
    very_sure: Share | None = None
    median_seconds: float
    max_seconds: float
    peak_mb: float | None = None
    problems: int = 0

    def top(self, k: int) -> Share:
        """How many cases have a right answer among the first k."""
        return Share(hits=self.hits[k - 1], n=self.n)


def summarize(name: str, grades: Sequence[Grade], engine: str = "aitia") -> Summary:
    """The figures of a set; there must be cases in it."""
    n = len(grades)
    hits = tuple(_within(grades, k) for k in range(1, DEPTH + 1))
    answered = [grade.seconds for grade in grades if not grade.problem] or [0.0]
    peaks = [grade.peak_bytes for grade in grades if grade.peak_bytes is not None]
    figures = Summary(
        name=name,
        engine=engine,
        n=n,
        hits=hits,
        avg5=sum(hits) / (n * DEPTH),
        kinds=_share([grade.kind_right for grade in grades]),
        median_seconds=statistics.median(answered),
        max_seconds=max(answered),
        peak_mb=max(peaks) / _MEBI if peaks else None,
        problems=sum(bool(grade.problem) for grade in grades),
    )
    return figures.model_copy(update=_of_probabilities(grades)) if _says_how_sure(grades) else figures


def _within(grades: Sequence[Grade], k: int) -> int:
    return sum(grade.rank is not None and grade.rank <= k for grade in grades)


def _says_how_sure(grades: Sequence[Grade]) -> bool:
    """Methods that only order services give no probability; an engine that said nothing at all gave 0."""
    return any(g.engine or any(guess.probability is not None for guess in g.guesses) for g in grades)


def _of_probabilities(grades: Sequence[Grade]) -> dict[str, object]:
    return {
        "steps": _share([grade.step_right for grade in grades]),
        "mean_p": statistics.fmean(grade.probability for grade in grades),
        "brier": brier(grades),
        "ece": expected_calibration_error(grades),
        "sure": _among(grades, SURE),
        "very_sure": _among(grades, VERY_SURE),
    }


def _among(grades: Sequence[Grade], least: float) -> Share:
    """How many first hypotheses have at least this probability, and how many of those are right."""
    chosen = [grade.right for grade in grades if grade.probability >= least]
    return Share(hits=sum(chosen), n=len(chosen))


def _share(judged: Iterable[bool | None]) -> float | None:
    known = [one for one in judged if one is not None]
    return sum(known) / len(known) if known else None


def most_frequent(grades: Iterable[Grade]) -> list[str]:
    """Name the services by how often they are the answer in these very cases, most often first."""
    counted = Counter(cause.service for grade in grades for cause in grade.causes)
    return [name for name, _ in sorted(counted.items(), key=lambda item: (-item[1], item[0]))]
