"""An agent at work: it asks a model, uses a tool, asks again, until it is done or has turned too often.

A model takes as long as its answer is; an answer that does not fit its schema costs another turn, and so does a
tool that failed. Spans follow OpenTelemetry's conventions for generative AI; a judgement of the answer is an
event ``gen_ai.evaluation.result`` on the agent's span.
"""

from typing import Any

from benchmarks.simulation.design import Agent, Call
from benchmarks.simulation.live import Instance, System
from benchmarks.simulation.naming import resource
from benchmarks.simulation.recorder import GOOD, Reply, Request, Span
from benchmarks.simulation.running import Steps, ask, attempted, drawn

MOST_TURNS = 8
TOKENS = 100.0  # a model's work is given for an answer of this length
_SPREAD = 0.35
_LOST = Reply(ok=False, code=500, error="MaxTurnsExceeded")
_TOOL_SPOILS = 0.6


def acted(system: System, instance: Instance, agent: Agent, request: Request, parent: int) -> Steps:
    """Work on one task; the agent's own span is around it."""
    span = system.recorder.begin(parent, system.env.now)
    reply, spoilt = _LOST, 0
    for _ in range(MOST_TURNS):
        answer = yield from _thought(system, instance, agent, request, span.id)
        if not answer.ok:
            reply = Reply(ok=False, code=502, error=answer.error)
            break
        if system.dice.random() < agent.invalid:
            _complain(system, instance, request, span, "answer does not match its schema, asking again")
            continue
        if system.dice.random() < 1.0 / agent.turns or not agent.tools:
            reply = GOOD
            break
        used = yield from _used(system, instance, system.dice.choice(agent.tools), request, span.id)
        spoilt += not used.ok
    _judge(system, instance, agent, request, span, reply, spoilt)
    return reply


def _thought(system: System, instance: Instance, agent: Agent, request: Request, parent: int) -> Steps:
    """One turn of the model."""
    tokens = max(int(drawn(system, agent.tokens, _SPREAD)), 1)
    facts = {
        "name": f"chat {agent.model_name}",
        "gen_ai.operation.name": "chat",
        "gen_ai.agent.name": instance.name,
        "gen_ai.request.model": agent.model_name,
        "gen_ai.response.model": agent.model_name,
        "gen_ai.prompt.version": agent.prompt,
        "gen_ai.usage.input_tokens": system.dice.randint(200, 900),
        "gen_ai.usage.output_tokens": tokens,
    }
    reply = GOOD
    for _ in range(agent.model.retries + 1):
        reply = yield from attempted(
            system, instance, agent.model, request, parent, tokens / TOKENS, facts
        )
        if reply.ok:
            break
    return reply


def _used(system: System, instance: Instance, tool: Call, request: Request, parent: int) -> Steps:
    """One use of a tool."""
    span = system.recorder.begin(parent, system.env.now)
    reply = yield from ask(system, instance, tool, request, span.id)
    facts = resource(system, instance) | {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool.operation,
        "error.type": reply.error,
    }
    _record(system, instance, request, span, f"execute_tool {tool.operation}", reply, facts)
    return reply


def _judge(
    system: System, instance: Instance, agent: Agent, request: Request, span: Span, reply: Reply, spoilt: int
) -> None:
    """Somebody judges the answer; what tools failed to tell makes it worse."""
    good = system.dice.random() < agent.good * (_TOOL_SPOILS**spoilt) * reply.ok
    event = {
        "name": "gen_ai.evaluation.result",
        "gen_ai.evaluation.name": "answer_quality",
        "gen_ai.evaluation.score.label": "pass" if good else "fail",
    }
    facts = resource(system, instance) | {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": instance.name,
        "error.type": reply.error,
    }
    _record(system, instance, request, span, f"invoke_agent {instance.name}", reply, facts, event)
    if not good:
        _complain(system, instance, request, span, "answer was judged to be wrong")


def _record(
    system: System,
    instance: Instance,
    request: Request,
    span: Span,
    name: str,
    reply: Reply,
    facts: dict[str, Any],
    event: dict[str, Any] | None = None,
) -> None:
    if not instance.service.design.spans:
        return
    told = system.recorder.attributes(facts, event)
    named = (name, "internal")
    system.recorder.end(span, request, instance.place, named, system.env.now, reply, told)


def _complain(system: System, instance: Instance, request: Request, span: Span, text: str) -> None:
    if instance.service.design.logs:
        system.recorder.log(instance.place, system.env.now, ("warn", text), request, span.id)
