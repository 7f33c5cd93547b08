"""What an LLM-style agent does with a question: ask the model, use tools, ask again, check the form.

Spans follow the semantic conventions for generative AI: ``invoke_agent`` around everything, ``chat`` for each
turn of the model (with tokens, finish reasons and the version of the prompt), ``execute_tool`` around each
tool, and a ``gen_ai.evaluation.result`` event that says how good the answer was.
"""

import json
import logging
import uuid
from collections.abc import Sequence

from opentelemetry.trace import Span
from opentelemetry.util.types import AttributeValue

from demo.calls import Reply, Shape
from demo.configuration import Prompt
from demo.failures import RequestFailed, SchemaValidationError, record_failure, telling_span
from demo.model import PROVIDER, ChatReply, ChatRequest
from demo.topology import Call
from demo.visit import Visit

_EVALUATION = "gen_ai.evaluation.result"
_PASSES = 0.7
_log = logging.getLogger("shop.agent")


async def converse(visit: Visit, kinds: dict[str, str]) -> Reply:
    """Answer one question; ``kinds`` says of every service what it is. Raises ``SchemaValidationError``."""
    prompt = visit.prompt
    if prompt is None:
        raise RequestFailed("this agent has no prompt", "PromptMissing")
    attributes: dict[str, AttributeValue] = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": PROVIDER,
        "gen_ai.agent.name": visit.service.name,
        "gen_ai.conversation.id": str(uuid.UUID(int=visit.dice.getrandbits(128))),
    }
    with telling_span(visit.tracer, f"invoke_agent {visit.service.name}", attributes=attributes) as span:
        return await Conversation(visit, prompt, kinds, span).run()


class Conversation:
    """One question on its way to an answer."""

    def __init__(self, visit: Visit, prompt: Prompt, kinds: dict[str, str], span: Span) -> None:
        self.visit = visit
        self.prompt = prompt
        self.kinds = kinds
        self.span = span
        self.question = visit.body.get("question", f"Can you help me to {visit.operation.name}?")
        self.model = next(call for call in visit.operation.calls if kinds[call.to] == "model")

    async def run(self) -> Reply:
        """Tools first, then the answer."""
        await self.visit.work()
        findings = await self._look_things_up()
        attempt, text = await self._answer_in_form(findings)
        self._evaluate(attempt)
        return {"answer": text, "attempts": attempt}

    async def _look_things_up(self) -> tuple[str, ...]:
        tools = self.visit.wanted([call for call in self.visit.operation.calls if call is not self.model])
        if not tools:
            return ()
        names = tuple(f"{call.to}.{call.operation}" for call in tools)
        wish = await self._chat(
            ChatRequest(instructions=self.prompt.instructions, question=self.question, tools=names)
        )
        return tuple([await self._use(tools[names.index(name)]) for name in wish.tool_calls])

    async def _use(self, call: Call) -> str:
        if self.kinds[call.to] == "agent":
            return json.dumps(await self._ask_agent(call))
        attributes: dict[str, AttributeValue] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": call.operation,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": f"call_{self.visit.dice.getrandbits(48):x}",
        }
        with telling_span(self.visit.tracer, f"execute_tool {call.operation}", attributes=attributes):
            return json.dumps(await self.visit.call(call))

    async def _ask_agent(self, call: Call) -> Reply:
        attributes: dict[str, AttributeValue] = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": call.to,
            "gen_ai.provider.name": PROVIDER,
        }
        shape = Shape(f"invoke_agent {call.to}", attributes)
        return await self.visit.call(call, {"question": self.question}, shape)

    async def _answer_in_form(self, findings: tuple[str, ...]) -> tuple[int, str]:
        """Ask until the answer has the right form; raises ``SchemaValidationError`` when it never has."""
        complaint: str | None = None
        for attempt in range(1, self.prompt.answer_attempts + 1):
            reply = await self._chat(
                ChatRequest(
                    instructions=self.prompt.instructions,
                    question=self.question,
                    findings=findings,
                    complaint=complaint,
                )
            )
            complaint = self._fault_in(reply.content)
            if complaint is None:
                return attempt, reply.content
            _log.warning("attempt %d of %d: %s", attempt, self.prompt.answer_attempts, complaint)
        self._evaluate(None)
        raise SchemaValidationError(
            f"no valid answer after {self.prompt.answer_attempts} attempts: {complaint}"
        )

    async def _chat(self, request: ChatRequest) -> ChatReply:
        shape = Shape(
            f"chat {self.prompt.model}",
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": PROVIDER,
                "gen_ai.agent.name": self.visit.service.name,
                "gen_ai.request.model": self.prompt.model,
                "gen_ai.prompt.version": self.prompt.version,
            },
            self._note_usage,
        )
        return ChatReply.model_validate(await self.visit.call(self.model, request.model_dump(), shape))

    def _note_usage(self, span: Span, body: Reply) -> None:
        reply = ChatReply.model_validate(body)
        span.set_attribute("gen_ai.response.model", self.prompt.model)
        span.set_attribute("gen_ai.response.finish_reasons", [reply.finish_reason])
        span.set_attribute("gen_ai.usage.input_tokens", reply.input_tokens)
        span.set_attribute("gen_ai.usage.output_tokens", reply.output_tokens)

    def _fault_in(self, content: str) -> str | None:
        """What is wrong with the form of an answer; the check is a span, and fails as one."""
        with self.visit.tracer.start_as_current_span("validate answer") as span:
            fault = schema_fault(content, ("answer", "sources"))
            if fault is not None:
                record_failure(span, SchemaValidationError(fault))
            return fault

    def _evaluate(self, attempt: int | None) -> None:
        """Say how good the answer was: as an event on the span and as an event record."""
        score = grade(attempt) * self.visit.dice.uniform(0.95, 1.0)
        said: dict[str, AttributeValue] = {
            "gen_ai.evaluation.name": "answer_quality",
            "gen_ai.evaluation.score.value": round(score, 3),
            "gen_ai.evaluation.score.label": "pass" if score >= _PASSES else "fail",
            "gen_ai.evaluation.explanation": f"valid at attempt {attempt}" if attempt else "never valid",
        }
        self.span.add_event(_EVALUATION, said)
        _log.info("answer rated %.2f", score, extra={"event_name": _EVALUATION, "attributes": said})


def schema_fault(content: str, fields: Sequence[str]) -> str | None:
    """Why a text is not a JSON object with these fields; None if it is one."""
    try:
        value = json.loads(content)
    except ValueError:
        return "the answer is not JSON"
    if not isinstance(value, dict):
        return "the answer is not an object"
    missing = [name for name in fields if name not in value]
    return f"the answer lacks {', '.join(missing)}" if missing else None


def grade(attempt: int | None) -> float:
    """The score of an answer that was valid at this attempt; None if it never was."""
    return 0.2 if attempt is None else max(0.95 - 0.3 * (attempt - 1), 0.2)
