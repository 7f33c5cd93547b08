"""Alertmanager's webhook at the real door: which incident an alert is in when its sender gets a 200."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import connect
from typing import Any

import httpx
import pytest
from temporalio.client import Client

from causal.evidence import Alert, Diagnosis
from integrations.alertmanager import parse
from integrations.memory_actions import MemoryAction
from integrations.otlp import decode_traces
from tests.workers.doors import OpenDoor, open_door, settings_of
from tests.workers.running import traffic
from tests.workers.stage import Script, Stage, eventually

WEBHOOK = "/webhooks/alertmanager"
AT = 1_790_000_000.0
MANY = 200


def alert(fingerprint: str, service: str = "gateway", status: str = "firing") -> dict[str, Any]:
    """One alert as Alertmanager sends it, raised a moment after the traffic of the door's store."""
    return {
        "status": status,
        "fingerprint": fingerprint,
        "labels": {"alertname": "TooManyErrors", "service": service, "severity": "page"},
        "annotations": {"summary": f"{service} fails"},
        "startsAt": datetime.fromtimestamp(AT, UTC).isoformat(),
        "endsAt": "0001-01-01T00:00:00Z",
    }


def payload(*alerts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A notification, version 4."""
    return {"version": "4", "groupKey": "{}", "status": "firing", "alerts": list(alerts), **changes}


@pytest.fixture(scope="module")
async def opened(module_client: Client, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OpenDoor]:
    """The door of this module; in its telemetry a gateway calls a cart."""
    with open_door(settings_of(tmp_path_factory.mktemp("home"), module_client, body_limit=20_000)) as there:
        sent = traffic(AT - 60, AT - 1, cart_fails=False)
        there.house.telemetry.append(decode_traces(sent.SerializeToString(), "protobuf").rows)
        yield there


def noticed(sent: dict[str, Any]) -> Alert:
    """An alert as the house knows it."""
    return parse(json.dumps(payload(sent)).encode())[0].alert


def tell(door: OpenDoor, *alerts: dict[str, Any], **changes: Any) -> list[str]:
    """Send a notification; gives the incidents that its alerts are in."""
    answer = door.post(WEBHOOK, json=payload(*alerts, **changes))
    assert answer.status_code == 200, answer.text
    told: list[str] = answer.json()["incidents"]
    return told


def refusal(door: OpenDoor, body: bytes) -> tuple[int, str]:
    """The status and the words that a body is refused with."""
    answer = door.post(WEBHOOK, content=body)
    return answer.status_code, answer.json()["error"]


def test_an_alert_opens_an_incident(opened: OpenDoor) -> None:
    [incident] = tell(opened, alert("opens"))
    assert opened.get(f"/api/incidents/{incident}").json()["alert"]["labels"]["alertname"] == "TooManyErrors"


async def test_the_incident_of_an_alert_is_started(opened: OpenDoor, module_client: Client) -> None:
    [incident] = await asyncio.to_thread(tell, opened, alert("started", "starting"))
    description = await module_client.get_workflow_handle(incident).describe()
    assert description.workflow_type == "IncidentWorkflow"


def test_the_same_alert_again_joins_its_incident(opened: OpenDoor) -> None:
    assert tell(opened, alert("again")) == tell(opened, alert("again"))


def test_an_alert_on_a_service_that_the_unwell_one_calls_joins(opened: OpenDoor) -> None:
    assert tell(opened, alert("caller", "gateway")) == tell(opened, alert("called", "cart"))


def test_an_alert_on_an_unrelated_service_opens_another_incident(opened: OpenDoor) -> None:
    assert tell(opened, alert("here", "gateway")) != tell(opened, alert("there", "mail"))


def test_alerts_of_one_notification_may_be_of_several_incidents(opened: OpenDoor) -> None:
    assert len(tell(opened, alert("first", "one"), alert("second", "other"))) == 2


def test_an_alert_of_grafanas_opens_an_incident(opened: OpenDoor) -> None:
    answer = opened.post("/webhooks/grafana", json={"version": "1", "alerts": [alert("grafana", "search")]})
    [incident] = answer.json()["incidents"]
    assert opened.get(f"/api/incidents/{incident}").json()["alert"]["source"] == "grafana"


def test_a_sentence_and_a_service_open_an_incident(opened: OpenDoor) -> None:
    answer = opened.post("/webhooks/alerts", json={"summary": "search fails", "service": "plain-search"})
    [incident] = answer.json()["incidents"]
    assert opened.get(f"/api/incidents/{incident}").json()["title"] == "search fails"


def test_an_alert_that_is_expected_opens_no_incident(opened: OpenDoor) -> None:
    windows = "windows:\n  - {because: batch, weekdays: [mon, tue, wed, thu, fri, sat, sun], zone: UTC, "
    (opened.house.settings.home / "maintenance.yaml").write_text(f'{windows}service: "expected-*"}}\n')
    answer = opened.post(WEBHOOK, json=payload(alert("in-maintenance", "expected-cart")))
    assert answer.json() == {"incidents": [], "resolved": 0, "expected": 1}


def test_a_resolved_alert_that_nobody_knows_is_taken(opened: OpenDoor) -> None:
    answer = opened.post(WEBHOOK, json=payload(alert("unknown", "nobody", status="resolved")))
    assert answer.json() == {"incidents": [], "resolved": 1, "expected": 0}


async def test_a_resolved_alert_reaches_its_incident(opened: OpenDoor, module_client: Client) -> None:
    [incident] = await asyncio.to_thread(tell, opened, alert("over", "short-lived"))
    await asyncio.to_thread(tell, opened, alert("over", "short-lived", status="resolved"))
    history = await module_client.get_workflow_handle(incident).fetch_history()
    signals = [event.workflow_execution_signaled_event_attributes.signal_name for event in history.events]
    assert "resolved" in signals


def test_a_resolved_alert_whose_incident_never_started_is_no_error(opened: OpenDoor) -> None:
    # Opened in the store and never started, as after a crash in between.
    notice = alert("unstarted", "never")
    opened.house.incidents.open_or_join(noticed(notice), frozenset(), 60.0)
    answer = opened.post(WEBHOOK, json=payload({**notice, "status": "resolved"}))
    assert answer.status_code == 200


async def test_a_notification_with_many_twins_is_one_incident(
    opened: OpenDoor,
) -> None:
    before = len(opened.house.incidents.all(1000))
    headers = {"Authorization": f"Bearer {opened.house.settings.token()}"}
    limits = httpx.Limits(max_connections=50)
    async with httpx.AsyncClient(base_url=opened.url, headers=headers, timeout=60, limits=limits) as http:
        sent = payload(alert("storm", "stormy"))
        answers = await asyncio.gather(*(http.post(WEBHOOK, json=sent) for _ in range(MANY)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(opened.house.incidents.all(1000)) == before + 1


async def test_repeats_of_an_alert_are_counted_in_its_ticket(client: Client, tmp_path: Path) -> None:
    with open_door(settings_of(tmp_path, client)) as door:
        stage = _stage(client, door)
        async with stage.at_work():
            for _ in range(3):
                await asyncio.to_thread(tell, door, alert("repeated"))
            await eventually(lambda: stage.ticket().duplicates == 2)
            assert len(stage.incidents.all()) == 1


async def test_a_resolved_alert_ends_the_waiting(client: Client, tmp_path: Path) -> None:
    with open_door(settings_of(tmp_path, client)) as door:
        stage = _stage(client, door)
        stage.script.recovers = False
        async with stage.at_work():
            await stage.alert(noticed(alert("waits")))
            await eventually(lambda: stage.ticket().status == "left_to_humans")
            await asyncio.to_thread(tell, door, alert("waits", status="resolved"))
            await eventually(lambda: stage.ticket().ended_at)
    assert stage.incidents.open() == {}


# What cannot be read


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"\xff\xfe", "body"),
        (b"[" * 10_000, "body"),
        (b"[]", "version"),
        (b"{}", "version"),
        (json.dumps(payload(version="3")).encode(), "version"),
        (json.dumps({"version": "4"}).encode(), "alerts"),
        (json.dumps(payload(alert("a") | {"labels": []})).encode(), "alerts[0].labels"),
        (json.dumps(payload(alert("a"), alert("b") | {"status": "odd"})).encode(), "alerts[1].status"),
        (json.dumps(payload(alert("a") | {"startsAt": "yesterday"})).encode(), "alerts[0].startsAt"),
        (
            json.dumps(payload(alert("a") | {"startsAt": "2026-01-01T00:00:00"})).encode(),
            "alerts[0].startsAt",
        ),
    ],
)
def test_what_is_no_notification_is_refused_and_its_field_named(
    opened: OpenDoor, body: bytes, field: str
) -> None:
    status, words = refusal(opened, body)
    assert (status, words.split(": ")[0]) == (400, field)


def test_a_notification_with_one_bad_alert_opens_nothing(opened: OpenDoor) -> None:
    before = len(opened.house.incidents.all(1000))
    bad = payload(alert("good", "goodly"), alert("bad", "badly") | {"startsAt": "yesterday"})
    refusal(opened, json.dumps(bad).encode())
    assert len(opened.house.incidents.all(1000)) == before


def test_a_body_over_its_limit_is_too_large(opened: OpenDoor) -> None:
    status, words = refusal(opened, b" " * 20_001)
    assert (status, "20000" in words) == (413, True)


# When something behind the door is away


def test_without_temporal_the_sender_is_to_try_again(stranded: OpenDoor) -> None:
    answer = stranded.post(WEBHOOK, json=payload(alert("stranded")))
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)


def test_without_its_store_the_sender_is_to_try_again(client: Client, tmp_path: Path) -> None:
    with open_door(settings_of(tmp_path, client)) as door:
        with broken(tmp_path / "aitia.db"):
            first = door.post(WEBHOOK, json=payload(alert("storeless")))
        second = door.post(WEBHOOK, json=payload(alert("storeless")))
    assert (first.status_code, second.status_code) == (503, 200)


@contextmanager
def broken(database: Path) -> Iterator[None]:
    """A database without its table of alerts, as long as this lasts."""
    with connect(database) as connection:
        connection.execute("ALTER TABLE incident_alert RENAME TO elsewhere")
    yield
    with connect(database) as connection:
        connection.execute("ALTER TABLE elsewhere RENAME TO incident_alert")


def _stage(client: Client, door: OpenDoor) -> Stage:
    """The agents behind a door; they find no cause, so that incidents are left to humans."""
    return Stage(
        client,
        Script(diagnosis=Diagnosis(engine="test")),
        MemoryAction(),
        incidents=door.house.incidents,
        approvals=door.house.approvals,
        audit=door.house.audit,
    )
