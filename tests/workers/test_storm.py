"""Very many alerts at one time: few incidents, none lost, and above what there is room for, come again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from temporalio.client import Client

from causal.errors import Unavailable
from causal.evidence import Alert, Diagnosis, Symptom
from integrations.alertmanager import AlertNotice
from integrations.memory import MemoryIncidents
from integrations.memory_actions import MemoryAction
from integrations.memory_telemetry import MemoryTelemetryStore
from integrations.otlp import decode_traces
from tests.workers.doors import OpenDoor, open_door, settings_of
from tests.workers.running import traffic
from tests.workers.stage import ALERT, Script, Stage, eventually
from tests.workers.test_webhooks import AT, WEBHOOK, alert, payload
from workers.door.alert_desk import AlertDesk
from workers.incident_workflow import MOST_JOINED
from workers.intake import TOLD_WHOLE, Intake
from workers.rolling import Rolling

MANY = 300


@pytest.fixture(scope="module")
async def opened(module_client: Client, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OpenDoor]:
    """The door of this module; in its telemetry a gateway calls a cart."""
    with open_door(settings_of(tmp_path_factory.mktemp("home"), module_client)) as there:
        sent = traffic(AT - 60, AT - 1, cart_fails=False)
        there.house.telemetry.append(decode_traces(sent.SerializeToString(), "protobuf").rows)
        yield there


async def test_a_storm_over_two_systems_makes_two_incidents_and_loses_none(opened: OpenDoor) -> None:
    headers = {"Authorization": f"Bearer {opened.house.settings.token()}"}
    limits = httpx.Limits(max_connections=50)
    sent = [alert(f"{number:08x}", ("gateway", "cart", "mail")[number % 3]) for number in range(MANY)]
    async with httpx.AsyncClient(base_url=opened.url, headers=headers, timeout=120, limits=limits) as http:
        answers = await asyncio.gather(*(http.post(WEBHOOK, json=payload(each)) for each in sent))
    assert {answer.status_code for answer in answers} == {200}
    kept = opened.house.incidents.open()
    assert (len(kept), sum(map(len, kept.values()))) == (2, MANY)


async def test_the_caller_opens_the_incident_of_alerts_that_come_together(
    client: Client, tmp_path: Path
) -> None:
    with open_door(settings_of(tmp_path, client)) as door:
        sent = traffic(AT - 60, AT - 1, cart_fails=False)
        door.house.telemetry.append(decode_traces(sent.SerializeToString(), "protobuf").rows)
        body = payload(alert("c", "cart"), alert("g", "gateway"))
        [incident] = (await asyncio.to_thread(door.post, WEBHOOK, json=body)).json()["incidents"]
        assert door.house.incidents.get(incident).alert.symptom.service == "gateway"


async def test_more_alerts_than_wait_at_one_time_are_to_come_again() -> None:
    desk = AlertDesk(Intake(MemoryIncidents(), _nowhere), Rolling(MemoryTelemetryStore()), most=1)
    notice = AlertNotice(alert=ALERT, resolved=False, key="k")
    first = asyncio.create_task(desk.take((notice,)))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="too many alerts"):
        await desk.take((notice,))
    with pytest.raises(Unavailable, match="no Temporal"):
        await first


async def test_a_ticket_shows_the_first_alerts_and_counts_the_others(client: Client) -> None:
    stage = Stage(client, Script(diagnosis=Diagnosis(engine="test"), recovers=False), MemoryAction())
    alerts = [_alert(number) for number in range(TOLD_WHOLE + 50)]
    async with stage.at_work():
        await stage.alert()
        await stage.intake.accept_all([(each, frozenset({"gateway"})) for each in alerts])
        await eventually(lambda: stage.ticket().joined)
        ticket = stage.ticket()
    assert (len(ticket.joined), ticket.more_joined) == (MOST_JOINED, len(alerts) - MOST_JOINED)


async def test_repeats_of_a_whole_storm_are_counted_and_join_nothing(client: Client) -> None:
    stage = Stage(client, Script(diagnosis=Diagnosis(engine="test"), recovers=False), MemoryAction())
    storm = [(_alert(number), frozenset({"gateway"})) for number in range(64)]
    async with stage.at_work():
        await stage.alert()
        await stage.intake.accept_all(storm)
        await stage.intake.accept_all(storm)
        await eventually(lambda: stage.ticket().duplicates)
        ticket = stage.ticket()
    assert (ticket.duplicates, len(ticket.joined) + ticket.more_joined) == (64, 64)


def _alert(number: int) -> Alert:
    return Alert(
        fingerprint=f"{number:016x}",
        source="test",
        symptom=Symptom(service="gateway", signal="errors"),
        raised_at=1000.0,
        summary=f"gateway fails in way {number}",
    )


def _nowhere() -> Client:
    raise Unavailable("no Temporal here")
