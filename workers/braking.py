"""Stopping everything, and letting it go on: written to the audit log before it holds, whoever says so."""

from __future__ import annotations

import time
from dataclasses import dataclass

from integrations.ports import AuditEntry, AuditLog, KillSwitch, Stop


@dataclass(frozen=True)
class Brakes:
    """The kill switch and its record."""

    kill_switch: KillSwitch
    audit: AuditLog

    def state(self) -> Stop:
        """Whether everything is stopped, since when, by whom and why."""
        return self.kill_switch.state()

    def stop(self, by: str, because: str) -> Stop:
        """Stop everything: no effect is brought about from now on, also none that is queued already."""
        by = by.strip() or "somebody without a name"
        self._record("stop.thrown", by, f"{by} stops everything: {because}")
        return self.kill_switch.throw(by=by, because=because, at=time.time())

    def resume(self, by: str, because: str) -> Stop:
        """Let new plans be carried out again; what was stopped on its way stays as it is."""
        self._record("stop.released", by, f"{by} lets it go on: {because}")
        return self.kill_switch.release(by=by, because=because, at=time.time())

    def refuse(self, by: str, wish: str, because: str) -> None:
        """Write down who wanted to stop or to let go on, and may not."""
        self._record("stop.refused", by, f"{by} may not {wish}: {because}")

    def _record(self, event: str, by: str, summary: str) -> None:
        self.audit.append(AuditEntry(actor=by, event=event, summary=summary))
