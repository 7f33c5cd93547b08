"""The metric agent: is something unwell, what was going on, and is it well again?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from temporalio import activity

from causal.correlate import correlate, neighbourhood
from causal.detect import Detector, detect
from causal.errors import AitiaError
from causal.evidence import Alert, Anomaly, Change, Window
from causal.quiet import minutes
from causal.rollup import Rollup, roll_up
from causal.saturation import Fullness, fullness
from causal.verification import verify
from integrations.ports import ChangeSource, Incidents
from integrations.quiet_profile import digest
from integrations.snapshots import FolderSnapshots
from playbooks.remedy import Verification
from workers.intake import Intake
from workers.messages import CheckOrder, Incident, Observation, Relearned
from workers.quiet_memory import QuietMemory
from workers.rolling import Rolling
from workers.tail import Tail

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
    tail: Tail | None = None
    look_back: float = 900.0
    detector: Detector = field(default_factory=Detector)
    clock: Callable[[], float] = time.time

    @activity.defn
    async def watch(self) -> tuple[str, ...]:
        """Look at the last seconds of all services; open an incident for what is new. Gives the incidents."""
        rollup, alerts = await asyncio.to_thread(self._look)
        sought = [(alert, neighbourhood(_services(alert), rollup.calls)) for alert in alerts]
        return tuple(opened.incident for opened in await self.intake.accept_all(sought) if opened)

    @activity.defn
    def catch_up(self) -> int:
        """Copy what has settled at the sources that others keep; gives the number of rows."""
        return self.tail.catch_up(self.clock()) if self.tail else 0

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
            missing=(*missing, *self._gaps(baseline, window)),
        )

    @activity.defn
    def verify(self, order: CheckOrder) -> Verification:
        """Whether all is back to what it was, and has been for as long as the order asks.

        Quiet time and the incident itself are read from the snapshot: by the time somebody approves, the
        telemetry store may have forgotten them.
        """
        now = self.clock()
        kept, incident = _kept(self.snapshots, order.snapshot, self.rolling.bucket_seconds)
        seen_until = incident.end // kept.seconds * kept.seconds
        found = verify(
            kept.between(order.baseline.start, seen_until).join(
                self.rolling.until(now).between(seen_until, now)
            ),
            order.symptom,
            frozenset(order.services),
            baseline=order.baseline,
            since=order.since,
            now=now,
            incident=incident,
            tainted=self._tainted(now),
        )
        full = self._fullness(order, now) if order.symptom.signal == "saturation" else None
        well = found.enough and found.healthy_for >= order.quiet_for
        return Verification(
            recovered=well and (full is None or full.usual),
            says="; ".join(part for part in (found.says, full.says if full else "") if part),
            since=order.since,
            checked_at=now,
            healthy_for=found.healthy_for,
            well_since=found.well_since,
        )

    def _fullness(self, order: CheckOrder, now: float) -> Fullness:
        """How full the resources of the services are that an alert about saturation is about."""
        alert, telemetry = self.snapshots.load(order.snapshot)
        recent = Window(start=now - order.quiet_for, end=now)
        return fullness(
            alert,
            telemetry.quiet,
            self.rolling.store.read(recent),
            baseline=order.baseline,
            recent=recent,
            services=frozenset({*order.services, order.symptom.service or ""}),
        )

    @activity.defn
    def relearn(self, at: float) -> Relearned:
        """Learn the quiet profile anew from what the store and the profile hold at a moment."""
        before, after = self.memory.relearn(at, self._tainted(at))
        return Relearned(
            at=at,
            before=digest(before),
            after=digest(after),
            minutes_before=minutes(before),
            minutes_after=minutes(after),
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

    def _gaps(self, baseline: Window, window: Window) -> tuple[str, ...]:
        """What the sources that others keep could not give of an incident and of the quiet time before it."""
        whole = Window(start=baseline.start, end=window.end)
        return self.tail.gaps(whole) if self.tail else ()

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
def _kept(snapshots: FolderSnapshots, reference: str, bucket_seconds: float) -> tuple[Rollup, Window]:
    """A snapshot rolled up, and its incident's window; remembered, for who verifies looks often."""
    _, telemetry = snapshots.load(reference)
    quiet, incident = (roll_up(rows.spans, bucket_seconds) for rows in (telemetry.quiet, telemetry.incident))
    return quiet.join(incident), telemetry.window


def _services(alert: Alert) -> frozenset[str]:
    return frozenset({alert.symptom.service} if alert.symptom.service else ())
