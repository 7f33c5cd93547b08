"""Is a number that means something: do the answers given at 0.9 hold nine times in ten?

The number judged is the probability of the first hypothesis, the outcome whether it is right.

- Brier score: the mean squared difference; 0 is perfect, always saying 0.5 gets 0.25 (G. W. Brier,
  "Verification of Forecasts Expressed in Terms of Probability", Monthly Weather Review 78, 1950).
- Expected calibration error: how far the mean probability of a bin is from its share of right answers,
  weighed by its cases (Naeini, Cooper and Hauskrecht, AAAI 2015). Ten bins of equal width.
- Risk against coverage: how often one is wrong when only the surest share of the cases is answered (El-Yaniv
  and Wiener, "On the Foundations of Noise-free Selective Classification", JMLR 11, 2010).
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from benchmarks.grade import Grade
from benchmarks.intervals import wilson
from benchmarks.truth import Told

BINS = 10
_BAR = 30


class Bin(Told):
    """The cases whose first hypothesis got a probability from ``low`` to ``high``."""

    low: float
    high: float
    n: int
    mean_probability: float
    share_right: float
    interval: tuple[float, float]


class Point(Told):
    """Answer only what has at least this probability: so much is covered, so much of that is wrong."""

    least_probability: float
    coverage: float
    risk: float
    n: int


class Calibration(Told):
    """The whole picture of how far probabilities can be trusted on some cases."""

    n: int
    brier: float
    ece: float
    bins: tuple[Bin, ...]
    risk_coverage: tuple[Point, ...]


def calibration(grades: Sequence[Grade]) -> Calibration:
    """Judge the probabilities of some graded cases; there must be at least one."""
    return Calibration(
        n=len(grades),
        brier=brier(grades),
        ece=expected_calibration_error(grades),
        bins=tuple(reliability(grades)),
        risk_coverage=tuple(risk_coverage(grades)),
    )


def brier(grades: Sequence[Grade]) -> float:
    """Mean squared difference of probability and outcome."""
    return sum((grade.probability - grade.right) ** 2 for grade in grades) / len(grades)


def expected_calibration_error(grades: Sequence[Grade]) -> float:
    """Distance of probability and share of right answers, over the bins, weighed by their cases."""
    return sum(abs(b.mean_probability - b.share_right) * b.n for b in reliability(grades)) / len(grades)


def reliability(grades: Sequence[Grade]) -> Iterator[Bin]:
    """The bins that have cases, from the least sure on."""
    for place, chosen in groupby(sorted(grades, key=lambda g: g.probability), _bin):
        held = list(chosen)
        right = sum(grade.right for grade in held)
        yield Bin(
            low=place / BINS,
            high=(place + 1) / BINS,
            n=len(held),
            mean_probability=sum(grade.probability for grade in held) / len(held),
            share_right=right / len(held),
            interval=wilson(right, len(held)),
        )


def _bin(grade: Grade) -> int:
    return min(int(grade.probability * BINS), BINS - 1)


def risk_coverage(grades: Sequence[Grade]) -> Iterator[Point]:
    """One point for each probability that was given, from the surest on; equal ones stand together."""
    answered = wrong = 0
    surest = sorted(grades, key=lambda grade: -grade.probability)
    for probability, chosen in groupby(surest, lambda grade: grade.probability):
        held = list(chosen)
        answered, wrong = answered + len(held), wrong + sum(not grade.right for grade in held)
        yield Point(
            least_probability=probability,
            coverage=answered / len(grades),
            risk=wrong / answered,
            n=answered,
        )


def told(name: str, judged: Calibration) -> Iterator[str]:
    """A reliability diagram and the risk at some coverages, as lines of text."""
    yield f"{name}: {judged.n} cases, Brier {judged.brier:.3f}, ECE {judged.ece:.3f}"
    yield f"  {'said':11} {'cases':>5} {'mean p':>6} {'right':>6} {'95 %':>9}   = right, | said"
    for part in judged.bins:
        low, high = part.interval
        yield (
            f"  {part.low:.1f} to {part.high:.1f}  {part.n:5} {part.mean_probability:6.2f} "
            f"{part.share_right:6.2f} {low:4.2f}-{high:4.2f}   {_bar(part)}"
        )
    yield f"  {'answered':>8} {'wrong':>6}   when only what has at least this probability is answered"
    for point in _some(judged.risk_coverage):
        yield f"  {point.coverage:8.0%} {point.risk:6.1%}   {point.least_probability:.2f} ({point.n} cases)"


def _bar(part: Bin) -> str:
    """The share of right answers as a bar, with a mark where the mean probability is."""
    filled, mark = round(part.share_right * _BAR), min(round(part.mean_probability * _BAR), _BAR - 1)
    cells = ["=" if cell < filled else "." for cell in range(_BAR)]
    cells[mark] = "|"
    return "".join(cells)


def _some(points: Sequence[Point]) -> Iterator[Point]:
    """The points nearest above each tenth of coverage, each once."""
    last = -1
    for tenth in range(1, 11):
        place = next((i for i, p in enumerate(points) if p.coverage >= tenth / 10 - 1e-9), len(points) - 1)
        if place > last:
            yield points[place]
            last = place
