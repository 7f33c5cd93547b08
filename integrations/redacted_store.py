"""A telemetry store in front of which everything is redacted, whichever way it came."""

from collections.abc import Sequence
from dataclasses import dataclass

from causal.evidence import Window
from causal.telemetry import Batch
from integrations.arrow import ArrowBatch
from integrations.ports import TelemetryStore
from integrations.redaction import Redactor

__all__ = ["RedactedStore"]


@dataclass(frozen=True)
class RedactedStore:
    """A TelemetryStore that keeps what the redactor leaves, in another store."""

    kept: TelemetryStore
    redactor: Redactor

    def append(self, rows: ArrowBatch) -> None:
        self.kept.append(self.redactor.applied(rows))

    def tables(self, window: Window) -> ArrowBatch:
        return self.kept.tables(window)

    def read(self, window: Window) -> Batch:
        return self.kept.read(window)

    def damage(self) -> Sequence[str]:
        return self.kept.damage()
