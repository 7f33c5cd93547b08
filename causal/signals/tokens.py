"""Tokens and cost: agents that write more, read more or cost more a turn than in quiet time.

A prompt that has grown shows in what goes in, an answer that rambles in what comes out; both are heavy-tailed
and are compared on a log scale, like times.
"""

from __future__ import annotations

from causal.actors import Telling, agent_of, longer
from causal.evidence import Anomaly
from causal.view import View

_MEASURES = (
    (
        "gen_ai.usage.output_tokens",
        Telling("tokens", "tokens", "{name} writes {now:.0f} tokens a turn, in quiet time {before:.0f}"),
    ),
    (
        "gen_ai.usage.input_tokens",
        Telling("tokens", "tokens", "{name} reads {now:.0f} tokens a turn, in quiet time {before:.0f}"),
    ),
    (
        "gen_ai.usage.cost",
        Telling("tokens", "cost", "a turn of {name} costs {now:.4f}, in quiet time {before:.4f}"),
    ),
)


def find(view: View) -> tuple[Anomaly, ...]:
    """Agents whose turns have become longer or dearer."""
    if not view.compares:
        return ()
    return tuple(
        anomaly
        for name, telling in _MEASURES
        for anomaly in longer(
            view, view.acts, agent_of, [act.number(name) for act in view.acts.each], telling
        )
    )
