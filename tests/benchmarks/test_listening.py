import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from benchmarks.listening import Receiver, Watch, receiving
from causal.evidence import Window

QUIET_SECONDS, BAD_SECONDS = 120, 30
NANOSECONDS = 1_000_000_000


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with receiving(tmp_path) as receiver:
        yield receiver


def _send(receiver: Receiver, moments: list[tuple[float, bool]]) -> int:
    spans = [
        {
            "traceId": f"{number:032x}",
            "spanId": f"{number:016x}",
            "name": "POST /tally",
            "kind": 2,
            "startTimeUnixNano": str(int(at * NANOSECONDS)),
            "endTimeUnixNano": str(int((at + 0.02) * NANOSECONDS)),
            "status": {"code": 2} if failed else {},
        }
        for number, (at, failed) in enumerate(moments, start=1)
    ]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "jade"}}]}
    body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}
    return httpx.post(f"{receiver.endpoint}/v1/traces", json=body).status_code


def _past(*, failing: bool) -> list[tuple[float, bool]]:
    """Ten requests a second up to now, of which the last half minute's fail if they shall."""
    now = time.time()
    ages = [age / 10 for age in range(30, 10 * QUIET_SECONDS)]
    return [(now - age, failing and age < BAD_SECONDS) for age in ages]


def test_what_is_sent_to_the_receiver_is_kept(receiver: Receiver) -> None:
    _send(receiver, _past(failing=False))
    kept = receiver.store.read(Window(start=0, end=time.time() + 60))
    assert len(kept.spans) == len(_past(failing=False))


def test_the_watch_is_silent_on_a_quiet_system(receiver: Receiver) -> None:
    _send(receiver, _past(failing=False))
    assert Watch(receiver.store, "shop").look() is None


def test_the_watch_names_the_service_that_fails(receiver: Receiver) -> None:
    _send(receiver, _past(failing=True))
    alert = Watch(receiver.store, "shop").look()
    assert alert is not None
    assert (alert.symptom.service, alert.symptom.signal) == ("jade", "errors")


def test_the_watch_does_not_judge_times_that_are_known_to_be_bad(receiver: Receiver) -> None:
    _send(receiver, _past(failing=True))
    now = time.time()
    tainted = [Window(start=now - BAD_SECONDS - 5, end=now)]
    assert Watch(receiver.store, "shop", tainted).look() is None


def test_nobody_listens_after_the_block(tmp_path: Path) -> None:
    with receiving(tmp_path) as receiver:
        pass
    with pytest.raises(httpx.ConnectError):
        httpx.get(receiver.endpoint)
