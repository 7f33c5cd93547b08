"""`aitia replay`: which decisions about recorded incidents would be others today."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from causal.diagnose import diagnose
from causal.evidence import Alert, Diagnosis, Fault, Priors, Symptom, Window
from causal.telemetry import Telemetry
from integrations.actions import standard_actions, standard_checks
from integrations.connections import read_connections, service_facts
from integrations.database import open_database
from integrations.memory_telemetry import MemoryTelemetryStore
from integrations.snapshots import FolderSnapshots
from integrations.store import SqlAuditLog, SqlIncidents, SqlKillSwitch, SqlLocks, SqlPriorStore
from playbooks.catalog import LIBRARY, read_catalog
from playbooks.gate import Policy
from playbooks.planning import plans_for
from playbooks.remedy import Proposal
from tests.integrations.telemetry_examples import T0, spans_at
from workers.commands import replay
from workers.deciding import Gatekeeper

ALERT = Alert(
    fingerprint="f" * 16,
    symptom=Symptom(service="cart", signal="errors"),
    raised_at=T0 + 420.0,
    began_at=T0 + 300.0,
)
CONNECTION = "processes:\n  shop: {services: [cart], restart: [/bin/true, '${service}']}\n"
STRICT = "suggest_above: 0.999\nact_above: 0.999\n"
RELOAD = """\
name: warm-restart
description: Restarts a service the gentle way.
cures: [{fault: errors}]
impact: low
confidence: {prior: 0.99, weight: 4}
parameters:
  service: {from: $cause.service}
  process: {from: $service.process}
steps:
  - id: restart
    action: process.restart
    with: {process: $process, service: $service}
verify:
  recovered_when: {signal: $alert.signal, within: 5m, quiet_for: 20s}
"""

app = typer.Typer()
replay.add_to(app)
app.command("other")(lambda: None)


def aitia_replay(home: Path, *words: str | Path) -> Result:
    settings = {"AITIA_HOME": str(home), "AITIA_DATABASE_URL": None}
    return CliRunner().invoke(app, ["replay", *map(str, words)], env=settings)


def frozen(folder: Path) -> tuple[str, Alert, Telemetry]:
    """Freeze a cart that answers well for five minutes and then fails for two."""
    store = MemoryTelemetryStore()
    store.append(spans_at(*(2.0 * number for number in range(150))))
    failing = (300 + 2.0 * number for number in range(60))
    store.append(spans_at(*failing, first=1000, status="error", status_code="500", duration_ns=300_000_000))
    snapshots = FolderSnapshots(folder)
    quiet, unwell = Window(start=T0, end=T0 + 299), Window(start=T0 + 300, end=T0 + 420)
    reference = snapshots.cut(store, ALERT, quiet, unwell)
    return reference, *snapshots.load(reference)


def recorded(home: Path, *, policy: Policy, stopped: bool = False, blamed: str = "") -> None:
    """Record an incident as the agents do: frozen, diagnosed, planned, decided about, and over."""
    (home / "connections.d").mkdir(parents=True)
    (home / "connections.d" / "shop.yaml").write_text(CONNECTION)
    reference, alert, telemetry = frozen(home / "snapshots")
    engine = open_database(f"sqlite:///{home / 'aitia.db'}")
    incidents, audit, switch = SqlIncidents(engine), SqlAuditLog(engine), SqlKillSwitch(engine)
    incident = incidents.open_or_join(alert, frozenset(), 60.0).incident
    if stopped:
        switch.throw(by="ada", because="a drill", at=T0)
    diagnosis = diagnose(alert, telemetry)
    connections = read_connections(home / "connections.d")
    planning = plans_for(
        diagnosis,
        alert,
        incident,
        read_catalog(
            [LIBRARY],
            standard_actions(lambda: connections, home / "actions"),
            standard_checks(lambda: connections),
        ),
        Priors(),
        facts=lambda service: service_facts(connections, service),
    )
    gate = Gatekeeper(lambda: policy, SqlPriorStore(engine), incidents, SqlLocks(engine), switch, audit)
    proposals = tuple(
        Proposal(plan=plan, decision=gate.decide(plan, "planned", "0" * 32)) for plan in planning.plans
    )
    switch.release(by="ada", because="over", at=T0)
    told = {
        "diagnosis": blaming(diagnosis, blamed) if blamed else diagnosis,
        "proposals": proposals,
        "snapshot": reference,
        "ended_at": T0 + 900.0,
    }
    incidents.put(incidents.get(incident).model_copy(update=told))
    engine.dispose()


def blaming(diagnosis: Diagnosis, service: str) -> Diagnosis:
    """The same diagnosis, with another service blamed for another fault."""
    assert diagnosis.first is not None
    entity = diagnosis.first.entity.model_copy(update={"name": service, "service": service})
    other = {"entity": entity, "service": service, "fault": Fault.CPU}
    return diagnosis.model_copy(update={"hypotheses": (diagnosis.first.model_copy(update=other),)})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("site") / "home"
    recorded(home, policy=Policy())
    return home


@pytest.fixture
def home(site: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(site, tmp_path / "home"))


def written(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def test_the_same_engine_policy_and_playbooks_change_nothing(home: Path) -> None:
    answer = aitia_replay(home, "--gate")
    assert (answer.exit_code, "no decision changes" in answer.output) == (0, True)


def test_the_record_of_this_test_asks_somebody(home: Path) -> None:
    told = json.loads(aitia_replay(home, "--json").stdout)["incidents"][0]
    assert (told["now"]["plan"], told["now"]["verdict"]) == ("restart-service on cart", "ask")


def test_another_policy_changes_the_verdict_and_ends_with_three(home: Path, tmp_path: Path) -> None:
    answer = aitia_replay(home, "--gate", "--policy", written(tmp_path, "policy.yaml", STRICT))
    assert (answer.exit_code, "ask -> suggest" in answer.output) == (3, True)


def test_a_policy_that_changes_in_the_site_is_noticed_too(home: Path) -> None:
    written(home, "policy.yaml", STRICT)
    assert aitia_replay(home, "--gate").exit_code == 3


def test_without_the_gate_a_change_is_told_and_no_failure(home: Path, tmp_path: Path) -> None:
    answer = aitia_replay(home, "--policy", written(tmp_path, "policy.yaml", STRICT))
    assert (answer.exit_code, "1 changed" in answer.stderr) == (0, True)


def test_a_policy_alone_is_replayed_without_the_telemetry(home: Path, tmp_path: Path) -> None:
    shutil.rmtree(home / "snapshots")
    assert aitia_replay(home, "--gate", "--policy", written(tmp_path, "p.yaml", "")).exit_code == 0


def test_telemetry_that_is_gone_is_trouble_for_the_engine(home: Path) -> None:
    shutil.rmtree(home / "snapshots")
    answer = aitia_replay(home, "--gate", "--engine")
    assert (answer.exit_code, "could not be replayed" in answer.output) == (1, True)


def test_a_better_playbook_changes_the_plan(home: Path, tmp_path: Path) -> None:
    playbooks = written(tmp_path / "playbooks", "warm.yaml", RELOAD).parent
    answer = aitia_replay(home, "--gate", "--playbooks", playbooks)
    assert (answer.exit_code, "restart-service on cart -> warm-restart on cart" in answer.output) == (3, True)


def test_playbooks_that_cannot_be_read_are_trouble(home: Path, tmp_path: Path) -> None:
    playbooks = written(tmp_path / "playbooks", "warm.yaml", "name: warm").parent
    assert aitia_replay(home, "--gate", "--playbooks", playbooks).exit_code == 1


def test_an_engine_that_says_otherwise_than_it_did_is_noticed(tmp_path: Path) -> None:
    recorded(tmp_path, policy=Policy(), blamed="ledger")
    answer = aitia_replay(tmp_path, "--gate", "--engine")
    assert (answer.exit_code, "service:ledger -> service:cart" in answer.output) == (3, True)


def test_what_the_engine_said_then_stands_where_only_the_policy_is_tried(tmp_path: Path) -> None:
    recorded(tmp_path, policy=Policy(), blamed="ledger")
    assert aitia_replay(tmp_path, "--gate", "--policy", written(tmp_path, "p.yaml", "")).exit_code == 0


def test_the_kill_switch_is_as_it_was_at_that_time(tmp_path: Path) -> None:
    recorded(tmp_path, policy=Policy(), stopped=True)
    told = json.loads(aitia_replay(tmp_path, "--json").stdout)["incidents"][0]
    assert (told["now"]["verdict"], told["changed"]) == ("leave_to_humans", [])


def test_a_probability_that_moves_less_than_the_tolerance_is_the_same(home: Path, tmp_path: Path) -> None:
    told = json.loads(aitia_replay(home, "--json").stdout)
    told["incidents"][0]["now"]["probability"] -= 0.001
    earlier = written(tmp_path, "earlier.json", json.dumps(told))
    codes = [
        aitia_replay(home, "--gate", "--against", earlier, *more).exit_code
        for more in ((), ("--tolerance", "0.01"))
    ]
    assert codes == [3, 0]


def test_connections_that_are_gone_change_no_plan_of_that_time(home: Path) -> None:
    (home / "connections.d" / "shop.yaml").unlink()
    assert aitia_replay(home, "--gate").exit_code == 0


def test_a_site_without_incidents_is_no_pass(tmp_path: Path) -> None:
    open_database(f"sqlite:///{tmp_path / 'aitia.db'}").dispose()
    assert aitia_replay(tmp_path, "--gate").exit_code == 1


# Cases


@pytest.fixture
def cases(home: Path, tmp_path: Path) -> Path:
    [snapshot] = (home / "snapshots").iterdir()
    shutil.copytree(snapshot, tmp_path / "cases" / "one")
    return tmp_path / "cases"


def test_cases_are_compared_with_what_the_site_would_do(home: Path, cases: Path, tmp_path: Path) -> None:
    strict = written(tmp_path, "policy.yaml", STRICT)
    answer = aitia_replay(home, "--gate", "--cases", cases, "--policy", strict)
    assert (answer.exit_code, "ask -> suggest" in answer.output) == (3, True)


def test_cases_are_compared_with_an_earlier_run(home: Path, cases: Path, tmp_path: Path) -> None:
    policy = written(tmp_path, "policy.yaml", "")
    told = aitia_replay(home, "--cases", cases, "--policy", policy, "--json").stdout
    earlier = written(tmp_path, "earlier.json", told)
    assert aitia_replay(home, "--gate", "--cases", cases, "--against", earlier).exit_code == 0


def test_cases_without_anything_to_compare_with_are_wrong_usage(home: Path, cases: Path) -> None:
    assert aitia_replay(home, "--gate", "--cases", cases).exit_code == 2


def test_a_broken_case_is_trouble_and_the_others_go_on(home: Path, cases: Path, tmp_path: Path) -> None:
    written(cases / "two", "alert.json", "{")
    answer = aitia_replay(home, "--gate", "--cases", cases, "--policy", written(tmp_path, "p.yaml", ""))
    assert (answer.exit_code, "2 replayed, 0 changed, 1 could not" in answer.stderr) == (1, True)


def test_something_else_than_an_earlier_run_is_trouble(home: Path, tmp_path: Path) -> None:
    earlier = written(tmp_path, "earlier.json", "[]")
    assert aitia_replay(home, "--gate", "--against", earlier).exit_code == 1
