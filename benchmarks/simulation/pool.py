"""Workers and connections: a number of places, and a line of those who wait for one.

How many places are held on average is arrivals times the time each is held (Little, "A proof for the queuing
formula L = lambda W", Operations Research 1961). Nothing here computes that; it comes about.
"""

from collections import deque
from dataclasses import dataclass, field

from simpy import Environment, Event


@dataclass
class Pool:
    """Places to be held. ``size`` None is as many as come; more than ``queue`` waiting are turned away."""

    env: Environment
    size: int | None
    queue: int = 1_000_000
    busy: int = 0
    served: int = 0
    held: float = 0.0
    waited: float = 0.0
    _waiting: deque[Event] = field(default_factory=deque)
    _since: float = 0.0

    @property
    def waiting(self) -> int:
        """How many wait for a place now."""
        return len(self._waiting)

    def enter(self, patience: float | None = None) -> Event | None:
        """Ask for a place: an event whose value says whether it was given; None if the line is full."""
        self._count()
        asked = self.env.event()
        if self.size is None or self.busy < self.size:
            self.busy += 1
            return asked.succeed(True)
        if len(self._waiting) >= self.queue:
            return None
        self._waiting.append(asked)
        if patience is not None:
            self.env.timeout(patience).callbacks.append(lambda _: self._give_up(asked))
        return asked

    def leave(self) -> None:
        """Give a place back."""
        self._count()
        self.busy -= 1
        self.served += 1
        self._admit()

    def resize(self, size: int | None) -> None:
        """Have another number of places from now on; who holds one keeps it."""
        self._count()
        self.size = size
        self._admit()

    def empty(self) -> None:
        """Forget everybody: the process that held the places is gone."""
        self._count()
        self.busy = 0
        for asked in self._waiting:
            asked.succeed(False)
        self._waiting.clear()

    def settle(self) -> tuple[float, float]:
        """Place-seconds held and waited so far."""
        self._count()
        return self.held, self.waited

    def _admit(self) -> None:
        while self._waiting and (self.size is None or self.busy < self.size):
            self.busy += 1
            self._waiting.popleft().succeed(True)

    def _give_up(self, asked: Event) -> None:
        if not asked.triggered:
            self._count()
            self._waiting.remove(asked)
            asked.succeed(False)

    def _count(self) -> None:
        passed = self.env.now - self._since
        self.held += self.busy * passed
        self.waited += len(self._waiting) * passed
        self._since = self.env.now
