import json
import threading
import time
from pathlib import Path

import pytest

from benchmarks.fleet_report import Attempt, Quiet
from benchmarks.mischief import Mischief, choose, kind_of
from benchmarks.recording import Broken, Stage, Stopped, complaints, settle, told, truth_of
from benchmarks.topologies import draw
from causal.evidence import Alert, Symptom

SHOP = draw(1, 0)
FAULT: Mischief = next(fault for fault in choose(SHOP, 1) if kind_of(fault) == "bad_config_pool_size")
BROKEN = Broken(FAULT, 1000.0, Quiet(start=930.0, end=995.0), {"jade/tally": 50.0}, "onyx")
ALERT = Alert(
    fingerprint="f", symptom=Symptom(service="jade", signal="latency"), raised_at=1016.0, began_at=1005.0
)
CAUSES = [{"service": FAULT.service, "fault": "bad_config", "since_unix": 1000.5, "commit": "abc"}]


def _status(
    *, failed: int = 0, p95: float = 50.0, healthy: bool = True, broken: bool = False
) -> dict[str, object]:
    fare = {"service": "jade", "operation": "tally", "requests": 9, "failed": failed, "p95_ms": p95}
    services = [{"service": "jade", "healthy": healthy}]
    return {"services": services, "customers": [fare], "faults": [CAUSES[0]] if broken else []}


def _attempt(alert: Alert | None = ALERT) -> Attempt:
    return told(SHOP.name, "case_001", BROKEN, alert)


def test_a_shop_that_serves_as_before_is_well() -> None:
    assert complaints(_status(), BROKEN.usual) == []


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (_status(failed=1), "1 of jade failed"),
        (_status(p95=200.0), "jade/tally takes 200 ms, usually 50 ms"),
        (_status(healthy=False), "jade is down"),
        (_status(broken=True), f"{FAULT.service} still has bad_config"),
    ],
)
def test_a_shop_that_is_not_well_says_why(status: dict[str, object], says: str) -> None:
    assert complaints(status, BROKEN.usual) == [says]


def test_a_fault_without_an_alarm_was_missed() -> None:
    assert _attempt(None).outcome == "missed"


def test_an_alarm_is_timed_from_the_fault() -> None:
    assert (_attempt().alarm_after, _attempt().onset_error) == (16.0, 5.0)


def test_an_alarm_about_what_began_before_the_fault_is_not_of_it() -> None:
    assert _attempt(ALERT.model_copy(update={"began_at": 980.0})).outcome == "disturbed"


def test_the_truth_names_the_service_and_the_kind_of_fault() -> None:
    assert truth_of(CAUSES, BROKEN, _attempt())["root_causes"] == [
        {
            "service": FAULT.service,
            "pod": None,
            "fault": "bad_config_pool_size",
            "indicator": "pool.pending",
        }
    ]


def test_the_truth_tells_of_harmless_changes_in_its_notes() -> None:
    assert json.loads(truth_of(CAUSES, BROKEN, _attempt())["notes"])["decoy"] == "onyx"


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    folder = tmp_path / "0123456789abcdef"
    folder.mkdir()
    (folder / "alert.json").write_text(json.dumps({"case_id": folder.name, "system": "shop"}))
    return folder


def test_a_case_has_a_neutral_id(snapshot: Path, tmp_path: Path) -> None:
    settle(snapshot, tmp_path / "chain" / "case_001", {})
    alert = json.loads((tmp_path / "chain" / "case_001" / "alert.json").read_text())
    assert alert == {"case_id": "case_001", "system": "shop"}


def test_a_case_takes_the_place_of_one_that_was_never_noted(snapshot: Path, tmp_path: Path) -> None:
    place = tmp_path / "chain" / "case_001"
    place.mkdir(parents=True)
    (place / "logs.parquet").touch()
    settle(snapshot, place, {"root_causes": []})
    assert {path.name for path in place.iterdir()} == {"alert.json", "truth.json"}


def test_a_pause_ends_at_once_when_the_fleet_is_stopped(tmp_path: Path) -> None:
    stop = threading.Event()
    stage = Stage(SHOP, tmp_path, tmp_path, stop)
    threading.Timer(0.05, stop.set).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        stage.pause(60.0)
    assert time.monotonic() - began < 30.0
