"""What is asked of a place that keeps telemetry, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from causal.evidence import Window
from integrations.arrow import ArrowBatch, concat


@dataclass(frozen=True, eq=False)
class Pulled:
    """Rows of a window, and in words what could not be had of it."""

    rows: ArrowBatch = field(default_factory=ArrowBatch)
    gaps: tuple[str, ...] = ()

    def join(self, other: Pulled) -> Pulled:
        """Both answers together, each gap said once."""
        return Pulled(concat([self.rows, other.rows]), tuple(dict.fromkeys((*self.gaps, *other.gaps))))


class TelemetrySource(Protocol):
    """Telemetry that somebody else keeps.

    `pull` gives the rows whose time lies in the window; asking again gives the same rows (and such as came in
    since), never others in their place. It raises Unavailable where asking again may help and Refused, with
    what to do, where it will not. ``settles`` is how many seconds old rows must be before they can be found.
    """

    @property
    def name(self) -> str: ...

    @property
    def settles(self) -> float: ...

    def pull(self, window: Window) -> Pulled: ...

    def ping(self) -> str: ...
