"""The metric agent: what it opens an incident for, what it freezes, and when it believes in recovery."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from temporalio.client import Client

from causal.errors import Unavailable
from causal.evidence import Alert, Change, Symptom, Window
from integrations.backends.source import Pulled
from integrations.memory import MemoryIncidents
from integrations.memory_telemetry import MemoryTelemetryStore
from integrations.otlp import decode_traces
from integrations.ports import ChangeSource, TelemetryStore
from integrations.snapshots import FolderSnapshots, load_case
from integrations.telemetry_store import DiskTelemetryStore
from playbooks.remedy import Verification
from tests.workers.running import traffic
from workers.intake import Intake
from workers.messages import CheckOrder, Incident, Observation
from workers.metric_agent import MetricAgent
from workers.quiet_memory import QuietMemory
from workers.rolling import Rolling
from workers.tail import Tail

T0 = 1_790_000_000.0
BROKE = T0 + 120
NOW = BROKE + 20


@dataclass
class Clock:
    """A clock that goes where a test puts it."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class GivenChanges:
    """A source of changes that is told what there is."""

    all: tuple[Change, ...]

    def changes(self, window: Window) -> tuple[Change, ...]:
        return tuple(change for change in self.all if window.holds(change.at))


def nowhere() -> Client:
    """The Temporal server of an agent that needs none."""
    raise Unavailable("this agent opens no incidents")


@dataclass
class Ward:
    """A metric agent and the systems that it watches."""

    folder: Path
    connect: Callable[[], Client] = nowhere
    clock: Clock = field(default_factory=Clock)
    incidents: MemoryIncidents = field(default_factory=MemoryIncidents)
    changes: tuple[ChangeSource, ...] = ()
    store: TelemetryStore | None = None

    def __post_init__(self) -> None:
        self.telemetry = self.store or MemoryTelemetryStore(clock=self.clock)
        self.agent = MetricAgent(
            rolling=Rolling(self.telemetry),
            memory=QuietMemory(self.telemetry, self.folder / "quiet"),
            snapshots=FolderSnapshots(self.folder),
            incidents=self.incidents,
            changes=self.changes,
            intake=Intake(self.incidents, self.connect),
            clock=self.clock,
        )

    def see(self, start: float, end: float, *, fails: bool = False, system: str = "") -> None:
        """Send the requests begun between two moments; a system of another name has other services."""
        request = traffic(start, end, cart_fails=fails)
        for resource in request.resource_spans:
            resource.resource.attributes[0].value.string_value += system
            for span in resource.scope_spans[0].spans:
                span.trace_id = (system.encode() + span.trace_id)[:16]
        self.telemetry.append(decode_traces(request.SerializeToString(), "protobuf").rows)

    def alert(self, **changes: object) -> Alert:
        """An alert from outside, raised now."""
        told = Alert(
            fingerprint="f" * 16,
            source="test",
            symptom=Symptom(service="gateway", signal="errors"),
            raised_at=self.clock.now,
            began_at=BROKE,
        )
        return told.model_copy(update=changes)

    def observe(self, **changes: object) -> Observation:
        """What the agent freezes for an alert from outside."""
        return self.agent.observe(Incident(id="inc-1", alert=self.alert(**changes)))

    def check(self, seen: Observation, since: float, *, quiet_for: float = 30.0) -> Verification:
        """Whether the incident is over, looked at now."""
        order = CheckOrder(
            incident="inc-1",
            snapshot=seen.snapshot,
            symptom=seen.alert.symptom,
            services=("cart",),
            baseline=seen.baseline,
            since=since,
            quiet_for=quiet_for,
        )
        return self.agent.verify(order)


@pytest.fixture
def watching(client: Client, tmp_path: Path) -> Ward:
    """An agent that may open incidents; a gateway and a cart were well for two minutes."""
    ward = Ward(tmp_path, lambda: client)
    ward.see(T0, BROKE)
    return ward


@pytest.fixture
def broken(tmp_path: Path) -> Ward:
    """A gateway and a cart that were well for two minutes, and then failed."""
    ward = Ward(tmp_path)
    ward.see(T0, BROKE)
    ward.see(BROKE, NOW, fails=True)
    return ward


# The watch


async def test_failing_requests_open_an_incident(watching: Ward) -> None:
    watching.see(BROKE, NOW, fails=True)
    assert await watching.agent.watch() == tuple(watching.incidents.open())


async def test_failing_requests_in_a_store_on_disk_open_an_incident(client: Client, tmp_path: Path) -> None:
    clock = Clock()
    store = DiskTelemetryStore(tmp_path / "telemetry", keep_free=0, clock=clock)
    ward = Ward(tmp_path / "snapshots", lambda: client, clock, store=store)
    ward.see(T0, BROKE)
    ward.see(BROKE, NOW, fails=True)
    assert len(await ward.agent.watch()) == 1


async def test_the_incident_is_started_at_once(watching: Ward, client: Client) -> None:
    watching.see(BROKE, NOW, fails=True)
    [incident] = await watching.agent.watch()
    assert (await client.get_workflow_handle(incident).describe()).workflow_type == "IncidentWorkflow"


async def test_quiet_traffic_opens_nothing(watching: Ward) -> None:
    watching.see(BROKE, NOW)
    assert await watching.agent.watch() == ()


async def test_no_traffic_at_all_opens_nothing(tmp_path: Path) -> None:
    assert await Ward(tmp_path).agent.watch() == ()


async def test_related_anomalies_become_one_incident_named_by_where_users_feel_it(watching: Ward) -> None:
    watching.see(BROKE, NOW, fails=True)  # gateway and cart both fail
    [incident] = await watching.agent.watch()
    assert watching.incidents.get(incident).alert.symptom == Symptom(service="gateway", signal="errors")


async def test_two_systems_that_know_nothing_of_each_other_are_two_incidents(watching: Ward) -> None:
    watching.see(T0, BROKE, system="-b")
    watching.see(BROKE, NOW, fails=True)
    watching.see(BROKE, NOW, fails=True, system="-b")
    assert len(set(await watching.agent.watch())) == 2


async def test_a_second_look_finds_the_same_incident(watching: Ward) -> None:
    watching.see(BROKE, NOW + 10, fails=True)
    first = await watching.agent.watch()
    watching.clock.now += 10
    assert await watching.agent.watch() == first


async def test_a_second_look_tells_the_incident_nothing(watching: Ward, client: Client) -> None:
    watching.see(BROKE, NOW + 10, fails=True)
    await watching.agent.watch()
    watching.clock.now += 10
    [incident] = await watching.agent.watch()
    history = await client.get_workflow_handle(incident).fetch_history()
    assert [e for e in history.events if e.HasField("workflow_execution_signaled_event_attributes")] == []


async def test_a_running_incident_hides_no_other_one(watching: Ward) -> None:
    watching.see(T0, NOW, system="-b")
    watching.see(BROKE, NOW + 20, fails=True)
    first = await watching.agent.watch()
    watching.see(NOW, NOW + 20, fails=True, system="-b")
    watching.clock.now += 20
    assert len({*first, *await watching.agent.watch()}) == 2


async def test_the_failures_of_an_ended_incident_open_no_other_one(watching: Ward) -> None:
    watching.see(BROKE, NOW, fails=True)
    [incident] = await watching.agent.watch()
    watching.see(NOW, NOW + 10)
    ended = watching.incidents.get(incident).model_copy(update={"ended_at": NOW + 10})
    watching.incidents.put(ended)
    watching.clock.now = NOW + 10
    assert await watching.agent.watch() == ()


async def test_a_look_while_temporal_is_away_is_made_up_for_by_the_next(
    client: Client, tmp_path: Path
) -> None:
    ward = Ward(tmp_path)
    ward.see(T0, BROKE)
    ward.see(BROKE, NOW, fails=True)
    with pytest.raises(Unavailable):
        await ward.agent.watch()
    again = Ward(tmp_path, lambda: client, incidents=ward.incidents, store=ward.telemetry)
    [incident] = await again.agent.watch()
    assert (await client.get_workflow_handle(incident).describe()).workflow_type == "IncidentWorkflow"


# What is frozen


def test_what_was_observed_is_a_case_that_can_be_read(broken: Ward) -> None:
    seen = broken.observe()
    _, telemetry = load_case(broken.folder / seen.snapshot)
    assert (telemetry.baseline, telemetry.window) == (seen.baseline, seen.window)


def test_a_snapshot_holds_what_was_well_and_what_was_not(broken: Ward) -> None:
    _, telemetry = load_case(broken.folder / broken.observe().snapshot)
    assert (telemetry.quiet.spans.status.max(), telemetry.incident.spans.status.max()) == (0, 2)


def test_observing_again_at_the_same_moment_makes_the_same_snapshot(broken: Ward) -> None:
    assert broken.observe() == broken.observe()


def test_trouble_that_began_before_its_alert_is_in_the_window(broken: Ward) -> None:
    assert broken.observe(began_at=NOW).window.start <= BROKE + 5


def test_trouble_that_its_own_incident_covers_is_still_dated(broken: Ward) -> None:
    alert = broken.alert(began_at=BROKE + 15)
    opened = broken.incidents.open_or_join(alert, frozenset(), 0.0)
    assert broken.agent.observe(Incident(id=opened.incident, alert=alert)).window.start <= BROKE + 5


def test_the_time_of_an_earlier_incident_is_not_quiet_time(broken: Ward) -> None:
    opened = broken.incidents.open_or_join(broken.alert(began_at=T0 + 20), frozenset(), 0.0)
    ticket = broken.incidents.get(opened.incident)
    broken.incidents.put(ticket.model_copy(update={"status": "recovered", "ended_at": T0 + 40}))
    assert broken.observe().baseline.start >= T0 + 40


def test_recent_changes_are_frozen_with_the_telemetry(tmp_path: Path) -> None:
    changes = (Change(id="c1", at=BROKE - 5, service="cart"), Change(id="old", at=T0 - 9e4, service="cart"))
    ward = Ward(tmp_path, changes=(GivenChanges(changes),))
    ward.see(T0, BROKE)
    ward.see(BROKE, NOW, fails=True)
    _, telemetry = load_case(tmp_path / ward.observe().snapshot)
    assert [change.id for change in telemetry.changes] == ["c1"]


# Recovery


@pytest.fixture
def healed(broken: Ward) -> tuple[Ward, Observation]:
    """A system that was observed while it failed, and has been well for a minute since."""
    seen = broken.observe()
    broken.see(NOW, NOW + 60)
    return broken, seen


def test_a_system_that_still_fails_has_not_recovered(broken: Ward) -> None:
    seen = broken.observe()
    broken.see(NOW, NOW + 60, fails=True)
    broken.clock.now = NOW + 60
    assert not broken.check(seen, NOW).recovered


def test_a_system_that_was_well_long_enough_has_recovered(healed: tuple[Ward, Observation]) -> None:
    ward, seen = healed
    ward.clock.now = NOW + 60
    assert ward.check(seen, NOW).recovered


def test_a_system_is_not_believed_before_it_was_well_long_enough(healed: tuple[Ward, Observation]) -> None:
    ward, seen = healed
    ward.clock.now = NOW + 25
    assert not ward.check(seen, NOW).recovered


def test_a_relapse_makes_the_waiting_begin_anew(healed: tuple[Ward, Observation]) -> None:
    ward, seen = healed
    ward.see(NOW + 60, NOW + 75, fails=True)
    ward.see(NOW + 75, NOW + 90)
    ward.clock.now = NOW + 90
    assert not ward.check(seen, NOW).recovered


def test_no_traffic_is_no_recovery(broken: Ward) -> None:
    seen = broken.observe()
    broken.clock.now = NOW + 60
    assert not broken.check(seen, NOW).recovered


def test_what_was_seen_is_told_with_figures(healed: tuple[Ward, Observation]) -> None:
    ward, seen = healed
    ward.clock.now = NOW + 60
    assert "gateway got" in ward.check(seen, NOW).says


def test_an_alert_about_saturation_is_judged_by_resources_or_says_that_none_are_told(broken: Ward) -> None:
    seen = broken.observe(symptom=Symptom(service="gateway", signal="saturation"))
    broken.see(NOW, NOW + 60)
    broken.clock.now = NOW + 60
    assert "no metric tells" in broken.check(seen, NOW).says


def test_a_system_that_was_well_before_the_fix_is_known_to_have_been(
    healed: tuple[Ward, Observation],
) -> None:
    ward, seen = healed
    ward.see(NOW + 60, NOW + 140)
    ward.clock.now = NOW + 140
    since = ward.check(seen, NOW + 80).well_since
    assert since is not None
    assert NOW <= since <= NOW + 15


def test_quiet_time_is_known_even_when_the_store_has_forgotten_it(healed: tuple[Ward, Observation]) -> None:
    ward, seen = healed
    forgetful = Ward(ward.folder, clock=Clock(NOW + 60))
    forgetful.see(NOW, NOW + 60)
    assert forgetful.check(seen, NOW).recovered


def test_failures_are_seen_even_when_the_store_has_forgotten_quiet_time(broken: Ward) -> None:
    seen = broken.observe()
    forgetful = Ward(broken.folder, clock=Clock(NOW + 60))
    forgetful.see(NOW, NOW + 60, fails=True)
    assert not forgetful.check(seen, NOW).recovered


def test_a_snapshot_holds_what_is_remembered_of_quiet_time(broken: Ward) -> None:
    broken.agent = replace(broken.agent, look_back=60.0)
    broken.agent.memory.tend(NOW + 180, ())
    _, telemetry = load_case(broken.folder / broken.observe().snapshot)
    assert len(telemetry.past)


async def test_the_watch_tends_the_memory_of_quiet_time(watching: Ward) -> None:
    watching.see(BROKE, NOW + 180)
    watching.clock.now = NOW + 180
    await watching.agent.watch()
    assert len(watching.agent.memory.before(NOW + 180, ()))


class AwaySource:
    """A place that keeps telemetry and does not answer."""

    name, settles = "away", 0.0

    def pull(self, window: Window) -> Pulled:
        raise Unavailable(f"it does not answer for {window.seconds:.0f} s")

    def ping(self) -> str:
        raise Unavailable("it does not answer")


def test_what_a_source_could_not_give_is_missing_from_an_observation(tmp_path: Path) -> None:
    ward = Ward(tmp_path)
    ward.see(T0, BROKE)
    tail = Tail(lambda: (AwaySource(),), ward.telemetry, tmp_path / "tail.json")
    ward.agent = replace(ward.agent, tail=tail)
    ward.agent.catch_up()
    assert any(says.startswith("away: it does not answer") for says in ward.observe().missing)
