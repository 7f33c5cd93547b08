"""Whose answer it is: the real door, personal tokens, and one-shot tokens, on a real Temporal server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.client import Client

from integrations.memory_actions import MemoryAction
from integrations.ports import AuditRow
from playbooks.approval import RAISED_BY, askers
from playbooks.remedy import ApprovalRequest, Outcome
from tests.workers.doors import OpenDoor, open_door, settings_of
from tests.workers.stage import PLAYBOOK, Script, Stage, eventually

BEGAN = "2026-09-21T14:13:20Z"
TEAM = {"ada": ("sre",), "bob": ("sre",), "kim": ()}


@dataclass(frozen=True)
class Told:
    """What the door said to whom while a question for two people was open."""

    question: ApprovalRequest
    seen: dict[str, Any]
    answers: dict[str, httpx.Response]
    outcome: Outcome
    refusals: tuple[AuditRow, ...]
    stop_by_door: httpx.Response
    resume_by_door: httpx.Response
    resume_by_ada: httpx.Response
    stops: tuple[AuditRow, ...]


@pytest.fixture(scope="module")
async def told(module_client: Client, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Two people approve, one of them for somebody else; others try to."""
    settings = settings_of(tmp_path_factory.mktemp("people"), module_client)
    with open_door(settings) as door:
        tokens = {name: door.house.people.add(name, roles, None, None) for name, roles in TEAM.items()}
        return await _story(module_client, door, tokens)


async def _story(client: Client, door: OpenDoor, tokens: dict[str, str]) -> Told:
    house = door.house
    stage = Stage(
        client,
        Script(),
        MemoryAction(),
        incidents=house.incidents,
        approvals=house.approvals,
        audit=house.audit,
        people=house.people.read(),
        key=house.settings.approval_key(),
        playbook=PLAYBOOK.replace("quorum: 1", "quorum: 2"),
    )

    def ask(method: str, path: str, own: str | None, **body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {own or house.settings.token()}"}
        return httpx.request(method, door.url + path, headers=headers, timeout=60.0, json=body or None)

    async def at_door(method: str, path: str, who: str, **body: Any) -> httpx.Response:
        return await asyncio.to_thread(ask, method, path, tokens.get(who), **body)

    async with stage.at_work():
        handle = await stage.alert()
        question = await stage.question()
        path = f"/api/approvals/{question.id}"
        seen = {who: (await at_door("GET", path, who)).json() for who in ("door", "ada", "kim")}
        shown = seen["ada"]

        async def answer(who: str, token: str, **more: Any) -> httpx.Response:
            body = {"binding": shown["binding"], "token": token, "approve": True, **more}
            return await at_door("POST", path, who, **body)

        answers = {
            "door": await answer("door", shown["token"], by="ada"),
            "kim": await answer("kim", shown["token"]),
            "claimed": await answer("kim", shown["token"], by="ada"),
            "handed to a stranger": await at_door(
                "POST", f"{path}/delegate", "bob", binding=shown["binding"], to="nobody"
            ),
            "handed": await at_door("POST", f"{path}/delegate", "bob", binding=shown["binding"], to="KIM"),
            "unknown approval": await at_door(
                "POST", "/api/approvals/inc-no-1-p1", "ada", binding="b", token="t", approve=True
            ),
            "ada": await answer("ada", shown["token"]),
            "spent": await answer("kim", shown["token"]),
        }
        await eventually(lambda: house.approvals.get(question.id).votes)
        second = (await at_door("GET", path, "kim")).json()["token"]
        answers["kim for bob"] = await answer("kim", second)
        outcome = await handle.result()
        stop = await at_door("POST", "/api/stop", "door", because="smoke")
        no_go = await at_door("POST", "/api/resume", "door", because="all well")
        go = await at_door("POST", "/api/resume", "ada", because="all well")
    rows = tuple(house.audit.rows())
    return Told(
        question,
        seen,
        answers,
        outcome,
        tuple(row for row in rows if row.entry.event == "approval.refused"),
        stop,
        no_go,
        go,
        tuple(row for row in rows if row.entry.event.startswith("stop.")),
    )


def error(answer: httpx.Response) -> str:
    words: str = answer.json()["error"]
    return words


def test_an_answer_is_of_the_person_whose_token_came_with_it(told: Told) -> None:
    assert told.answers["ada"].json()["answered_by"] == ["ada"]


def test_the_doors_own_token_is_nobodys_where_people_are_named(told: Told) -> None:
    refused = told.answers["door"]
    assert (refused.status_code, "nobody's" in error(refused)) == (409, True)


def test_a_person_without_the_role_is_refused(told: Told) -> None:
    refused = told.answers["kim"]
    assert (refused.status_code, "kim has none of the roles" in error(refused)) == (409, True)


def test_who_a_request_says_it_is_from_does_not_count(told: Told) -> None:
    assert "kim has none of the roles" in error(told.answers["claimed"])


def test_only_who_may_answer_is_shown_the_token(told: Told) -> None:
    assert {who: bool(seen["token"]) for who, seen in told.seen.items()} == {
        "door": False,
        "ada": True,
        "kim": False,
    }


def test_a_vote_is_handed_over_to_a_person_by_name(told: Told) -> None:
    handed = told.answers["handed"].json()["delegations"]
    assert [(each["by"], each["to"]) for each in handed] == [("bob", "kim")]


def test_a_vote_is_not_handed_over_to_a_stranger(told: Told) -> None:
    refused = told.answers["handed to a stranger"]
    assert (refused.status_code, "nobody is called nobody" in error(refused)) == (404, True)


def test_a_token_that_was_used_does_not_count_for_somebody_else(told: Told) -> None:
    assert "used already" in error(told.answers["spent"])


def test_the_vote_that_was_handed_over_completes_the_quorum(told: Told) -> None:
    assert told.outcome.attempts[0].approved_by == ("ada", "kim")


def test_every_refusal_is_audited_with_who_it_was(told: Told) -> None:
    assert [row.entry.actor for row in told.refusals] == [
        "whoever holds the door's token",
        "kim",
        "kim",
        "ada",
        "kim",
    ]


def test_an_answer_to_what_nobody_asked_is_audited_too(told: Told) -> None:
    assert told.answers["unknown approval"].status_code == 404
    assert "inc-no-1-p1" in told.refusals[3].entry.summary


def test_no_token_is_in_the_audit_log(told: Told) -> None:
    spent = told.seen["ada"]["token"]
    assert not [row for row in told.refusals if spent in row.model_dump_json()]


def test_anybody_may_stop_everything(told: Told) -> None:
    assert (told.stop_by_door.status_code, told.stop_by_door.json()["stopped"]) == (200, True)


def test_it_takes_a_person_to_let_it_go_on(told: Told) -> None:
    assert (told.resume_by_door.status_code, told.resume_by_ada.json()["by"]) == (409, "ada")


def test_stopping_and_letting_go_are_audited(told: Told) -> None:
    assert [row.entry.event for row in told.stops] == ["stop.thrown", "stop.released"]


# Who asks


def test_a_person_who_raises_an_alert_is_on_record_as_who_asked(client: Client, tmp_path: Path) -> None:
    alert = {"status": "firing", "fingerprint": "f1", "labels": {RAISED_BY: "bob"}, "startsAt": BEGAN}
    with open_door(settings_of(tmp_path, client)) as door:
        headers = {"Authorization": f"Bearer {door.house.people.add('ada', (), None, None)}"}
        sent = {"version": "4", "groupKey": "{}", "status": "firing", "alerts": [alert]}
        httpx.post(f"{door.url}/webhooks/alertmanager", headers=headers, json=sent, timeout=60.0)
        [incident] = door.house.incidents.all()
    assert askers(incident.alert) == ("ada",)


# The file


def test_a_damaged_file_lets_no_person_in(client: Client, tmp_path: Path) -> None:
    with open_door(settings_of(tmp_path, client)) as door:
        token = door.house.people.add("ada", ("sre",), None, None)
        door.house.settings.people_file.write_text("people: [")
        headers = {"Authorization": f"Bearer {token}"}
        assert httpx.get(f"{door.url}/api/incidents", headers=headers).status_code == 401


def test_a_damaged_file_is_told_with_its_place_to_who_answers(client: Client, tmp_path: Path) -> None:
    with open_door(settings_of(tmp_path, client)) as door:
        door.house.settings.people_file.write_text("people: [")
        answer = door.get("/api/approvals")
    assert (answer.status_code, "people.yaml:1" in error(answer)) == (400, True)


def test_a_person_who_is_struck_out_gets_in_no_more(client: Client, tmp_path: Path) -> None:
    with open_door(settings_of(tmp_path, client)) as door:
        headers = {"Authorization": f"Bearer {door.house.people.add('ada', (), None, None)}"}
        door.house.people.remove("ada")
        assert httpx.get(f"{door.url}/api/incidents", headers=headers).status_code == 401
