"""What a process measures about itself, from ``/proc``: processor time and memory as they really are."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
MEGABYTE = 1024 * 1024


def resident_bytes() -> int:
    """Memory of this process that is really in use."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE


@dataclass
class CpuUtilization:
    """Share of one core that this process used since it was last asked."""

    name: str = "process.cpu.utilization"
    unit: str = "1"
    _last: tuple[float, float] = field(default_factory=lambda: (time.monotonic(), time.process_time()))

    def value(self) -> float:
        now = (time.monotonic(), time.process_time())
        wall, used = now[0] - self._last[0], now[1] - self._last[1]
        self._last = now
        return used / wall if wall > 0 else 0.0


@dataclass(frozen=True)
class Reading:
    """A gauge that reads a function."""

    name: str
    unit: str
    value: Callable[[], float]
