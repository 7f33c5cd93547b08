"""Who raises the alarm: a monitor at the doors, which knows how customers fare and nothing else.

At each look it compares the latest answers of a door with quiet time: the share that failed, the share slower
than the 95th percentile, how many came. An alarm names the door and the signal that stands out most, and
since when it has been so (E. S. Page, "Continuous inspection schemes", Biometrika 1954).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulation.recorder import Fare
from causal.evidence import Signal

LOOK = 5.0
_ENOUGH = 10
_STRETCH = (15.0, 60.0)
_LOUD = 4.5
_SLOW = 0.95
_FAILED_MORE, _SLOWER_SHARE, _MORE, _FEWER = 0.05, 0.22, 1.8, 0.35
_DOWN = 0.6
_LOOKS_BACK = 180.0


@dataclass(frozen=True)
class Alarm:
    """What the monitor says; times are seconds of the simulation, ``loudness`` a standard score."""

    door: str
    signal: Signal
    onset: float
    raised: float
    loudness: float
    says: str


@dataclass(frozen=True)
class _Usual:
    """How a door's customers fare in quiet time."""

    rate: float
    failed: float
    slow: float
    stretch: float


class Monitor:
    """Watches the doors; what came between ``since`` and ``until`` is how things are in quiet time."""

    def __init__(self, fares: Sequence[Fare], since: float, until: float) -> None:
        self._fares = fares
        quiet: dict[str, list[Fare]] = {}
        for fare in fares:
            if since <= fare.came <= until:
                quiet.setdefault(fare.door, []).append(fare)
        self._usual = {
            door: _learn(mine, until - since) for door, mine in quiet.items() if len(mine) >= _ENOUGH
        }

    def look(self, now: float) -> Alarm | None:
        """The loudest alarm there is reason for now."""
        heard = [alarm for alarm in self.listen(now, 1.0) if alarm.loudness >= _LOUD]
        return max(heard, key=lambda alarm: alarm.loudness, default=None)

    def listen(self, now: float, least: float = 0.0) -> list[Alarm]:
        """What each door has to say, however little it is."""
        said = []
        for door, usual in self._usual.items():
            mine = _ended(self._fares, door, now - usual.stretch, now)
            for signal, score, says in _scores(mine, usual, least):
                onset = self._onset(door, usual, signal, now)
                said.append(Alarm(door, signal, onset, now, score, f"{door} {says}"))
        return said

    def _onset(self, door: str, usual: _Usual, signal: Signal, now: float) -> float:
        """Since when it has been as bad as it is now (Page's cumulative sum), in steps of a look."""
        mine = sorted(_ended(self._fares, door, now - _LOOKS_BACK, now), key=lambda fare: fare.came)
        bad = np.array([_is_bad(fare, usual, signal) for fare in mine], dtype=np.float64)
        recent = [fare.came + fare.seconds >= now - usual.stretch for fare in mine]
        if not bad.any() or not any(recent):
            return (now - usual.stretch) // LOOK * LOOK
        expected = 1.0 - _SLOW if signal == "latency" else usual.failed
        drift = (expected + float(bad[recent].mean())) / 2.0
        lowest = int(np.argmin(np.concatenate([[0.0], np.cumsum(bad - drift)])[:-1]))
        return mine[lowest].came // LOOK * LOOK


def _learn(mine: Sequence[Fare], seconds: float) -> _Usual:
    rate = len(mine) / seconds
    return _Usual(
        rate=rate,
        failed=float(np.mean([not fare.ok for fare in mine])),
        slow=float(np.quantile([fare.seconds for fare in mine], _SLOW)),
        stretch=float(np.clip(2.0 * _ENOUGH / rate, *_STRETCH)),
    )


def _ended(fares: Sequence[Fare], door: str, since: float, until: float) -> list[Fare]:
    return [fare for fare in fares if fare.door == door and since <= fare.came + fare.seconds <= until]


def _scores(mine: Sequence[Fare], usual: _Usual, least: float) -> list[tuple[Signal, float, str]]:
    n = len(mine)
    expected = usual.rate * usual.stretch
    more = (n - expected) / np.sqrt(max(expected, 1.0) * 4.0)
    scores: list[tuple[Signal, float, str]] = []
    if n > _MORE * expected:
        scores.append(("traffic", float(more), f"has {n} requests, usually {expected:.0f}"))
    if n < _FEWER * expected:
        scores.append(("availability", float(-2.0 * more), f"has {n} answers, usually {expected:.0f}"))
    if n < _ENOUGH:
        return scores
    failed: NDArray[np.bool_] = np.array([not fare.ok for fare in mine])
    slow = np.array([fare.seconds > usual.slow for fare in mine])
    worse, slower = float(failed.mean()) - usual.failed, float(slow.mean())
    if worse > least * _FAILED_MORE:
        signal: Signal = "availability" if failed.mean() > _DOWN else "errors"
        if sum(fare.judged_wrong for fare in mine) > failed.sum() / 2:
            signal = "task_failure"
        score = worse * n / np.sqrt(n * usual.failed * (1 - usual.failed) + 0.5)
        scores.append((signal, float(score), f"failed {failed.mean():.0%} of {n} requests"))
    if slower > least * _SLOWER_SHARE + (1.0 - least) * (1.0 - _SLOW):
        score = (slower - (1 - _SLOW)) * n / np.sqrt(n * _SLOW * (1 - _SLOW) + 0.5)
        scores.append(("latency", float(score), f"answered {slower:.0%} of {n} requests slowly"))
    return scores


def _is_bad(fare: Fare, usual: _Usual, signal: Signal) -> bool:
    if signal == "latency":
        return fare.seconds > usual.slow
    return not fare.ok or signal == "traffic"
