"""The engine's steps and signals, timed while it runs as always.

Steps are wrapped where the engine looks them up and put back afterwards; a phase's time is without the phases
inside it. Times are the processor's: a busy machine must not blur them.
"""

import contextlib
import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

import causal.diagnose

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
_MEGABYTE = 1e6
_PER_MAXRSS = 1 if sys.platform == "darwin" else 1024


class Stopwatch:
    """Processor seconds by phase, each without the phases inside it, and the high-water mark after each."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.megabytes: dict[str, float] = {}
        self._inside = [0.0]

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Everything until the end of the block is of this phase."""
        self._inside.append(0.0)
        began = time.process_time()
        try:
            yield
        finally:
            took = time.process_time() - began
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
        places = [(phase, sys.modules[module], name) for phase, module, name in STEPS]
        before = [(place, name, getattr(place, name)) for _, place, name in places]
        signals = vars(causal.diagnose)["SIGNALS"]
        for phase, place, name in places:
            setattr(place, name, self.timed(phase, getattr(place, name)))
        vars(causal.diagnose)["SIGNALS"] = tuple(self.timed(_short(signal), signal) for signal in signals)
        try:
            yield
        finally:
            vars(causal.diagnose)["SIGNALS"] = signals
            for place, name, step in before:
                setattr(place, name, step)


def _short(signal: Callable[..., object]) -> str:
    return signal.__module__.rpartition(".")[2]


def high_water() -> float:
    """The most memory that this process ever had resident, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _PER_MAXRSS / _MEGABYTE
