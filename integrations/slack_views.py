"""What people press and fill in: the buttons under a question and the two forms behind them. Pure.

A button's value is the one-shot token of the answer, nothing else. Approve asks once more in a dialog that
names what will be done; Decline and It was something else open a form. Limits: docs.slack.dev, "Block Kit".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from causal.evidence import Fault
from integrations.slack_blocks import Block, cut
from playbooks.remedy import ApprovalRequest

APPROVE, DECLINE, SOMETHING_ELSE = "approve", "decline", "something_else"
BECAUSE, SERVICE, FAULT = "because", "service", "fault"
MAX_OPTIONS, MAX_OPTION, MAX_TITLE = 100, 75, 24
MAX_CONFIRM_TITLE, MAX_CONFIRM_TEXT, MAX_CONFIRM_BUTTON, MAX_VALUE = 100, 300, 30, 2_000


def buttons(question: ApprovalRequest, token: str) -> Block:
    """Approve, Decline, It was something else: each with the token of the next answer."""
    return {
        "type": "actions",
        "block_id": f"answer-{question.id}"[:255],
        "elements": [
            _button("Approve", APPROVE, token, style="primary") | {"confirm": _confirm(question)},
            _button("Decline", DECLINE, token, style="danger"),
            _button("It was something else", SOMETHING_ELSE, token),
        ],
    }


def decline_form(question: ApprovalRequest, token: str) -> Block:
    """Ask why not."""
    return _form(DECLINE, "Decline", question, token, [_because(optional=False)])


def something_else_form(question: ApprovalRequest, token: str, services: Sequence[str]) -> Block:
    """Ask what it was instead: a service that was seen, or any other typed in, and the kind of fault."""
    known = [_option(name) for name in list(dict.fromkeys(services))[:MAX_OPTIONS] if name]
    element: Block = (
        {"type": "static_select", "action_id": SERVICE, "options": known}
        if known
        else {"type": "plain_text_input", "action_id": SERVICE, "max_length": 200}
    )
    faults = {
        "type": "static_select",
        "action_id": FAULT,
        "options": [_option(str(fault), str(fault).replace("_", " ")) for fault in Fault],
    }
    blocks = [
        {"type": "input", "block_id": SERVICE, "label": _plain("Which service was it?"), "element": element},
        {"type": "input", "block_id": FAULT, "label": _plain("What was wrong with it?"), "element": faults},
        _because(optional=True),
    ]
    return _form(SOMETHING_ELSE, "Something else", question, token, blocks)


def _form(name: str, title: str, question: ApprovalRequest, token: str, blocks: list[Block]) -> Block:
    return {
        "type": "modal",
        "callback_id": name,
        "private_metadata": token,
        "title": _plain(cut(title, MAX_TITLE)),
        "submit": _plain("Send"),
        "close": _plain("Back"),
        "blocks": [{"type": "section", "text": _plain(cut(_what(question), 3_000))}, *blocks],
    }


def _because(*, optional: bool) -> Block:
    return {
        "type": "input",
        "block_id": BECAUSE,
        "optional": optional,
        "label": _plain("Why?"),
        "element": {
            "type": "plain_text_input",
            "action_id": BECAUSE,
            "multiline": True,
            "max_length": 2_000,
        },
    }


def _button(words: str, action: str, token: str, *, style: str = "") -> dict[str, Any]:
    made = {"type": "button", "text": _plain(words), "action_id": action, "value": token[:MAX_VALUE]}
    return made | ({"style": style} if style else {})


def _confirm(question: ApprovalRequest) -> Block:
    return {
        "title": _plain(cut("Carry it out?", MAX_CONFIRM_TITLE)),
        "text": _plain(cut(_what(question), MAX_CONFIRM_TEXT)),
        "confirm": _plain(cut("Approve", MAX_CONFIRM_BUTTON)),
        "deny": _plain(cut("Back", MAX_CONFIRM_BUTTON)),
    }


def _what(question: ApprovalRequest) -> str:
    return question.title or question.id or "the plan"


def _option(value: str, words: str = "") -> Block:
    return {"text": _plain(cut(words or value, MAX_OPTION)), "value": value[:150]}


def _plain(words: str) -> Block:
    return {"type": "plain_text", "text": words, "emoji": False}
