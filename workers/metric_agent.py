"""The metric agent: is something unwell, what was going on, and is it well again?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from temporalio import activity

from causal.correlate import correlate, neighbourhood
from causal.detect import Detector, detect, verify
from causal.errors import AitiaError
from causal.evidence import Alert, Anomaly, Change, Window
from causal.rollup import Rollup, roll_up
from integrations.ports import ChangeSource, Incidents
from integrations.snapshots import FolderSnapshots
from playbooks.remedy import Verification
from workers.intake import Intake
from workers.messages import CheckOrder, Incident, Observation
from workers.quiet_memory import QuietMemory
from workers.rolling import Rolling

UNKNOWN_ONSET_SECONDS = 60.0
CHANGES_BEFORE_SECONDS = 900.0
LEAST_QUIET_SECONDS = 45.0
AFTER_AN_INCIDENT_SECONDS = 10.0


@dataclass(frozen=True)
class MetricAgent:
    """Watches the golden signals of every service that sends telemetry; nothing about them is configured.

    ``look_back`` is how much quiet time (s) before an incident its snapshot holds.
    """

    rolling: Rolling
    memory: QuietMemory
    snapshots: FolderSnapshots
    incidents: Incidents
    changes: tuple[ChangeSource, ...]
    intake: Intake
    look_back: float = 900.0
    detector: Detector = field(default_factory=Detector)
    clock: Callable[[], float] = time.time

    @activity.defn
    async def watch(self) -> tuple[str, ...]:
        """Look at the last seconds of all services; open an incident for what is new. Gives the incidents."""
        rollup, alerts = await asyncio.to_thread(self._look)
        accepted = []
        for alert in alerts:
            related = neighbourhood(_services(alert), rollup.calls)
            accepted.append((await self.intake.accept(alert, related)).incident)
        return tuple(accepted)

    @activity.defn
    def observe(self, incident: Incident) -> Observation:
        """Freeze the telemetry of an incident and of the quiet time before it."""
        now = self.clock()
        began = self._onset(incident.alert, now)
        alert = incident.alert.model_copy(update={"began_at": began})
        baseline, window = self._quiet_before(began), Window(start=began, end=max(now, began))
        changes, missing = self._changes(Window(start=began - CHANGES_BEFORE_SECONDS, end=window.end))
        past = self.memory.before(baseline.start, self._tainted(began))
        reference = self.snapshots.cut(self.rolling.store, alert, baseline, window, changes, past=past)
        return Observation(
            incident=incident,
            alert=alert,
            snapshot=reference,
            baseline=baseline,
            window=window,
            missing=missing,
        )

    @activity.defn
    def verify(self, order: CheckOrder) -> Verification:
        """Whether the symptom has stayed away for as long as the order asks.

        Quiet time is read from the snapshot: by the time somebody approves, the telemetry store may have
        forgotten it.
        """
        now = self.clock()
        quiet = _quiet_time(self.snapshots, order.snapshot, self.rolling.bucket_seconds)
        found = verify(
            quiet.between(order.baseline.start, order.baseline.end).join(
                self.rolling.until(now).between(order.since, now)
            ),
            order.symptom,
            frozenset(order.services),
            baseline=order.baseline,
            since=order.since,
            now=now,
            tainted=self._tainted(now),
        )
        return Verification(
            recovered=found.enough and found.healthy_for >= order.quiet_for,
            says=found.says,
            since=order.since,
            checked_at=now,
            healthy_for=found.healthy_for,
        )

    def _look(self) -> tuple[Rollup, tuple[Alert, ...]]:
        now = self.clock()
        rollup = self.rolling.until(now)
        self.memory.tend(now, self._tainted(now))
        return rollup, correlate(self._anomalies(rollup, now), rollup.calls, now=now)

    def _anomalies(self, rollup: Rollup, now: float) -> tuple[Anomaly, ...]:
        """What is unwell now; a running incident makes nobody blind for another one."""
        over = self._tainted(now, running=False)
        return detect(rollup, now, tainted=over, detector=self.detector)

    def _onset(self, alert: Alert, now: float) -> float:
        """When the trouble began: what the alert says, or earlier where the detectors saw it earlier."""
        told = alert.began_at if alert.began_at is not None else alert.raised_at - UNKNOWN_ONSET_SECONDS
        if alert.source == "watch":
            return told
        seen = self._anomalies(self.rolling.until(now), now)
        onsets = [anomaly.onset for anomaly in seen if anomaly.onset is not None]
        return min([told, *onsets])

    def _quiet_before(self, began: float) -> Window:
        """The quiet time before an onset: the latest stretch without an incident that is long enough."""
        earliest, latest = began - self.look_back, began - self.rolling.bucket_seconds
        stretches = quiet_stretches(Window(start=earliest, end=latest), self._tainted(began))
        for stretch in reversed(stretches):
            if stretch.seconds >= LEAST_QUIET_SECONDS:
                return stretch
        return max(stretches, key=lambda stretch: stretch.seconds, default=Window(start=latest, end=latest))

    def _changes(self, window: Window) -> tuple[tuple[Change, ...], tuple[str, ...]]:
        """The changes that the sources tell of; what could not be asked is said and holds nothing up."""
        found: list[Change] = []
        missing: list[str] = []
        for source in self.changes:
            try:
                found += source.changes(window)
            except AitiaError as error:
                missing.append(f"changes could not be read: {error}")
        return tuple(sorted(found, key=lambda change: (change.at, change.id))), tuple(missing)

    def _tainted(self, now: float, *, running: bool = True) -> tuple[Window, ...]:
        """Times that are known not to be quiet: the incidents so far, with or without those still running."""
        spans = []
        for ticket in self.incidents.all(limit=50):
            if ticket.ended_at is None and not running:
                continue
            began = ticket.alert.began_at or ticket.opened_at - UNKNOWN_ONSET_SECONDS
            until = ticket.ended_at or now
            spans.append(Window(start=min(began, until), end=until))
        return tuple(spans)


def quiet_stretches(whole: Window, tainted: tuple[Window, ...]) -> tuple[Window, ...]:
    """What is left of a window without incidents and a while after each, in order of time."""
    stretches, start = [], whole.start
    for past in sorted(tainted, key=lambda window: window.start):
        if past.start > start:
            stretches.append(Window(start=start, end=min(past.start, whole.end)))
        start = max(start, past.end + AFTER_AN_INCIDENT_SECONDS)
        if start >= whole.end:
            return tuple(stretches)
    return (*stretches, Window(start=start, end=whole.end))


@lru_cache(maxsize=8)
def _quiet_time(snapshots: FolderSnapshots, reference: str, bucket_seconds: float) -> Rollup:
    """The quiet rows of a snapshot, rolled up; remembered, for a verification looks every few seconds."""
    _, telemetry = snapshots.load(reference)
    return roll_up(telemetry.quiet.spans, bucket_seconds)


def _services(alert: Alert) -> frozenset[str]:
    return frozenset({alert.symptom.service} if alert.symptom.service else ())
