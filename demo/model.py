"""A scripted language model: no weights, no network, and yet it can be misled.

It reads its instructions. Asked for JSON it answers in JSON; asked for a pleasant voice it chats, at length,
and when it is told that its answer did not fit it seldom finds back. So a bad prompt does its damage through
the same mechanism as with a real model: longer answers, schema failures, repeated attempts. Its time grows
with what it writes.
"""

import json
import random

from pydantic import ValidationError

from demo.calls import Reply
from demo.documents import Written
from demo.failures import BadRequest
from demo.visit import Visit

PROVIDER = "scripted"
_USUAL_TOKENS = 60
_CHARACTERS_PER_TOKEN = 4
_FINDS_BACK = 0.25


class ChatRequest(Written):
    """What an agent asks a model; ``complaint`` is why the answer before was no good."""

    instructions: str
    question: str
    tools: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    complaint: str | None = None


class ChatReply(Written):
    """What a model answers: text, or the tools it wants used first."""

    content: str = ""
    tool_calls: tuple[str, ...] = ()
    finish_reason: str
    input_tokens: int
    output_tokens: int


async def chat(visit: Visit) -> Reply:
    """Serve one turn of a conversation."""
    try:
        request = ChatRequest.model_validate(visit.body)
    except ValidationError as malformed:
        raise BadRequest("this is not a conversation") from malformed
    reply = answer(request, visit.dice)
    await visit.work(scale=max(reply.output_tokens, 10) / _USUAL_TOKENS)
    return reply.model_dump()


def answer(request: ChatRequest, dice: random.Random) -> ChatReply:
    """What the model says."""
    heard = [request.instructions, request.question, *request.findings, request.complaint or ""]
    heard_tokens = sum(map(len, heard)) // _CHARACTERS_PER_TOKEN
    if request.tools:
        return ChatReply(
            tool_calls=request.tools,
            finish_reason="tool_calls",
            input_tokens=heard_tokens,
            output_tokens=12 * len(request.tools),
        )
    asked_for_json = "JSON" in request.instructions
    keeps_to_form = asked_for_json or (request.complaint is not None and dice.random() < _FINDS_BACK)
    length = dice.randint(40, 80) if asked_for_json else dice.randint(160, 280)
    return ChatReply(
        content=_form(request, length) if keeps_to_form else _prose(length),
        finish_reason="stop",
        input_tokens=heard_tokens,
        output_tokens=length,
    )


def _form(request: ChatRequest, length: int) -> str:
    text = "In short: " + "yes, " * (length // 8)
    return json.dumps({"answer": text, "sources": list(request.findings)})


def _prose(length: int) -> str:
    return "Oh, what a lovely question! Let me tell you a story. " + "And then, you know, " * (length // 6)
