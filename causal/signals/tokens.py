"""Tokens and cost: agents that write more, read more or cost more a turn than in quiet time.

A prompt that has grown shows in what goes in, an answer that rambles in what comes out; both are heavy-tailed
and are compared on a log scale, like times.
"""

from __future__ import annotations

from causal.actors import Sample, Telling, agent_of, numbers, risen
from causal.evidence import Anomaly
from causal.past import Measure
from causal.view import View

_MEASURES = (
    Telling(
        "tokens",
        "tokens",
        "{name} writes {now:.0f} tokens a turn, in quiet time {before:.0f}",
        "gen_ai.usage.output_tokens",
        1.0,
    ),
    Telling(
        "tokens",
        "tokens",
        "{name} reads {now:.0f} tokens a turn, in quiet time {before:.0f}",
        "gen_ai.usage.input_tokens",
        1.0,
    ),
    Telling(
        "tokens",
        "cost",
        "a turn of {name} costs {now:.4f}, in quiet time {before:.4f}",
        "gen_ai.usage.cost",
        1e-5,
    ),
)


def find(view: View) -> tuple[Anomaly, ...]:
    """Agents whose turns have become longer or dearer."""
    return risen(view, _samples(view)) if view.compares else ()


def measures(view: View) -> tuple[Measure, ...]:
    """Tokens and cost of a turn, per agent."""
    return tuple(sample.measure for sample in _samples(view))


def _samples(view: View) -> tuple[Sample, ...]:
    return tuple(
        sample
        for telling in _MEASURES
        for sample in numbers(
            view, view.acts, agent_of, [act.number(telling.measure) for act in view.acts.each], telling
        )
    )
