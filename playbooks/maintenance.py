"""Maintenance windows: alerts that are expected for a while, and open no incident.

    windows:
      - {because: new switches, from: 2026-12-01T22:00, to: 2026-12-02T02:00, zone: UTC, service: "payment*"}
      - {because: nightly batch, weekdays: [mon, tue], hours: "01:00-02:00", zone: UTC, signal: latency}

An alert that still fires when the window is over comes again, and is then one like any other.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from causal.errors import MalformedSettings
from causal.evidence import Alert
from playbooks.calendar import Stretch
from playbooks.remedy import Written
from playbooks.written import read_as


class Window(Stretch):
    """A stretch of time and the alerts that are expected in it; all patterns must match."""

    service: str = "*"
    signal: str = "*"
    source: str = "*"
    system: str = "*"

    def expects(self, alert: Alert, now: float) -> bool:
        """Whether this alert is expected now (Unix seconds)."""
        told = (
            (alert.symptom.service or "", self.service),
            (alert.symptom.signal, self.signal),
            (alert.source, self.source),
            (alert.system, self.system),
        )
        return self.holds(now) and all(fnmatchcase(text, pattern) for text, pattern in told)


class Maintenance(Written):
    """All windows of a site; ``maintenance.yaml`` in its home folder."""

    windows: tuple[Window, ...] = ()

    def expected(self, alert: Alert, now: float) -> str | None:
        """Return why an alert is expected now, or None if it is not."""
        return next((window.because for window in self.windows if window.expects(alert, now)), None)


def read_maintenance(text: str, where: str) -> Maintenance:
    """Read the windows (an empty text has none); MalformedSettings names file, line and column."""
    return read_as(Maintenance, text, where).or_raise(MalformedSettings)
