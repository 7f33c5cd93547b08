"""`aitia learning` and `aitia shadow`, at a real door."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client
from typer.testing import CliRunner, Result

from causal.evidence import Deed, Demotion, Fault, Lesson
from integrations.ports import AuditEntry
from playbooks.gate import Budget, Policy, consider, decide
from playbooks.remedy import Decision, Proposal, Verdict
from playbooks.ticket import KnownCause
from tests.playbooks.cases import plan
from tests.workers.doors import OpenDoor, open_door, say_where, settings_of
from tests.workers.stage import ALERT, confident
from workers.cli import app


def aitia(home: Path, *words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"AITIA_HOME": str(home), "AITIA_DOOR_URL": None})


@pytest.fixture
async def there(client: Client, tmp_path: Path) -> AsyncIterator[OpenDoor]:
    """A running Aitia that has learned nothing yet."""
    with open_door(settings_of(tmp_path, client)) as opened:
        say_where(opened)
        yield opened


@pytest.fixture
def home(there: OpenDoor) -> Path:
    return there.house.settings.home


def demote(opened: OpenDoor) -> None:
    demotion = Demotion(playbook="mend", because="drift", at=1.0)
    opened.house.priors.learn(Lesson(incident="", plan="demoted", demotion=demotion))


def drift(opened: OpenDoor) -> None:
    for number in range(8):
        deed = Deed(
            incident=f"i{number}",
            playbook="mend",
            fault=Fault.CPU,
            service="cart",
            chance=0.9,
            alone=True,
            wrong=True,
            at=1e9 + number,
        )
        opened.house.priors.learn(Lesson(incident=deed.incident, at=deed.at, deed=deed))


def test_nothing_learned_is_told_with_exit_code_0(home: Path) -> None:
    shown = aitia(home, "learning", "show")
    assert (shown.exit_code, "nothing is withdrawn" in shown.stdout) == (0, True)


def test_what_is_withdrawn_is_told_with_exit_code_1(there: OpenDoor, home: Path) -> None:
    demote(there)
    shown = aitia(home, "learning", "show")
    assert (shown.exit_code, "withdrawn from mend" in shown.stdout) == (1, True)


def test_what_was_learned_is_json_for_programs(home: Path) -> None:
    assert json.loads(aitia(home, "learning", "show", "--json").stdout)["deeds"] == 0


def test_a_check_withdraws_autonomy_and_says_so(there: OpenDoor, home: Path) -> None:
    drift(there)
    checked = aitia(home, "learning", "check")
    assert (checked.exit_code, "withdrawn from mend: mend brought recovery in 0 of 8" in checked.stdout) == (
        1,
        True,
    )


def test_a_check_of_a_site_without_drift_changes_nothing(home: Path) -> None:
    checked = aitia(home, "learning", "check")
    assert (checked.exit_code, "nothing changes" in checked.stdout) == (0, True)


def test_a_person_gives_autonomy_back(there: OpenDoor, home: Path) -> None:
    demote(there)
    given = aitia(home, "learning", "restore", "--because", "it was mended", "--by", "ada")
    assert (given.exit_code, there.house.priors.current().demotions) == (0, ())


def test_giving_back_is_on_record_with_its_reason_and_its_person(there: OpenDoor, home: Path) -> None:
    demote(there)
    aitia(home, "learning", "restore", "mend", "--because", "it was mended", "--by", "ada")
    [row] = there.house.audit.rows()
    assert (row.entry.event, row.entry.actor, "it was mended" in row.entry.summary) == (
        "autonomy.restored",
        "ada",
        True,
    )


def test_giving_back_what_was_not_withdrawn_fails(home: Path) -> None:
    assert aitia(home, "learning", "restore", "--because", "why not", "--by", "ada").exit_code == 1


def test_giving_back_without_a_reason_is_wrong_usage(home: Path) -> None:
    assert aitia(home, "learning", "restore", "--by", "ada").exit_code == 2


def test_a_retraining_that_nobody_does_yet_is_said_to_be_running(home: Path) -> None:
    asked = aitia(home, "learning", "retrain", "--wait", "0")
    assert (asked.exit_code, asked.stdout.strip()) == (1, "running")


# Shadow


def remember(opened: OpenDoor) -> None:
    """One incident that ended, whose first proposal would have been right."""
    chosen = plan(id="p1", service="cart", impact="low", probability=0.999, confidence_floor=0.999)
    given = consider(
        chosen, Policy(min_verified_successes=0), opened.house.priors.current(), Budget(), now=1.0
    )
    house = opened.house
    opened_as = house.incidents.open_or_join(ALERT, frozenset(), 0.0).incident
    facts = {"given": given.model_dump(mode="json"), "decision": decide(given).model_dump(mode="json")}
    facts["given"]["incident"] = opened_as
    house.audit.append(AuditEntry(actor="gate", event="gate.decided", summary="", facts=facts))
    changes = {
        "diagnosis": confident(),
        "proposals": (Proposal(plan=chosen, decision=Decision(verdict=Verdict.ASK)),),
        "cause": KnownCause(service="cart", fault=Fault.ERRORS, confirmed=True, by="ada", at=1.0),
        "ended_at": 2.0,
    }
    house.incidents.put(house.incidents.get(opened_as).model_copy(update=changes))


def test_shadow_tells_what_would_have_been_right(there: OpenDoor, home: Path) -> None:
    remember(there)
    assert "agreed 1/1" in aitia(home, "shadow").stdout


def test_shadow_asks_the_gate_as_the_audit_log_has_it(there: OpenDoor, home: Path) -> None:
    remember(there)
    told = json.loads(aitia(home, "shadow", "--json").stdout)
    assert [incident["alone"] for incident in told["incidents"]] == [True]


def test_shadow_tells_of_each_incident_if_asked(there: OpenDoor, home: Path) -> None:
    remember(there)
    assert "people said that it was cart" in aitia(home, "shadow", "--each").stdout


def test_shadow_of_a_site_without_a_record_says_so(tmp_path: Path) -> None:
    told = aitia(tmp_path, "shadow")
    assert (told.exit_code, "no incident" in told.stdout) == (0, True)
