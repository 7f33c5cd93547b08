"""What is broken at the moment, and why: the truth that graders ask for.

A fault of a process ends with the process. A fault of the configuration ends when the service runs with a
configuration that no longer holds what the bad commit wrote, however that came about.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from demo.configuration import Setting, holds
from demo.faults import Ailment, Commit, Dead

ReadFile = Callable[[str], str]


@dataclass(frozen=True)
class Active:
    """A fault that is on; a commit remembers the file it changed and what it wrote there."""

    fault: Commit | Ailment | Dead
    since: float
    commit: str | None = None
    file: str = ""
    written: tuple[Setting, ...] = ()

    def told(self) -> dict[str, Any]:
        """This fault as graders read it."""
        cause = {"service": self.fault.service, "fault": self.fault.kind, "since_unix": self.since}
        return cause | ({"commit": self.commit} if self.commit else {})


@dataclass
class Ledger:
    """All faults that are on, oldest first."""

    active: list[Active] = field(default_factory=list)

    def note(
        self,
        fault: Commit | Ailment | Dead,
        commit: str | None = None,
        file: str = "",
        written: tuple[Setting, ...] = (),
    ) -> None:
        """A fault took effect just now."""
        self.active.append(Active(fault, time.time(), commit, file, written))

    def process_ended(self, service: str) -> None:
        """Whatever ailed the process is gone with it."""
        self.active = [on for on in self.active if on.commit or on.fault.service != service]

    def configuration_read(self, service: str, read: ReadFile) -> None:
        """A service runs with what is committed now."""
        self.active = [on for on in self.active if not _cured(on, service, read)]

    def truth(self) -> dict[str, Any]:
        """Which services are to blame at the moment."""
        return {"active": bool(self.active), "root_causes": [on.told() for on in self.active]}


def _cured(on: Active, service: str, read: ReadFile) -> bool:
    if on.commit is None or on.fault.service != service:
        return False
    text = read(on.file)
    return not any(holds(text, path, value) for path, value in on.written)
