"""A graded case: where it comes from, how it is read, and what was truly to blame."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.truth import Truth
from causal.evidence import Alert
from causal.telemetry import Telemetry

Incident = tuple[Alert, Telemetry]


@dataclass(frozen=True)
class Case:
    """A recorded incident of a set.

    ``read`` gives what an engine may see. ``truth`` is read apart from it, by graders alone.
    """

    set_name: str
    name: str
    place: Path
    read: Callable[[], Incident]
    truth: Callable[[], Truth]

    def __str__(self) -> str:
        return f"{self.set_name}/{self.name}"
