"""What Slack sends: a button that was pressed, a form that was sent, a slash command. Pure: in, values out.

The same payloads come over HTTP, signed, and over Socket Mode, in envelopes. A button and a form carry one
opaque value of ours and nothing else; everything that it stands for stays here. Who pressed is told by Slack
and is only an id: what they may do is decided elsewhere, by role. Text that people typed is bounded and stays
text. Source: docs.slack.dev, "Verifying requests from Slack", "Handling user interaction", "Slash commands".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from slack_sdk.signature import Clock, SignatureVerifier

from causal.errors import MalformedAlert, Refused, TooLarge
from causal.evidence import Fact

MAX_BODY = 1 << 20
LONGEST = 3_000
TIMESTAMP, SIGNATURE = "x-slack-request-timestamp", "x-slack-signature"


class Pressed(Fact):
    """A button: which (``action``), with which value of ours, by whom; ``trigger`` opens a form for 3 s."""

    user: str
    action: str
    value: str
    trigger: str = ""
    channel: str = ""
    message: str = ""


class Submitted(Fact):
    """A form: which (``form``), with which value of ours, what was filled in, by whom."""

    user: str
    form: str
    value: str
    fields: dict[str, str] = {}


class Commanded(Fact):
    """A slash command and the words after it; ``reply_to`` takes answers for half an hour."""

    user: str
    command: str
    words: tuple[str, ...] = ()
    channel: str = ""
    trigger: str = ""
    reply_to: str = ""


SlackRequest = Pressed | Submitted | Commanded


def verify(body: bytes, headers: Mapping[str, str], secret: str, clock: Callable[[], float]) -> None:
    """Check signature v0 over the raw body; Refused for a wrong one, or one older than five minutes."""
    if len(body) > MAX_BODY:
        raise TooLarge(f"{len(body)} bytes; Slack sends none over {MAX_BODY}")
    verifier = SignatureVerifier(secret, clock=_Clock(clock))
    try:
        sound = verifier.is_valid(body, headers.get(TIMESTAMP), headers.get(SIGNATURE))
    except (ValueError, UnicodeError, TypeError):
        sound = False
    if not sound:
        raise Refused(
            "the signature is not Slack's, or older than five minutes: check the signing secret and the clock"
        )


def parse_form(body: bytes) -> SlackRequest | None:
    """Read what comes over HTTP: a form whose ``payload`` is JSON, or a slash command's own fields."""
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
    except UnicodeDecodeError as error:
        raise MalformedAlert("this is not a form", where="body") from error
    if "payload" in fields:
        try:
            payload = json.loads(fields["payload"])
        except (ValueError, RecursionError) as error:
            raise MalformedAlert(f"this is not JSON ({error})", where="payload") from None
        return parse_interaction(payload)
    if "command" in fields:
        return parse_command(fields)
    raise MalformedAlert("neither an interaction nor a slash command", where="body")


def parse_envelope(kind: str, payload: Any) -> SlackRequest | None:
    """Read what comes over Socket Mode; None for what is nothing to us."""
    if kind == "interactive":
        return parse_interaction(payload)
    return parse_command(payload) if kind == "slash_commands" else None


def parse_interaction(payload: Any) -> SlackRequest | None:
    """Read an interaction; None for kinds that are nothing to us (a link that was pressed, a closed form)."""
    told = _mapping(payload, "payload")
    user = str(_mapping(told.get("user"), "user").get("id", ""))
    match told.get("type"):
        case "block_actions":
            return _pressed(told, user)
        case "view_submission":
            return _submitted(_mapping(told.get("view"), "view"), user)
    return None


def parse_command(fields: Any) -> Commanded:
    """Read a slash command."""
    told = _mapping(fields, "command")
    return Commanded(
        user=_text(told.get("user_id")),
        command=_text(told.get("command")),
        words=tuple(_text(told.get("text")).split()),
        channel=_text(told.get("channel_id")),
        trigger=_text(told.get("trigger_id")),
        reply_to=_text(told.get("response_url")),
    )


def _pressed(told: Mapping[str, Any], user: str) -> Pressed | None:
    actions = told.get("actions")
    if not isinstance(actions, list) or not actions:
        raise MalformedAlert("an interaction has a list of actions", where="actions")
    action = _mapping(actions[0], "actions[0]")
    if "value" not in action:
        return None
    channel = told.get("channel")
    message = told.get("message")
    return Pressed(
        user=user,
        action=_text(action.get("action_id")),
        value=_text(action.get("value")),
        trigger=_text(told.get("trigger_id")),
        channel=_text(channel.get("id")) if isinstance(channel, Mapping) else "",
        message=_text(message.get("ts")) if isinstance(message, Mapping) else "",
    )


def _submitted(view: Mapping[str, Any], user: str) -> Submitted:
    state = view.get("state")
    blocks = state.get("values") if isinstance(state, Mapping) else None
    fields: dict[str, str] = {}
    for block in (blocks or {}).values() if isinstance(blocks, Mapping | None) else ():
        for name, element in _mapping(block, "view.state.values").items():
            fields[str(name)] = _typed(_mapping(element, f"view.state.values.{name}"))
    return Submitted(
        user=user,
        form=_text(view.get("callback_id")),
        value=_text(view.get("private_metadata")),
        fields=fields,
    )


def _typed(element: Mapping[str, Any]) -> str:
    """What was typed or chosen in an element of a form."""
    chosen = element.get("selected_option")
    if isinstance(chosen, Mapping):
        return _text(chosen.get("value"))
    return _text(element.get("value"))


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise MalformedAlert("an object belongs here", where=where)
    return value


def _text(value: Any) -> str:
    return "" if value is None else str(value)[:LONGEST]


class _Clock(Clock):
    """Slack's own clock, but ours."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock()
