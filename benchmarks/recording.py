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

from benchmarks.listening import Receiver, Watch, receiving
from benchmarks.mischief import INDICATORS, Mischief, kind_of
from causal.evidence import Alert, Fact, Window
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
_WARM_UP = 5.0
_HEALTHY_WITHIN = 90.0
_CALM = 20.0  # no fault is made until the watch has been silent for so long
_UNREST = 180.0
_BUCKET = 5.0
_DECOYS = {True: 0.2, False: 0.4}  # how often a harmless change comes first, by: the fault is a commit


class Stopped(Exception):
    """Somebody asked the recording to end."""


class NotHealed(Exception):
    """The shop did not get well again after the cure."""


class Quiet(Fact):
    """A quiet stretch: how long, how often the watch looked, and what it cried without reason."""

    start: float
    end: float
    looks: int = 0
    alarms: tuple[str, ...] = ()


class Attempt(Fact):
    """What came of one fault; ``outcome`` is recorded, missed or failed (then ``says`` is why).

    ``alarm_after`` (s) counts from the fault, ``onset_error`` (s) is the alert's onset minus the fault's time,
    ``load`` is the machine's load average at the alarm.
    """

    topology: str
    case: str
    fault: str
    service: str
    outcome: str
    says: str = ""
    symptom: str = ""
    signal: str = ""
    alarm_after: float | None = None
    onset_error: float | None = None
    decoy: str = ""
    quiet: Quiet
    load: float = 0.0


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
    with receiving(stage.work / "telemetry") as receiver:
        try:
            client = put_up(folder, stage.topology, OtlpTarget(endpoint=receiver.endpoint))
            stage.pause(_WARM_UP)
            yield Recorder(stage, client, receiver, Watch(receiver.store, stage.topology.name))
        finally:
            put_down(folder)
    shutil.rmtree(stage.work, ignore_errors=True)


@dataclass
class Recorder:
    """Makes incidents in an open shop, one after the other."""

    stage: Stage
    client: AdminClient
    receiver: Receiver
    watch: Watch
    _quiet_since: float = field(default_factory=time.time)

    def record(self, case: str, fault: Mischief, dice: random.Random) -> Attempt:
        """Break the shop, record what follows as a case, and heal it. Raises ``NotHealed``, ``Stopped``."""
        quiet = self._stay_quiet(dice.uniform(*QUIET))
        usual = self._fares()
        decoy = self._harmless_change(fault, dice)
        began = time.time()
        self.client.post("/faults", content=fault.model_dump_json())
        attempt = Attempt(
            topology=self.stage.topology.name,
            case=case,
            fault=kind_of(fault),
            service=fault.service,
            outcome="missed",
            decoy=decoy,
            quiet=quiet,
        )
        alert = self._alarm(began)
        if alert is not None:
            self.stage.pause(LINGER)
            attempt = _told(attempt, alert, began)
            self._cut(case, fault, alert, attempt)
        self._heal(began, alert, usual)
        return attempt

    def _stay_quiet(self, seconds: float) -> Quiet:
        """Look on for a while, and until the watch has been silent for some time."""
        alarms, looks, silent_since = list[str](), 0, self._quiet_since
        while True:
            self.stage.pause(LOOK_EVERY)
            looks += 1
            now, alert = time.time(), self.watch.look()
            if alert is not None:
                alarms.append(alert.summary)
                silent_since = now
            passed = now - self._quiet_since
            if passed >= seconds and (now - silent_since >= _CALM or passed >= _UNREST):
                return Quiet(start=self._quiet_since, end=now, looks=looks, alarms=tuple(alarms))

    def _harmless_change(self, fault: Mischief, dice: random.Random) -> str:
        """Perhaps somebody gives a service a slightly longer queue; returns the service's name."""
        service = dice.choice(self.stage.topology.names)
        commits = kind_of(fault).startswith("bad_")
        if dice.random() >= _DECOYS[commits] or service == fault.service:
            return ""
        repository = ConfigRepository(self.client.folder.config)
        file = service_file(service)
        text = repository.read(file)
        queue = parse_settings(text, file).pool.queue + dice.randint(1, 8)
        repository.commit({file: edited(text, {("pool", "queue"): queue})}, f"Tune {service}")
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

    def _cut(self, case: str, fault: Mischief, alert: Alert, attempt: Attempt) -> None:
        """Write the case folder: whole, or not at all."""
        now = time.time()
        onset = alert.began_at if alert.began_at is not None else alert.raised_at
        start = min(self._quiet_since, onset - 2 * _BUCKET)
        home = self.client.folder.home / "connections.d"
        changes = GitChanges(lambda: read_connections(home)).changes(
            Window(start=onset - CHANGES_BEFORE, end=now)
        )
        snapshots = FolderSnapshots(self.stage.work / "snapshots")
        reference = snapshots.cut(
            self.receiver.store,
            alert,
            Window(start=start, end=onset - _BUCKET),
            Window(start=onset, end=now),
            changes,
        )
        folder = self.stage.work / "snapshots" / reference
        head = json.loads((folder / "alert.json").read_text()) | {"case_id": case}
        (folder / "alert.json").write_text(json.dumps(head, indent=1) + "\n")
        truth = _truth(self.client.get("/truth"), fault, attempt)
        (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")
        place = self.stage.out / case
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        folder.rename(place)

    def _heal(self, began: float, alert: Alert | None, usual: dict[str, float]) -> None:
        """Cure the shop, and wait until its customers fare as they did."""
        self.client.post("/heal")
        deadline = time.monotonic() + _HEALTHY_WITHIN
        while not self._well(usual):
            if time.monotonic() > deadline:
                raise NotHealed("customers still fare badly after the cure")
            self.stage.pause(1.0)
        now = time.time()
        onset = alert.began_at if alert is not None and alert.began_at is not None else began
        self.watch.tainted.append(Window(start=min(onset, began), end=now))
        self._quiet_since = now

    def _well(self, usual: dict[str, float]) -> bool:
        seen = self.client.get("/status")
        if not all(service["healthy"] for service in seen["services"]):
            return False
        now = _slowest(seen["customers"])
        return all(fare["failed"] == 0 for fare in seen["customers"]) and all(
            now.get(entry, 0.0) <= 1.5 * before + 30.0 for entry, before in usual.items()
        )

    def _fares(self) -> dict[str, float]:
        return _slowest(self.client.get("/status")["customers"])


def _slowest(fares: list[dict[str, Any]]) -> dict[str, float]:
    """The 95th percentile (ms) of each entry that had customers."""
    return {f"{f['service']}/{f['operation']}": f["p95_ms"] for f in fares if f["p95_ms"] is not None}


def _told(attempt: Attempt, alert: Alert, began: float) -> Attempt:
    onset = alert.began_at if alert.began_at is not None else alert.raised_at
    return attempt.model_copy(
        update={
            "outcome": "recorded",
            "symptom": alert.symptom.service or "",
            "signal": alert.symptom.signal,
            "alarm_after": round(alert.raised_at - began, 1),
            "onset_error": round(onset - began, 1),
            "load": round(os.getloadavg()[0], 1),
        }
    )


def _truth(told: dict[str, Any], fault: Mischief, attempt: Attempt) -> dict[str, Any]:
    """truth.json of the case format."""
    causes = [
        {
            "service": cause["service"],
            "pod": None,
            "fault": attempt.fault,
            "indicator": INDICATORS.get(attempt.fault),
        }
        for cause in told["root_causes"]
    ]
    notes = {
        "fault": fault.model_dump(mode="json"),
        "since_unix": told["root_causes"][0]["since_unix"],
        "commit": told["root_causes"][0].get("commit"),
        "decoy": attempt.decoy or None,
    }
    return {
        "root_causes": causes,
        "source": f"demo shop {attempt.topology}",
        "notes": json.dumps(notes),
    }
