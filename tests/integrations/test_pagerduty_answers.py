"""Answers in PagerDuty, and change events from it, over real sockets."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from causal.errors import NotFound, Unavailable
from causal.evidence import Window
from integrations.pagerduty import PagerDutyNotifier, PagerDutySettings
from integrations.pagerduty_answers import PagerAnswer, answer_in
from integrations.pagerduty_api import PagerDutyRest, RestSettings
from integrations.pagerduty_changes import PagerDutyChanges
from integrations.pagerduty_webhooks import PagerEvent
from integrations.slack_messages import MemoryMessageRefs
from tests.doubles.pagerduty import EMAIL, ROUTING_KEY, TOKEN, PagerDutyDouble, pagerduty
from tests.playbooks.made_up import ticket

WORD = "W4q_2-" + "x" * 37
AT = datetime(2026, 11, 23, 10, tzinfo=UTC).timestamp()


@pytest.fixture
def account() -> Iterator[PagerDutyDouble]:
    with pagerduty() as double:
        yield double


def event(kind: str, data: dict[str, Any]) -> PagerEvent:
    return PagerEvent.model_validate({"id": "e", "event_type": kind, "data": data})


def note(text: str) -> PagerAnswer | None:
    return answer_in(event("incident.annotated", {"content": text}))


def test_a_note_with_a_token_is_a_yes() -> None:
    assert note(f"Aitia  approve {WORD}\n") == PagerAnswer(approve=True, token=WORD)


def test_a_no_has_its_reason() -> None:
    said = note(f"aitia decline {WORD} because the cart\nis fine")
    assert said == PagerAnswer(approve=False, token=WORD, because="the cart\nis fine")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "aitia approve",
        f"please aitia approve {WORD}",
        f"aitia approve {WORD} and more",
        "aitia approve x",
    ],
)
def test_a_note_that_says_more_or_less_is_no_answer(text: str) -> None:
    assert note(text) is None


def test_the_note_that_tells_people_how_to_answer_is_no_answer() -> None:
    assert note(f"checkout fails\n\naitia approve {WORD}\naitia decline {WORD} because REASON") is None


@pytest.mark.parametrize("kind", ["incident.custom", "incident.action_invocation.created"])
def test_an_action_with_a_token_somewhere_in_it_is_an_answer(kind: str) -> None:
    told = event(kind, {"action": {"inputs": [{"value": f"aitia approve {WORD}"}]}})
    assert answer_in(told) == PagerAnswer(approve=True, token=WORD)


def test_other_events_are_no_answers_whatever_they_say() -> None:
    assert answer_in(event("incident.triggered", {"title": f"aitia approve {WORD}"})) is None


@given(st.text())
def test_whatever_is_written_is_an_answer_with_a_token_or_none(text: str) -> None:
    said = note(text)
    assert said is None or said.token


# Notes that say how to answer


def teller(account: PagerDutyDouble, **settings: Any) -> PagerDutyNotifier:
    given_settings = {
        "routing_key": ROUTING_KEY,
        "token": TOKEN,
        "from_email": EMAIL,
        "events_url": account.url,
        "api_url": account.url,
        **settings,
    }
    return PagerDutyNotifier(PagerDutySettings(**given_settings), MemoryMessageRefs(), lambda _: WORD)


def test_a_note_on_an_open_question_says_how_to_answer(account: PagerDutyDouble) -> None:
    teller(account).publish(ticket())
    assert f"\naitia approve {WORD}\n" in account.incidents[0].notes[0]


def test_a_note_on_an_answered_question_has_no_token(account: PagerDutyDouble) -> None:
    teller(account).publish(ticket("executing"))
    assert WORD not in account.incidents[0].notes[0]


def test_without_a_routing_key_nobody_is_alerted(account: PagerDutyDouble) -> None:
    teller(account, routing_key=None).publish(ticket())
    assert account.incidents == []


# Change events


def changed(account: PagerDutyDouble, summary: str, at: float, **payload: Any) -> None:
    """Tell PagerDuty of a change, as a pipeline does."""
    told = {"summary": summary, "timestamp": datetime.fromtimestamp(at, UTC).isoformat(), **payload}
    body = {"routing_key": ROUTING_KEY, "payload": told}
    httpx.post(f"{account.url}/v2/change/enqueue", json=body).raise_for_status()


def rest(account: PagerDutyDouble, token: str = TOKEN) -> PagerDutyRest:
    return PagerDutyRest(RestSettings(token=SecretStr(token), url=account.url), pause=account.clock.advance)


def changes(account: PagerDutyDouble) -> PagerDutyChanges:
    return PagerDutyChanges(rest(account))


WINDOW = Window(start=AT - 600, end=AT)


def test_a_change_there_is_a_change_of_its_service(account: PagerDutyDouble) -> None:
    changed(account, "Deployed cart 1.7", AT - 60, custom_details={"author": "ada"})
    [found] = changes(account).changes(WINDOW)
    assert (found.service, found.kind, found.title, found.author, found.at) == (
        "shop",
        "deployment",
        "Deployed cart 1.7",
        "ada",
        AT - 60,
    )


def test_the_service_that_the_details_name_is_the_one_that_changed(account: PagerDutyDouble) -> None:
    changed(account, "new settings", AT - 60, custom_details={"service": "cart"})
    assert [(each.service, each.kind) for each in changes(account).changes(WINDOW)] == [("cart", "config")]


def test_changes_outside_of_the_window_are_left_out(account: PagerDutyDouble) -> None:
    for at in (AT - 601, AT - 10, AT + 1):
        changed(account, "release", at)
    assert [each.at for each in changes(account).changes(WINDOW)] == [AT - 10]


def test_changes_on_several_pages_are_all_read_oldest_first(account: PagerDutyDouble) -> None:
    account.clock.now = AT
    for number in range(110):
        changed(account, f"release {number}", AT - number)
    found = changes(account).changes(WINDOW)
    assert (len(found), found[0].at, found[-1].at) == (110, AT - 109, AT)


def test_changes_that_cannot_be_read_are_unavailable(account: PagerDutyDouble) -> None:
    with pytest.raises(Unavailable, match="change events"):
        PagerDutyChanges(rest(account, "wrong")).changes(WINDOW)


def test_a_user_is_known_by_their_email(account: PagerDutyDouble) -> None:
    assert rest(account).email_of("PUSER1") == EMAIL


@pytest.mark.parametrize("user", ["PNO", "", "../incidents"])
def test_an_unknown_user_is_not_found(account: PagerDutyDouble, user: str) -> None:
    with pytest.raises(NotFound):
        rest(account).email_of(user)
