"""An agent at work: it asks a model, uses a tool, asks again, until it is done or has turned too often.

A model takes as long as its answer is; an answer that does not fit its schema costs another turn, and so
does a tool that failed. Spans follow OpenTelemetry's conventions for generative AI; a judgement of the
answer is an event ``gen_ai.evaluation.result`` on the agent's span.
"""

from typing import Any

from benchmarks.simulation.design import Agent, Call
from benchmarks.simulation.naming import resource
from benchmarks.simulation.recorder import GOOD, Reply, Span
from benchmarks.simulation.running import Here, Steps, ask, attempted, drawn

MOST_TURNS = 8
TOKENS = 100.0  # a model's work is given for an answer of this length
_SPREAD = 0.35
_LOST = Reply(ok=False, code=500, error="MaxTurnsExceeded")
_TOOL_SPOILS = 0.6


def acted(here: Here, agent: Agent) -> Steps:
    """Work on one task; the agent's own span is around it."""
    span, reply, spoilt, dice = here.begin(), _LOST, 0, here.system.dice
    inside = here.below(span.id if here.instance.service.design.spans else here.span)
    for _ in range(MOST_TURNS):
        answer = yield from _thought(inside, agent)
        if not answer.ok:
            reply = Reply(ok=False, code=502, error=answer.error)
            break
        if dice.random() < agent.invalid:
            inside.log("warn", "answer does not match its schema, asking again")
            continue
        if dice.random() < 1.0 / agent.turns or not agent.tools:
            reply = GOOD
            break
        used = yield from _used(inside, dice.choice(agent.tools))
        spoilt += not used.ok
    _judge(inside, span, reply, agent.good * _TOOL_SPOILS**spoilt)
    return reply


def _thought(here: Here, agent: Agent) -> Steps:
    """One turn of the model."""
    tokens = max(int(drawn(here.system, agent.tokens, _SPREAD)), 1)
    facts = {
        "name": f"chat {agent.model_name}",
        "gen_ai.operation.name": "chat",
        "gen_ai.agent.name": here.instance.name,
        "gen_ai.request.model": agent.model_name,
        "gen_ai.response.model": agent.model_name,
        "gen_ai.prompt.version": agent.prompt,
        "gen_ai.usage.input_tokens": here.system.dice.randint(200, 900),
        "gen_ai.usage.output_tokens": tokens,
    }
    reply = GOOD
    for _ in range(agent.model.retries + 1):
        reply = yield from attempted(here, agent.model, tokens / TOKENS, facts)
        if reply.ok:
            break
    return reply


def _used(here: Here, tool: Call) -> Steps:
    """One use of a tool."""
    span = here.begin()
    shown = here.instance.service.design.spans
    reply = yield from ask(here.below(span.id) if shown else here, tool)
    facts = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool.operation,
        "error.type": reply.error,
    }
    _record(here, span, f"execute_tool {tool.operation}", reply, facts)
    return reply


def _judge(here: Here, span: Span, reply: Reply, chance: float) -> None:
    """Somebody judges the answer; what tools failed to tell makes it worse."""
    good, name = here.system.dice.random() < chance * reply.ok, here.instance.name
    event = {
        "name": "gen_ai.evaluation.result",
        "gen_ai.evaluation.name": "answer_quality",
        "gen_ai.evaluation.score.label": "pass" if good else "fail",
    }
    facts = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name, "error.type": reply.error}
    _record(here, span, f"invoke_agent {name}", reply, facts, event)
    if not good:
        here.system.recorder.wrong.add(here.request.trace)
        here.log("warn", "answer was judged to be wrong")


def _record(
    here: Here, span: Span, name: str, reply: Reply, told: dict[str, Any], *events: dict[str, str]
) -> None:
    """Hand over a span of the agent's own; these are recorded whatever else is."""
    if here.instance.service.design.spans:
        recorder, now = here.system.recorder, here.system.env.now
        facts = recorder.attributes(resource(here.system, here.instance) | told, *events)
        recorder.end(span, (name, "internal"), now, reply, facts)
