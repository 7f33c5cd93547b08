"""The way between two processes: it takes time, it may be slow on one edge, and it may lose packets.

A lost packet is sent again after a timeout that doubles each time (RFC 6298), so a little loss makes a few
calls much slower instead of making all calls fail; after enough losses in a row there is no connection.
"""

import random
from dataclasses import dataclass, field
from typing import TypeVar

Value = TypeVar("Value")

_FIRST_RETRY = 0.2
_MOST_RETRIES = 4
_NEAR = 0.3
_SPREAD = 0.4


@dataclass
class Network:
    """``slow`` adds seconds and ``lossy`` loses packets, per directed pair; "*" stands for everybody."""

    dice: random.Random
    delay: float
    slow: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    lossy: dict[tuple[str, str], float] = field(default_factory=dict)

    def crossing(self, source: str, target: str, *, near: bool = False) -> float | None:
        """Seconds that a message needs; None if it never arrives."""
        seconds = self.delay * (_NEAR if near else 1.0) * self.dice.lognormvariate(0.0, _SPREAD)
        if self.slow:
            seconds += sum(self._extra(mean, jitter) for mean, jitter in self._of(self.slow, source, target))
        for chance in self._of(self.lossy, source, target) if self.lossy else ():
            again = self._resent(chance)
            if again is None:
                return None
            seconds += again
        return seconds

    def _extra(self, mean: float, jitter: float) -> float:
        return max(self.dice.gauss(mean, jitter), 0.0)

    def _resent(self, chance: float) -> float | None:
        waited, pause = 0.0, _FIRST_RETRY
        for _ in range(_MOST_RETRIES):
            if self.dice.random() >= chance:
                return waited
            waited, pause = waited + pause, pause * 2
        return None

    @staticmethod
    def _of(table: dict[tuple[str, str], Value], source: str, target: str) -> list[Value]:
        keys = ((source, target), (source, "*"), ("*", target))
        return [table[key] for key in keys if key in table]
