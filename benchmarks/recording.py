"""Recording incidents of one shop: quiet time, a fault, the alarm, a snapshot, the cure, and quiet again.

The truth is the shop's own; what an engine may read is what production would have had: the alert is what the
watch said, the changes are the commits of the shop's repository, the telemetry is cut as an incident's is.
Now and then somebody makes a harmless change shortly before, so that a change alone proves nothing.
"""

import json
import os
import random
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.fleet_report import Attempt, Quiet
from benchmarks.listening import Receiver, Watch, receiving
from benchmarks.mischief import INDICATORS, Mischief, is_commit, kind_of
from causal.evidence import Alert, Window
from demo.admin_client import AdminClient
from demo.config_repository import ConfigRepository
from demo.configuration import edited, parse_settings, service_file
from demo.lifecycle import put_down, put_up
from demo.places import ShopFolder
from demo.telemetry import OtlpTarget
from demo.topology import Topology
from integrations.connections import read_connections
from integrations.git_changes import GitChanges
from integrations.snapshots import FolderSnapshots

LOOK_EVERY = 5.0
QUIET = (60.0, 75.0)
PATIENCE = 60.0  # after so long without an alarm the watch has missed it
LINGER = 15.0
CHANGES_BEFORE = 900.0
DECOYS = {True: 0.2, False: 0.4}  # how often a harmless change comes first, by: the fault is a commit
_WARM_UP = 5.0
_HEALTHY_WITHIN = 90.0
_UNREST = 300.0
_BUCKET = 5.0
_EARLY = 10.0  # what began so long before the fault is not of it


class Stopped(Exception):
    """Somebody asked the recording to end."""


class NotHealed(Exception):
    """The shop did not get well again, or does not come to rest."""


@dataclass(frozen=True)
class Stage:
    """Where one shop is recorded: results in ``out``, everything else in ``work``."""

    topology: Topology
    out: Path
    work: Path
    stop: threading.Event

    def pause(self, seconds: float) -> None:
        """Let time pass; raises ``Stopped``."""
        if self.stop.wait(seconds):
            raise Stopped


@contextmanager
def recording(stage: Stage) -> Iterator["Recorder"]:
    """The shop of a stage, open and heard, until the block ends; nothing of it is left running."""
    folder = ShopFolder(stage.work, stage.topology.name)
    put_down(folder)  # what a recording that was killed may have left
    shutil.rmtree(stage.work, ignore_errors=True)
    try:
        with receiving(stage.work / "telemetry") as receiver:
            try:
                client = put_up(folder, stage.topology, OtlpTarget(endpoint=receiver.endpoint))
                stage.pause(_WARM_UP)
                yield Recorder(stage, client, receiver, Watch(receiver.store, stage.topology.name))
            finally:
                put_down(folder)
    finally:
        shutil.rmtree(stage.work, ignore_errors=True)


@dataclass(frozen=True)
class Broken:
    """A shop at the moment it was broken: how its customers fared before, and what there was to notice."""

    fault: Mischief
    began: float
    quiet: Quiet
    usual: dict[str, float]
    decoy: str


@dataclass
class Recorder:
    """Makes incidents in an open shop, one after the other: `break_down`, `record`, `heal`."""

    stage: Stage
    client: AdminClient
    receiver: Receiver
    watch: Watch
    _quiet_since: float = field(default_factory=time.time)

    def break_down(self, fault: Mischief, dice: random.Random) -> Broken:
        """Let quiet time pass, then break the shop."""
        quiet = self._stay_quiet(dice.uniform(*QUIET))
        usual = slowest(self.client.get("/status")["customers"])
        decoy = self._harmless_change(fault, dice)
        began = time.time()
        self.client.post("/faults", content=fault.model_dump_json())
        return Broken(fault, began, quiet, usual, decoy)

    def record(self, case: str, broken: Broken) -> tuple[Attempt, Alert | None]:
        """Wait for the alarm and write the case; without an alarm of this fault there is none."""
        alert = self._alarm(broken.began)
        attempt = told(self.stage.topology.name, case, broken, alert)
        if alert is not None and attempt.outcome == "recorded":
            self.stage.pause(LINGER)
            self._cut(attempt, broken, alert)
        return attempt, alert

    def heal(self, broken: Broken, alert: Alert | None) -> None:
        """Cure the shop and wait until its customers fare as they did; raises ``NotHealed``."""
        self.client.post("/heal")
        deadline = time.monotonic() + _HEALTHY_WITHIN
        while wrong := complaints(self.client.get("/status"), broken.usual):
            if time.monotonic() > deadline:
                raise NotHealed(f"not well after {broken.fault.kind} was cured: {'; '.join(wrong)}")
            self.stage.pause(1.0)
        self._begin_quiet(after=min(broken.began, onset_of(alert)) if alert else broken.began)

    def _stay_quiet(self, seconds: float) -> Quiet:
        """Look on until it has been quiet for so long; raises ``NotHealed`` if it never is.

        An alarm begins the quiet time anew: in production it would have opened an incident.
        """
        began, alarms, looks, load = self._quiet_since, list[str](), 0, 0.0
        while (now := time.time()) - self._quiet_since < seconds:
            if now - began > _UNREST:
                raise NotHealed(f"it does not come to rest: {alarms[-1]}")
            self.stage.pause(LOOK_EVERY)
            looks, load = looks + 1, max(load, os.getloadavg()[0])
            alert = self.watch.look()
            if alert is not None:
                alarms.append(alert.summary)
                self._begin_quiet(after=onset_of(alert))
        return Quiet(start=began, end=now, looks=looks, alarms=tuple(alarms), load=round(load, 1))

    def _begin_quiet(self, after: float) -> None:
        """From now on it is quiet; what was since ``after`` was not."""
        self._quiet_since = time.time()
        self.watch.tainted.append(Window(start=min(after, self._quiet_since), end=self._quiet_since))

    def _harmless_change(self, fault: Mischief, dice: random.Random) -> str:
        """Perhaps somebody gives a service a slightly longer queue; returns the service's name."""
        service = dice.choice(self.stage.topology.names)
        if dice.random() >= DECOYS[is_commit(fault)] or service == fault.service:
            return ""
        repository = ConfigRepository(self.client.folder.config)
        file = service_file(service)
        text = repository.read(file)
        longer = parse_settings(text, file).pool.queue + dice.randint(1, 8)
        repository.commit({file: edited(text, {("pool", "queue"): longer})}, f"Tune {service}")
        self.client.post(f"/reload/{service}")
        self.stage.pause(dice.uniform(1.0, 12.0))
        return service

    def _alarm(self, began: float) -> Alert | None:
        """The first alert after the fault; None if the watch stays silent."""
        while time.time() - began < PATIENCE:
            self.stage.pause(LOOK_EVERY)
            alert = self.watch.look()
            if alert is not None:
                return alert
        return None

    def _cut(self, attempt: Attempt, broken: Broken, alert: Alert) -> None:
        """Write the case: what an incident's snapshot would have held at this moment, and the truth."""
        now, onset = time.time(), onset_of(alert)
        connections = self.client.folder.home / "connections.d"
        changes = GitChanges(lambda: read_connections(connections))
        snapshots = self.stage.work / "snapshots"
        reference = FolderSnapshots(snapshots).cut(
            self.receiver.store,
            alert,
            Window(start=min(self._quiet_since, onset - 2 * _BUCKET), end=onset - _BUCKET),
            Window(start=onset, end=now),
            changes.changes(Window(start=onset - CHANGES_BEFORE, end=now)),
        )
        truth = truth_of(self.client.get("/truth")["root_causes"], broken, attempt)
        settle(snapshots / reference, self.stage.out / attempt.case, truth)


def settle(snapshot: Path, place: Path, truth: dict[str, Any]) -> None:
    """Make a snapshot a case: a neutral id, the truth beside it, and moved to its place as a whole."""
    alert = json.loads((snapshot / "alert.json").read_text(encoding="utf-8")) | {"case_id": place.name}
    (snapshot / "alert.json").write_text(json.dumps(alert, indent=1) + "\n", encoding="utf-8")
    (snapshot / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(place, ignore_errors=True)  # of an attempt that was never noted
    snapshot.rename(place)


def onset_of(alert: Alert) -> float:
    """When the trouble began, as far as the alert knows."""
    return alert.raised_at if alert.began_at is None else alert.began_at


def told(topology: str, case: str, broken: Broken, alert: Alert | None) -> Attempt:
    """What came of a fault."""
    attempt = Attempt(
        topology=topology,
        case=case,
        fault=kind_of(broken.fault),
        service=broken.fault.service,
        outcome="missed",
        decoy=broken.decoy,
        quiet=broken.quiet,
        load=round(os.getloadavg()[0], 1),
    )
    if alert is None:
        return attempt
    seen = {
        "outcome": "recorded" if onset_of(alert) >= broken.began - _EARLY else "disturbed",
        "symptom": alert.symptom.service or "",
        "signal": alert.symptom.signal,
        "alarm_after": round(alert.raised_at - broken.began, 1),
        "onset_error": round(onset_of(alert) - broken.began, 1),
    }
    return attempt.model_copy(update=seen)


def truth_of(causes: list[dict[str, Any]], broken: Broken, attempt: Attempt) -> dict[str, Any]:
    """truth.json of the case format, from what the shop says is to blame."""
    indicator = INDICATORS.get(attempt.fault)
    notes = {
        "fault": broken.fault.model_dump(mode="json"),
        "since_unix": causes[0]["since_unix"],
        "commit": causes[0].get("commit"),
        "decoy": broken.decoy or None,
    }
    return {
        "root_causes": [
            {"service": cause["service"], "pod": None, "fault": attempt.fault, "indicator": indicator}
            for cause in causes
        ],
        "source": f"demo shop {attempt.topology}",
        "notes": json.dumps(notes),
    }


def complaints(status: dict[str, Any], usual: dict[str, float]) -> list[str]:
    """What is still wrong with a shop: a service down, requests failed, or much slower than before."""
    now = slowest(status["customers"])
    broken = [f"{fault['service']} still has {fault['fault']}" for fault in status["faults"]]
    down = [f"{seen['service']} is down" for seen in status["services"] if not seen["healthy"]]
    failed = [f"{f['failed']} of {f['service']} failed" for f in status["customers"] if f["failed"]]
    slow = [
        f"{entry} takes {now.get(entry, 0.0):.0f} ms, usually {before:.0f} ms"
        for entry, before in usual.items()
        if now.get(entry, 0.0) > 1.5 * before + 30.0
    ]
    return broken + down + failed + slow


def slowest(fares: list[dict[str, Any]]) -> dict[str, float]:
    """The 95th percentile (ms) of each entry that had customers."""
    return {f"{f['service']}/{f['operation']}": f["p95_ms"] for f in fares if f["p95_ms"] is not None}
