"""An answer that a responder gave in PagerDuty: a note or a custom action, with a question's token. Pure.

PagerDuty knows no approvals, so an answer is a line of ours: ``aitia approve TOKEN``, or
``aitia decline TOKEN because REASON``. It must be all of the text that it stands in; a note that quotes it is
no answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from causal.evidence import Fact
from integrations.pagerduty_webhooks import PagerEvent

NOTE = "incident.annotated"
ACTIONS = ("incident.custom", "incident.action_invocation.created")
LONGEST, DEEPEST = 3_000, 6
_LINE = re.compile(
    r"\s*aitia\s+(?P<word>approve|decline)\s+(?P<token>[\w-]{20,200})(?:\s+because\s+(?P<because>.*\S))?\s*",
    re.IGNORECASE | re.DOTALL,
)


class PagerAnswer(Fact):
    """A yes or a no, and the one-shot token that it came with."""

    approve: bool
    token: str
    because: str = ""


def answer_in(event: PagerEvent) -> PagerAnswer | None:
    """Return the answer that an event is, or None for one that is none."""
    if event.type == NOTE:
        return _answer(str(event.data.get("content") or ""))
    if event.type.startswith(ACTIONS):
        return next(filter(None, map(_answer, _texts(event.data, DEEPEST))), None)
    return None


def _answer(text: str) -> PagerAnswer | None:
    found = _LINE.fullmatch(text[:LONGEST])
    if found is None:
        return None
    approve = found["word"].lower() == "approve"
    return PagerAnswer(approve=approve, token=found["token"], because=found["because"] or "")


def _texts(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list) and depth:
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each, depth - 1)
