"""Slack as people use it: the real door, the vendor's Socket Mode client, a real Temporal server."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from slack_sdk.signature import SignatureVerifier
from temporalio.client import Client

from causal.evidence import Alert, Fault
from integrations.ports import AuditRow, Stop
from integrations.slack_requests import SIGNATURE, TIMESTAMP
from playbooks.remedy import Outcome
from tests.doubles.slack import CHANNEL_ID, Shared
from tests.workers.doors import OpenDoor, open_door, settings_of
from tests.workers.slack_here import ADA, KIM, STRANGER, Here, buttons_of, here, submission
from tests.workers.stage import ALERT, eventually

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"


@dataclass(frozen=True)
class Told:
    """What was seen of an incident that ada approved in Slack."""

    before: list[str]
    after: list[str]
    shown: str
    outcome: Outcome
    kim: str
    stranger: str
    ada: list[str]
    refusals: list[AuditRow]
    effects: list[str]


@pytest.fixture(scope="module")
async def told(module_client: Client, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Kim and a stranger press, then ada does, and Slack delivers her press once more."""
    async with here(module_client, tmp_path_factory.mktemp("slack")) as there:
        handle = await there.stage.alert()
        before = buttons_of(await there.message())
        await there.press("approve", KIM)
        kim = await there.whisper(KIM)
        await there.press("approve", STRANGER)
        stranger = await there.whisper(STRANGER)
        pressed = await there.press("approve", ADA)
        ada = [await there.whisper(ADA)]
        outcome = await handle.result()
        await there.deliver("interactive", pressed)
        ada.append(await there.whisper(ADA, 2))
        message = there.slack.roots[0]
        effects = list(there.stage.action.executed)
        return Told(
            before, buttons_of(message), message.shown, outcome, kim, stranger, ada, there.refusals(), effects
        )


def test_a_question_has_buttons(told: Told) -> None:
    assert told.before == ["approve", "decline", "something_else"]


def test_a_press_of_who_may_is_carried_out(told: Told) -> None:
    assert told.outcome.attempts[0].approved_by == ("ada",)


def test_what_was_approved_is_done_once(told: Told) -> None:
    assert told.effects == ["first-cart", "second-cart"]


def test_the_message_says_that_it_recovered(told: Told) -> None:
    assert "*recovered*" in told.shown


def test_an_answered_question_has_no_buttons(told: Told) -> None:
    assert told.after == []


def test_who_approved_is_told_so(told: Told) -> None:
    assert told.ada[0] == "inc-ffffffff-1-p1 is approved"


def test_a_press_that_comes_again_is_refused(told: Told) -> None:
    assert "is approved already" in told.ada[1]


def test_a_person_without_the_role_is_refused_in_private(told: Told) -> None:
    assert "kim has none of the roles" in told.kim


def test_a_stranger_is_told_what_is_missing(told: Told) -> None:
    assert "nobody in people.yaml is Slack user U0STRANGER" in told.stranger


def test_each_refusal_is_audited_with_whose_it_was(told: Told) -> None:
    assert [row.entry.actor for row in told.refusals] == ["kim", "Slack user U0STRANGER", "ada"]


# Declining, and what it was instead


def alert(letter: str) -> Alert:
    """An alert of its own, for an incident of its own."""
    return ALERT.model_copy(update={"fingerprint": letter * 16})


@dataclass(frozen=True)
class Declined:
    """What was seen of an incident whose plan ada declined in Slack."""

    forms: list[str]
    services: list[str]
    empty: dict[str, Any]
    kim: str
    late: str
    outcome: Outcome
    shown: str


@pytest.fixture(scope="module")
async def declined(module_client: Client, tmp_path_factory: pytest.TempPathFactory) -> Declined:
    """Ada looks at both forms, sends one without a reason, and then says what it was."""
    async with here(module_client, tmp_path_factory.mktemp("declined")) as there:
        handle = await there.stage.alert(alert("d"))
        await there.press("decline", KIM)
        kim = await there.whisper(KIM)
        payload = await there.press("decline", ADA)
        await eventually(lambda: there.slack.views)
        await there.deliver("interactive", payload)
        late = await there.whisper(ADA)
        empty = await there.deliver("interactive", submission(there.slack.views[0], ADA, because="  "))
        await there.press("something_else", ADA)
        await eventually(lambda: len(there.slack.views) > 1)
        form = there.slack.views[1]
        instead = submission(form, ADA, service="cart", fault="pool_exhausted", because="seen before")
        await there.deliver("interactive", instead)
        await there.whisper(ADA, 2)
        await handle.signal("resolved")
        outcome = await handle.result()
        options = next(each for each in form["blocks"] if each.get("block_id") == "service")
        services = [option["value"] for option in options["element"]["options"]]
        shown = there.slack.roots[0].shown
        forms = [view["callback_id"] for view in there.slack.views]
        return Declined(forms, services, empty, kim, late, outcome, shown)


def test_decline_and_something_else_open_their_forms(declined: Declined) -> None:
    assert declined.forms == ["decline", "something_else"]


def test_the_services_of_the_diagnosis_can_be_chosen(declined: Declined) -> None:
    assert declined.services == ["cart"]


def test_a_decline_without_a_reason_stays_open_with_what_is_missing(declined: Declined) -> None:
    assert declined.empty["errors"] == {"because": "A decline needs a reason."}


def test_who_may_not_decline_is_told_before_they_are_asked_why(declined: Declined) -> None:
    assert "kim has none of the roles" in declined.kim


def test_a_press_opens_one_form_however_often_it_comes(declined: Declined) -> None:
    assert "a press opens one form" in declined.late


def test_what_it_was_instead_becomes_the_label(declined: Declined) -> None:
    corrected = declined.outcome.attempts[0].corrected
    assert corrected is not None
    assert (corrected.service, corrected.fault, corrected.by) == ("cart", Fault.POOL_EXHAUSTED, "ada")


def test_a_declined_plan_is_shown_as_declined(declined: Declined) -> None:
    assert "*fix declined*" in declined.shown


# Commands, and what Socket Mode does


@dataclass
class Typed:
    """What was answered to whom."""

    answers: dict[str, str] = field(default_factory=dict)
    files: list[Shared] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    connections: int = 0
    outcome: Outcome | None = None


@pytest.fixture(scope="module")
async def typed(module_client: Client, tmp_path_factory: pytest.TempPathFactory) -> Typed:
    """Ada and others type commands; the connection is cut and renewed between them."""
    told = Typed()
    async with here(module_client, tmp_path_factory.mktemp("typed")) as there:
        handle = await there.stage.alert(alert("a"))
        question = await there.stage.question()
        await _type(there, told, question.incident)
        told.outcome = await handle.result()
        told.files = list(there.slack.files.values())
        told.events = [row.entry.event for row in there.house.audit.rows()]
        told.connections = there.socket.opened
    return told


async def _type(there: Here, told: Typed, incident: str) -> None:
    for name, user, text in (
        ("help", STRANGER, "help"),
        ("stranger", STRANGER, "status"),
        ("status", ADA, "status"),
        ("explain", ADA, f"explain {incident}"),
        ("unknown", ADA, "dance"),
        ("missing", ADA, "explain inc-no-1"),
        ("stop without why", ADA, "stop-all"),
        ("stop without role", KIM, "stop-all because of smoke"),
        ("stop", ADA, "stop-all because smoke"),
    ):
        told.answers[name] = await there.command(user, text)
    told.stops.append(there.house.kill_switch.state())
    await asyncio.to_thread(there.socket.ask_to_reconnect)
    told.answers["resume"] = await there.command(ADA, "resume because all is well")
    told.stops.append(there.house.kill_switch.state())
    await asyncio.to_thread(there.socket.cut)
    told.answers["kim"] = await there.command(KIM, f"approve {incident}")
    told.answers["approve"] = await there.command(ADA, f"approve {incident}")
    told.answers["again"] = await there.command(ADA, f"decline {incident}-p1 because no")


def test_help_names_the_commands(typed: Typed) -> None:
    assert "/aitia approve ID" in typed.answers["help"]


def test_a_stranger_learns_nothing(typed: Typed) -> None:
    assert "nobody in people.yaml is Slack user U0STRANGER" in typed.answers["stranger"]


def test_status_says_what_waits_for_an_answer(typed: Typed) -> None:
    assert "inc-aaaaaaaa-1-p1 waits for an answer" in typed.answers["status"]


def test_explain_says_what_is_known(typed: Typed) -> None:
    assert "cart" in typed.answers["explain"]


def test_an_unknown_command_is_told_the_known_ones(typed: Typed) -> None:
    assert "there is no /aitia dance" in typed.answers["unknown"]


def test_an_unknown_incident_is_told_so(typed: Typed) -> None:
    assert "inc-no-1" in typed.answers["missing"]


def test_stopping_takes_a_reason(typed: Typed) -> None:
    assert "say why" in typed.answers["stop without why"]


def test_stopping_takes_a_role(typed: Typed) -> None:
    assert "kim has no role" in typed.answers["stop without role"]


def test_who_stops_everything_is_on_record(typed: Typed) -> None:
    assert (typed.stops[0].stopped, typed.stops[0].by, typed.stops[0].because) == (True, "ada", "smoke")


def test_what_was_stopped_goes_on_when_somebody_says_so(typed: Typed) -> None:
    assert (typed.stops[1].stopped, typed.stops[1].because) == (False, "all is well")


def test_every_brake_and_every_refusal_of_one_is_audited(typed: Typed) -> None:
    assert [event for event in typed.events if event.startswith("stop.")] == [
        "stop.refused",
        "stop.thrown",
        "stop.released",
    ]


def test_a_command_counts_by_role_as_a_press_does(typed: Typed) -> None:
    assert "kim has none of the roles" in typed.answers["kim"]


def test_a_plan_can_be_approved_by_a_command(typed: Typed) -> None:
    assert typed.answers["approve"] == "inc-aaaaaaaa-1-p1 is approved"


def test_what_was_approved_cannot_be_declined(typed: Typed) -> None:
    assert "approved already" in typed.answers["again"]


def test_a_connection_that_goes_is_renewed(typed: Typed) -> None:
    assert typed.connections >= 3


# HTTP


def signed(body: bytes, at: float, secret: str = SECRET) -> dict[str, str]:
    """The headers that Slack sends with a body."""
    signature = SignatureVerifier(secret).generate_signature(timestamp=f"{at:.0f}", body=body)
    assert signature is not None
    return {TIMESTAMP: f"{at:.0f}", SIGNATURE: signature, "Content-Type": "application/x-www-form-urlencoded"}


def now() -> float:
    return time.time()


def post(door: OpenDoor, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
    return httpx.post(door.url + path, content=body, headers=headers, timeout=30)


async def test_a_press_over_http_is_acknowledged_with_nothing_and_done(client: Client, tmp_path: Any) -> None:
    async with here(client, tmp_path, slack_app_token=None, slack_signing_secret=SECRET) as there:
        handle = await there.stage.alert()
        payload = there.slack.press(await there.message(), "approve", ADA)
        body = urlencode({"payload": json.dumps(payload)}).encode()
        answer = await asyncio.to_thread(post, there.door, "/slack/interactivity", body, signed(body, now()))
        assert (answer.status_code, answer.content) == (200, b"")
        assert (await handle.result()).attempts[0].approved_by == ("ada",)


async def test_where_nobody_is_named_slack_counts_only_if_the_site_says_so(
    client: Client, tmp_path: Any
) -> None:
    async with here(client, tmp_path, named=False, slack_open=True) as there:
        assert await there.command(STRANGER, "status") == "nothing is open"


async def test_where_nobody_is_named_and_the_site_did_not_say_so_it_is_told_why(
    client: Client, tmp_path: Any
) -> None:
    async with here(client, tmp_path, named=False) as there:
        assert "slack_open" in await there.command(STRANGER, "status")


async def test_a_command_from_where_the_app_is_not_is_answered_there(client: Client, tmp_path: Any) -> None:
    async with here(client, tmp_path) as there:
        address = there.slack.url.replace("/api/", "/commands/T0/1")
        typed = {"command": "/aitia", "text": "help", "user_id": ADA, "channel_id": "C0OTHER"}
        await there.deliver("slash_commands", {**typed, "response_url": address})
        [(_, body)] = await eventually(lambda: there.slack.replies_by_address)
        assert (body["response_type"], "/aitia status" in body["text"]) == ("ephemeral", True)


async def test_an_answer_goes_to_no_address_but_slacks(client: Client, tmp_path: Any) -> None:
    async with here(client, tmp_path) as there:
        typed = {"command": "/aitia", "text": "help", "user_id": ADA, "channel_id": "C0OTHER"}
        await there.deliver("slash_commands", {**typed, "response_url": f"{there.door.url}/healthz"})
        assert "/aitia status" in await there.command(ADA, "help")
        assert there.slack.replies_by_address == []


async def test_a_wrong_app_token_keeps_nobody_from_the_door(client: Client, tmp_path: Any) -> None:
    async with here(client, tmp_path, slack_app_token="xapp-wrong") as there:
        assert (await asyncio.to_thread(there.door.get, "/api/incidents")).status_code == 200


@pytest.fixture(scope="module")
def closed(module_client: Client, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A door that knows Slack's secret and has nobody to tell anything."""
    changes = {"slack_token": "xoxb-1", "slack_channel": CHANNEL_ID, "slack_signing_secret": SECRET}
    there = settings_of(tmp_path_factory.mktemp("closed"), module_client, **changes)
    with open_door(there) as door:
        yield door


@pytest.mark.parametrize(("at", "secret"), [(-400.0, SECRET), (400.0, SECRET), (0.0, "another"), (0.0, "")])
def test_what_slack_did_not_sign_just_now_is_refused(closed: OpenDoor, at: float, secret: str) -> None:
    body = urlencode({"command": "/aitia", "text": "help", "user_id": ADA}).encode()
    headers = signed(body, now() + at, secret) if secret else {}
    assert post(closed, "/slack/commands", body, headers).status_code == 401


def test_the_doors_own_token_is_no_signature(closed: OpenDoor) -> None:
    assert closed.post("/slack/commands", content=b"command=/aitia&text=help").status_code == 401


def test_a_signed_body_that_cannot_be_read_is_a_mistake(closed: OpenDoor) -> None:
    body = b"payload=%7B"
    assert post(closed, "/slack/interactivity", body, signed(body, now())).status_code == 400


@pytest.mark.parametrize("path", ["/slack/interactivity", "/slack/commands"])
def test_without_a_secret_there_is_no_such_path(opened: OpenDoor, path: str) -> None:
    assert post(opened, path, b"", {}).status_code == 404


def test_nothing_else_under_slack_is_open(closed: OpenDoor) -> None:
    assert httpx.get(f"{closed.url}/slack/other").status_code == 401
