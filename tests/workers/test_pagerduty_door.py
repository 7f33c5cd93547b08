"""PagerDuty at the real door: its incidents become ours, and a responder's note answers a question."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.client import Client

from integrations.memory_actions import MemoryAction
from integrations.pagerduty import INCIDENT_LABEL
from integrations.pagerduty_webhooks import MAX_BODY, signature
from integrations.ports import AuditRow
from playbooks.remedy import Outcome
from tests.doubles.pagerduty import EMAIL, ROUTING_KEY, TOKEN, PagerDutyDouble, pagerduty
from tests.workers.doors import OpenDoor, open_door, settings_of
from tests.workers.stage import Script, Stage, eventually

PATH = "/webhooks/pagerduty"
ADA, KIM, NOBODY = "PADA", "PKIM", "PNOBODY"
OLD_SECRET = "the secret before this one"


@dataclass
class Here:
    """An account, a door that its webhooks reach, and agents at work behind it."""

    account: PagerDutyDouble
    door: OpenDoor
    stage: Stage

    async def deliver(
        self, kind: str, data: dict[str, Any], *, agent: str = ADA, times: int = 1
    ) -> list[int]:
        """Deliver an event; gives the status codes."""
        url = self.door.url + PATH
        return await asyncio.to_thread(self.account.deliver, url, kind, data, agent=agent, times=times)

    async def note(self, text: str, agent: str, *, times: int = 1) -> str:
        """A responder writes a note; gives the note that comes back."""
        incident = self.account.incidents[0]
        before = len(incident.notes)
        reference = {"id": incident.id, "type": "incident_reference"}
        data = {"incident": reference, "id": "PNOTE", "content": text, "type": "incident_note"}
        assert set(await self.deliver("incident.annotated", data, agent=agent, times=times)) == {202}
        await eventually(lambda: len(incident.notes) > before)
        return incident.notes[before]

    async def token(self) -> str:
        """The token that the incident's note tells responders."""
        told = await eventually(lambda: self.account.incidents and self._tokens())
        return str(told[-1])

    def _tokens(self) -> list[str]:
        notes = "\n".join(self.account.incidents[0].notes)
        return re.findall(r"^aitia approve (\S+)$", notes, re.MULTILINE)


@asynccontextmanager
async def here(client: Client, home: Path) -> AsyncIterator[Here]:
    """Everything, with ada who may approve and kim who may not."""
    with pagerduty() as account:
        account.users |= {ADA: "Ada@example.org", KIM: "kim@example.org", NOBODY: "nobody@example.org"}
        given = {
            "pagerduty_routing_key": ROUTING_KEY,
            "pagerduty_token": TOKEN,
            "pagerduty_from": EMAIL,
            "pagerduty_url": account.url,
            "pagerduty_events_url": account.url,
            "pagerduty_webhook_secrets": f"{OLD_SECRET}, {account.secret}",
        }
        with open_door(settings_of(home, client, **given)) as door:
            house = door.house
            house.people.add("ada", ("sre",), None, "ada@example.org")
            house.people.add("kim", (), None, "kim@example.org")
            stage = Stage(
                client,
                Script(),
                MemoryAction(),
                incidents=house.incidents,
                approvals=house.approvals,
                audit=house.audit,
                people=house.people.read(),
                key=house.settings.approval_key(),
                more_notifiers=house.notifiers,
            )
            async with stage.at_work():
                yield Here(account, door, stage)


@dataclass(frozen=True)
class Told:
    """What was seen of an incident that ada approved with a note."""

    kim: str
    nobody: str
    wrong: str
    ada: str
    again: str
    outcome: Outcome
    refusals: list[AuditRow]
    status: str
    effects: list[str]


@pytest.fixture(scope="module")
async def told(module_client: Client, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Kim and others write notes; then ada does, twice."""
    async with here(module_client, tmp_path_factory.mktemp("pagerduty")) as there:
        handle = await there.stage.alert()
        token = await there.token()
        kim = await there.note(f"aitia approve {token}", KIM)
        nobody = await there.note(f"aitia approve {token}", NOBODY)
        wrong = await there.note(f"aitia approve {'x' * 43}", ADA)
        ada = await there.note(f" aitia approve {token}\n", ADA, times=2)
        outcome = await handle.result()
        again = await there.note(f"aitia decline {token} because I changed my mind", ADA)
        return Told(
            kim,
            nobody,
            wrong,
            ada,
            again,
            outcome,
            [row for row in there.door.house.audit.rows() if row.entry.event == "approval.refused"],
            there.account.incidents[0].status,
            list(there.stage.action.executed),
        )


def test_a_note_of_who_may_is_carried_out(told: Told) -> None:
    assert told.outcome.attempts[0].approved_by == ("ada",)


def test_what_a_note_approves_is_done_once(told: Told) -> None:
    assert told.effects == ["first-cart", "second-cart"]


def test_a_note_says_what_became_of_it(told: Told) -> None:
    assert told.ada == "inc-ffffffff-1-p1 is approved"


def test_a_note_of_somebody_without_the_role_is_refused(told: Told) -> None:
    assert "kim has none of the roles" in told.kim


def test_a_note_of_somebody_unknown_is_refused(told: Told) -> None:
    assert "nobody in people.yaml is PagerDuty user PNOBODY (nobody@example.org)" in told.nobody


def test_a_note_with_another_token_is_refused(told: Told) -> None:
    assert "belongs to no question" in told.wrong


def test_a_token_that_was_used_counts_no_more(told: Told) -> None:
    assert "approved already" in told.again


def test_each_refused_note_is_audited_with_whose_it_was(told: Told) -> None:
    assert [row.entry.actor for row in told.refusals] == [
        "kim",
        "PagerDuty user PNOBODY (nobody@example.org)",
        "ada",
        "ada",
    ]


def test_the_incident_there_is_resolved_with_ours(told: Told) -> None:
    assert told.status == "resolved"


# Their incidents


@pytest.fixture(scope="module")
async def account(module_client: Client, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Here]:
    """A door for the tests below."""
    async with here(module_client, tmp_path_factory.mktemp("theirs")) as there:
        yield there


def theirs(number: str, **changes: Any) -> dict[str, Any]:
    """An incident as PagerDuty tells of it."""
    return {
        "id": number,
        "type": "incident",
        "title": f"search {number} is slow",
        "incident_key": f"key-{number}",
        "service": {"id": "PS1", "type": "service_reference", "summary": f"search-{number}"},
        **changes,
    }


def titles(there: Here) -> list[str]:
    return [ticket.title for ticket in there.door.house.incidents.all()]


async def test_an_incident_there_opens_one_here(account: Here) -> None:
    assert await account.deliver("incident.triggered", theirs("P1")) == [202]
    alerts = [ticket.alert for ticket in account.door.house.incidents.all()]
    assert "P1" in [alert.labels.get(INCIDENT_LABEL) for alert in alerts]


async def test_the_same_event_again_changes_nothing(account: Here) -> None:
    assert await account.deliver("incident.triggered", theirs("P2"), times=3) == [202, 202, 202]
    assert titles(account).count("search P2 is slow") == 1


async def test_an_incident_that_we_made_there_is_no_news(account: Here) -> None:
    await account.deliver("incident.triggered", theirs("P3", incident_key="aitia:inc-1"))
    assert "search P3 is slow" not in titles(account)


@pytest.mark.parametrize("kind", ["pagey.ping", "service.updated", "incident.dreamt_of"])
async def test_events_that_nobody_knows_are_taken(account: Here, kind: str) -> None:
    assert await account.deliver(kind, {}) == [202]


async def test_a_note_among_people_is_no_answer(account: Here) -> None:
    data = {"incident": {"id": "P9"}, "content": "shall we aitia approve this?", "type": "incident_note"}
    assert await account.deliver("incident.annotated", data) == [202]


def sent(there: Here, body: bytes, secret: str | None) -> httpx.Response:
    headers = {"X-PagerDuty-Signature": f"v1=00,{signature(secret, body)}"} if secret else {}
    return httpx.post(there.door.url + PATH, content=body, headers=headers, timeout=30)


def test_any_of_the_secrets_will_do(account: Here) -> None:
    assert (
        sent(account, b'{"event": {"id": "e1", "event_type": "pagey.ping"}}', OLD_SECRET).status_code == 202
    )


@pytest.mark.parametrize("secret", [None, "another"])
def test_what_pagerduty_did_not_sign_is_refused(account: Here, secret: str | None) -> None:
    assert sent(account, b"{}", secret).status_code == 401


def test_the_doors_own_token_is_no_signature(account: Here) -> None:
    assert account.door.post(PATH, json={"event": {}}).status_code == 401


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"event": {"id": ""}}', b"\xff"])
def test_what_is_signed_and_cannot_be_read_is_taken_all_the_same(account: Here, body: bytes) -> None:
    assert sent(account, body, account.account.secret).status_code == 202


def test_a_body_over_their_limit_is_refused(account: Here) -> None:
    assert sent(account, b" " * (MAX_BODY + 1), account.account.secret).status_code == 413


def test_without_a_secret_there_is_no_such_path(opened: OpenDoor) -> None:
    assert httpx.post(opened.url + PATH, content=b"{}", timeout=30).status_code == 404
