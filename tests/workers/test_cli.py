"""`aitia` as people and scripts call it: help, exit codes, what goes to which stream, and completion."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from temporalio.client import Client
from typer.testing import CliRunner, Result

from integrations.memory_actions import MemoryAction
from integrations.ports import AuditEntry
from tests.workers.doors import QUESTION, OpenDoor, open_door, say_where, settings_of
from tests.workers.stage import ALERT, Script, Stage
from workers.cli import app

OURS = {
    "AITIA_HOME": None,
    "AITIA_DOOR_URL": None,
    "AITIA_DOOR_PORT": None,
    "AITIA_DATABASE_URL": None,
    "AITIA_TOKEN": None,
}
COMMANDS = {
    "up",
    "door",
    "work",
    "token",
    "incidents",
    "incident",
    "approvals",
    "approve",
    "decline",
    "delegate",
    "stop-all",
    "resume",
    "locks",
    "people",
    "confirm",
    "correct",
    "diagnose",
    "audit",
    "playbook",
    "learning",
    "shadow",
    "check",
    "init",
}


def aitia(home: Path, *words: str, **variables: str) -> Result:
    """Run ``aitia …`` in this process, in a home of its own."""
    return CliRunner().invoke(app, list(words), env={**OURS, "AITIA_HOME": str(home), **variables})


def aitia_process(home: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run ``aitia …`` in a process of its own."""
    ours = {**os.environ, "AITIA_HOME": str(home), **variables}
    command = [sys.executable, "-m", "workers", *words]
    return subprocess.run(command, capture_output=True, text=True, env=ours, timeout=120, check=False)


def completed(home: Path, line: str) -> list[str]:
    """What bash offers at the end of a line."""
    words = line.split(" ")
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_AITIA_COMPLETE": "complete_bash"}
    return aitia_process(home, **asked).stdout.split()


@pytest.fixture(scope="module")
def home(opened: OpenDoor) -> Path:
    """The home of a running Aitia with one incident, one question and one audit row."""
    say_where(opened)
    house = opened.house
    house.incidents.open_or_join(ALERT, frozenset(), 60.0)
    house.approvals.put(QUESTION)
    house.audit.append(AuditEntry(actor="gate", event="decided", summary="a row", incident="inc-1"))
    return house.settings.home


# Help and exit codes


def test_help_lists_every_command_with_its_purpose(tmp_path: Path) -> None:
    help_ = aitia_process(tmp_path, "--help", COLUMNS="200", TERM="dumb").stdout
    listed = {line.split()[1] for line in help_.splitlines() if len(line.split()) > 4}
    assert listed >= COMMANDS | {"shop"}


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help(tmp_path: Path, command: str) -> None:
    assert aitia(tmp_path, command, "--help").exit_code == 0


@pytest.mark.parametrize(
    "words",
    [
        ["fly"],
        ["incident"],
        ["incidents", "--limit", "0"],
        ["decline", "inc-1-p1"],
        ["diagnose"],
        ["work", "--nothing"],
    ],
)
def test_wrong_usage_ends_with_two(tmp_path: Path, words: list[str]) -> None:
    assert aitia(tmp_path, *words).exit_code == 2


def test_wrong_settings_are_one_line_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("door_prot: 1")
    result = aitia(tmp_path, "token")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)


def test_an_unknown_task_queue_is_refused_with_those_there_are(tmp_path: Path) -> None:
    result = aitia(tmp_path, "work", "--queue", "metrics")
    assert (result.exit_code, "metric, root-cause" in result.stderr) == (1, True)


def test_commands_of_others_that_cannot_be_loaded_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    about = tmp_path / "broken-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[aitia.commands]\nbroken = nothing.there:app\n")
    result = aitia_process(tmp_path, "token", PYTHONPATH=str(tmp_path))
    assert (result.returncode, "broken cannot be loaded" in result.stderr) == (0, True)


# The token


def test_the_token_is_one_line_on_stdout(tmp_path: Path) -> None:
    result = aitia(tmp_path, "token")
    assert result.stdout == (tmp_path / "token").read_text() + "\n"


# Without a running Aitia


@pytest.mark.parametrize(
    "words",
    [["incidents"], ["incidents", "--json"], ["incident", "inc-1"], ["approvals"], ["approve", "inc-1"]],
)
def test_without_a_running_aitia_it_is_said_how_to_start_one(tmp_path: Path, words: list[str]) -> None:
    result = aitia(tmp_path, *words)
    assert (result.exit_code, result.stdout, "aitia up" in result.stderr) == (1, "", True)


def test_looking_for_a_running_aitia_leaves_nothing_behind(tmp_path: Path) -> None:
    aitia(tmp_path / "new", "incidents")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://[", "nowhere", "ftp://127.0.0.1"])
def test_a_door_that_does_not_answer_is_named(tmp_path: Path, url: str) -> None:
    result = aitia(tmp_path, "incidents", AITIA_DOOR_URL=url)
    assert (result.exit_code, url in result.stderr) == (1, True)


def test_a_run_file_that_is_damaged_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("[")
    assert "aitia up" in aitia(tmp_path, "incidents").stderr


def test_somebody_elses_server_is_no_door(tmp_path: Path, opened: OpenDoor) -> None:
    result = aitia(tmp_path, "incidents", AITIA_DOOR_URL=f"{opened.url}/healthz")
    assert result.exit_code == 1


def test_another_token_is_told_as_such(tmp_path: Path, opened: OpenDoor) -> None:
    result = aitia(tmp_path, "incidents", AITIA_DOOR_URL=opened.url)
    assert (result.exit_code, "no valid token" in result.stderr) == (1, True)


# With a running Aitia


def test_incidents_are_listed_by_their_names(home: Path) -> None:
    assert "inc-ffffffff-1" in aitia(home, "incidents").stdout


def test_an_incident_is_shown_as_a_ticket(home: Path) -> None:
    assert "gateway fails" in aitia(home, "incident", "inc-ffffffff-1").stdout


def test_what_waits_for_an_answer_is_listed(home: Path) -> None:
    assert QUESTION.id in aitia(home, "approvals").stdout


@pytest.mark.parametrize(
    "words",
    [
        ["incidents", "--json"],
        ["incident", "inc-ffffffff-1", "--json"],
        ["approvals", "--json"],
        ["audit", "list", "--json"],
        ["audit", "show", "1", "--json"],
        ["audit", "verify", "--json"],
        ["playbook", "list", "--json"],
        ["playbook", "show", "restart-service", "--json"],
    ],
    ids=" ".join,
)
def test_json_is_printed_and_nothing_else(home: Path, words: list[str]) -> None:
    result = aitia(home, *words)
    assert (result.exit_code, bool(json.loads(result.stdout))) == (0, True)


@pytest.mark.parametrize("incident", ["inc-nowhere-1", "../audit", "?limit=1", "a b", "%2e", "é"])
def test_an_unknown_incident_ends_with_one(home: Path, incident: str) -> None:
    result = aitia(home, "incident", incident, "--json")
    assert (result.exit_code, result.stdout, incident in result.stderr) == (1, "", True)


def test_an_unknown_approval_is_told_with_those_that_wait(home: Path) -> None:
    result = aitia(home, "approve", "inc-nowhere-1")
    assert (result.exit_code, QUESTION.id in result.stderr) == (1, True)


def test_an_answer_that_does_not_count_ends_with_one(home: Path) -> None:
    result = aitia(home, "decline", QUESTION.id, "--because", "no workflow asks this", "--by", "ada")
    assert (result.exit_code, "no token of" in result.stderr) == (1, True)


async def test_approving_an_incident_answers_its_question(client: Client, tmp_path: Path) -> None:
    answered = await answer(client, tmp_path, "approve", "--json")
    assert json.loads(answered.stdout)["status"] == "approved"


async def test_declining_keeps_the_reason(client: Client, tmp_path: Path) -> None:
    answered = await answer(client, tmp_path, "decline", "--because", "not now", "--json")
    assert json.loads(answered.stdout)["because"] == "not now"


async def test_declining_with_what_it_was_instead_needs_no_reason(client: Client, tmp_path: Path) -> None:
    answered = await answer(client, tmp_path, "decline", "--it-was", "till:cpu", "--json")
    assert json.loads(answered.stdout)["corrected"]["service"] == "till"


def test_declining_without_any_reason_is_wrong_usage(home: Path) -> None:
    assert aitia(home, "decline", QUESTION.id).exit_code == 2


@pytest.mark.parametrize("it_was", ["till:gremlins", ":cpu"])
def test_what_is_no_fault_is_told_with_those_there_are(home: Path, it_was: str) -> None:
    result = aitia(home, "decline", QUESTION.id, "--it-was", it_was)
    assert (result.exit_code, "pool_exhausted" in result.stderr) == (1, True)


async def test_a_vote_can_be_handed_over_where_people_are_named(client: Client, tmp_path: Path) -> None:
    tokens = [aitia(tmp_path, "people", "add", "bob", "--role", "sre").stdout.strip()]
    aitia(tmp_path, "people", "add", "kim")
    handed = await answer(client, tmp_path, "delegate", "--to", "kim", "--token", tokens[0])
    assert "kim answers for bob" in handed.stdout


async def test_a_persons_token_says_who_approves(client: Client, tmp_path: Path) -> None:
    token = aitia(tmp_path, "people", "add", "bob", "--role", "sre").stdout.strip()
    answered = await answer(client, tmp_path, "approve", "--json", "--token", token)
    assert json.loads(answered.stdout)["answered_by"] == ["bob"]


async def answer(client: Client, home: Path, word: str, *options: str) -> Result:
    """Answer the question of an incident by its incident's id."""
    with open_door(settings_of(home, client)) as door:
        say_where(door)
        house = door.house
        stage = Stage(client, Script(), MemoryAction(), incidents=house.incidents, approvals=house.approvals)
        stage.key = house.settings.approval_key()
        stage.people = house.people.read()
        async with stage.at_work():
            await stage.alert()
            question = await stage.question()
            words = (word, question.incident, "--by", "ada", *options)
            return await asyncio.to_thread(aitia, home, *words)


# Stopping everything


def test_a_stop_is_shown_with_the_incidents_until_it_is_released(home: Path) -> None:
    stopped = aitia(home, "stop-all", "--because", "smoke", "--by", "ada")
    listed = aitia(home, "incidents").stdout
    released = aitia(home, "resume", "--because", "all well", "--by", "bob")
    assert (stopped.exit_code, released.exit_code) == (0, 0)
    assert "stopped by ada" in listed.splitlines()[0]
    assert "stopped" not in aitia(home, "incidents").stdout


def test_a_stop_without_a_reason_is_wrong_usage(home: Path) -> None:
    assert aitia(home, "stop-all").exit_code == 2


def test_what_is_being_acted_on_is_listed_with_by_whom(home: Path, opened: OpenDoor) -> None:
    opened.house.locks.acquire(frozenset({"till"}), "inc-9/p1", now=time.time(), lease=60.0)
    listed = aitia(home, "locks").stdout
    opened.house.locks.release("inc-9/p1")
    assert "till inc-9/p1" in listed


# People


def test_a_persons_token_is_printed_once_and_alone(tmp_path: Path) -> None:
    result = aitia(tmp_path, "people", "add", "ada", "--role", "sre", "--slack", "U1")
    assert (result.exit_code, len(result.stdout.split())) == (0, 1)
    assert result.stdout.strip() not in (tmp_path / "people.yaml").read_text()


def test_people_are_listed_with_their_roles(tmp_path: Path) -> None:
    aitia(tmp_path, "people", "add", "ada", "--role", "sre", "--role", "dba")
    assert aitia(tmp_path, "people", "list").stdout == "ada sre, dba\n"


def test_who_is_not_named_at_all_is_told_as_such(tmp_path: Path) -> None:
    assert "nobody is named" in aitia(tmp_path, "people", "list").stdout


def test_a_person_can_be_struck_out(tmp_path: Path) -> None:
    aitia(tmp_path, "people", "add", "ada")
    assert aitia(tmp_path, "people", "remove", "ada").exit_code == 0
    assert json.loads(aitia(tmp_path, "people", "list", "--json").stdout) == {"named": True, "people": []}


def test_an_unknown_person_can_not_be_struck_out(tmp_path: Path) -> None:
    assert aitia(tmp_path, "people", "remove", "ada").exit_code == 1


# Completion


def test_people_are_completed(tmp_path: Path) -> None:
    aitia(tmp_path, "people", "add", "ada")
    assert completed(tmp_path, "aitia people remove a") == ["ada"]


def test_commands_are_completed(tmp_path: Path) -> None:
    assert set(completed(tmp_path, "aitia incid")) == {"incidents", "incident"}


def test_incidents_are_completed(home: Path) -> None:
    assert completed(home, "aitia incident inc-f") == ["inc-ffffffff-1"]


def test_approvals_are_completed(home: Path) -> None:
    assert completed(home, "aitia approve ") == [QUESTION.id]


def test_playbooks_are_completed(tmp_path: Path) -> None:
    assert completed(tmp_path, "aitia playbook show restart-s") == ["restart-service"]


def test_without_a_running_aitia_completion_is_silent(tmp_path: Path) -> None:
    assert completed(tmp_path, "aitia incident ") == []
