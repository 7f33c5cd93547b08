"""What Slack sends when people press, fill in and type; and what they press and fill in."""

import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.signature import SignatureVerifier

from causal.errors import MalformedAlert, Refused
from integrations.slack_requests import (
    SIGNATURE,
    TIMESTAMP,
    Commanded,
    Pressed,
    Submitted,
    parse_envelope,
    parse_form,
    verify,
)
from integrations.slack_views import buttons, decline_form, something_else_form
from tests.doubles.slack_forms import problems_of_view
from tests.playbooks.made_up import request

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
NOW = 1_795_000_000.0


def signed(body: bytes, at: float = NOW) -> dict[str, str]:
    """The headers that Slack sends with a body."""
    signature = SignatureVerifier(SECRET).generate_signature(timestamp=f"{at:.0f}", body=body)
    assert signature is not None
    return {TIMESTAMP: f"{at:.0f}", SIGNATURE: signature}


def pressed(**changes: Any) -> dict[str, Any]:
    """A button's payload."""
    return {
        "type": "block_actions",
        "user": {"id": "U0ADA", "username": "ada"},
        "team": {"id": "T0"},
        "trigger_id": "13345224609.738474920.8088930838d88f008e0",
        "channel": {"id": "C0INCIDENTS"},
        "message": {"ts": "1795000000.000100"},
        "actions": [{"action_id": "approve", "block_id": "answer", "value": "token", "action_ts": "1"}],
        **changes,
    }


def submitted() -> dict[str, Any]:
    """A form's payload."""
    values = {
        "service": {"service": {"type": "static_select", "selected_option": {"value": "cart"}}},
        "because": {"because": {"type": "plain_text_input", "value": "the disk was full"}},
    }
    view = {"callback_id": "something_else", "private_metadata": "token", "state": {"values": values}}
    return {"type": "view_submission", "user": {"id": "U0ADA"}, "view": view}


def form(payload: object) -> bytes:
    return urlencode({"payload": json.dumps(payload)}).encode()


def test_a_button_is_known_by_its_action_its_value_and_who_pressed_it() -> None:
    told = parse_form(form(pressed()))
    assert isinstance(told, Pressed)
    assert (told.user, told.action, told.value) == ("U0ADA", "approve", "token")


def test_a_form_tells_what_was_chosen_and_typed() -> None:
    told = parse_form(form(submitted()))
    assert isinstance(told, Submitted)
    assert (told.value, told.fields) == ("token", {"service": "cart", "because": "the disk was full"})


def test_a_slash_command_is_its_words() -> None:
    body = urlencode({"command": "/aitia", "text": "explain  inc-1", "user_id": "U0ADA"}).encode()
    told = parse_form(body)
    assert isinstance(told, Commanded)
    assert (told.command, told.words) == ("/aitia", ("explain", "inc-1"))


def test_an_envelope_tells_the_same_as_a_form() -> None:
    assert parse_envelope("interactive", pressed()) == parse_form(form(pressed()))


def test_a_link_that_was_pressed_is_nothing_to_us() -> None:
    assert parse_form(form(pressed(actions=[{"action_id": "look"}]))) is None


@pytest.mark.parametrize("kind", ["shortcut", "view_closed", "dreamt_of"])
def test_other_interactions_are_nothing_to_us(kind: str) -> None:
    assert parse_form(form(pressed(type=kind))) is None


def test_a_body_that_slack_signed_is_taken() -> None:
    body = form(pressed())
    verify(body, signed(body), SECRET, lambda: NOW)
    assert parse_form(body) is not None


@pytest.mark.parametrize("late", [-301.0, 301.0])
def test_a_body_that_was_signed_more_than_five_minutes_off_is_refused(late: float) -> None:
    body = form(pressed())
    with pytest.raises(Refused, match="clock"):
        verify(body, signed(body, NOW + late), SECRET, lambda: NOW)


@pytest.mark.parametrize(
    "headers",
    [{}, {TIMESTAMP: "soon", SIGNATURE: "v0=1"}, {TIMESTAMP: f"{NOW:.0f}", SIGNATURE: "v0=é"}],
)
def test_a_body_without_a_sound_signature_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Refused):
        verify(b"payload={}", headers, SECRET, lambda: NOW)


@given(at=st.integers(0, 50), to=st.integers(0, 255))
def test_a_body_that_was_changed_is_refused(at: int, to: int) -> None:
    body = form(pressed())
    changed = body[:at] + bytes([to]) + body[at + 1 :]
    if changed != body:
        with pytest.raises(Refused):
            verify(changed, signed(body), SECRET, lambda: NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["type", "user", "view", "actions", "state", "values"]), inner)
    ),
)


@given(value=JSON, kind=st.sampled_from(["block_actions", "view_submission", "shortcut"]))
def test_whatever_comes_is_a_request_nothing_or_a_mistake_with_a_place(value: Any, kind: str) -> None:
    payload = {**value, "type": kind} if isinstance(value, dict) else value
    try:
        told = parse_form(form(payload))
    except MalformedAlert as mistake:
        where = mistake.where
    else:
        where = "none" if told is None else type(told).__name__
    assert where


def test_the_buttons_are_sound_and_carry_the_token_alone() -> None:
    made = buttons(request(), "token")
    assert {element["value"] for element in made["elements"]} == {"token"}


@pytest.mark.parametrize("services", [(), ("cart", "cart", ""), tuple(f"service-{n}" for n in range(300))])
def test_the_form_for_something_else_is_within_slacks_limits(services: tuple[str, ...]) -> None:
    assert problems_of_view(something_else_form(request(), "t" * 64, services)) == []


@given(title=st.text(max_size=5_000), token=st.text(max_size=200))
def test_no_question_makes_a_form_that_slack_refuses(title: str, token: str) -> None:
    question = request().model_copy(update={"title": title})
    assert problems_of_view(decline_form(question, token)) == []


def test_the_clock_of_the_verifier_is_ours() -> None:
    body = form(pressed())
    with pytest.raises(Refused):
        verify(body, signed(body, NOW), SECRET, lambda: time.time() + 10**9)
