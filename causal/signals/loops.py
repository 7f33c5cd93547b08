"""Loops: agents that need more turns or calls for one run than in quiet time.

An agent that is stuck repeats itself: it retries, asks the same again, or never decides that it is done. What
is counted is how often one agent acts within one trace.
"""

from __future__ import annotations

from collections import Counter

from causal.actors import Sample, Telling, agent_of, numbers, risen
from causal.evidence import Anomaly
from causal.genai import Act
from causal.past import Measure
from causal.view import View

_SAYS = Telling("loop", "turns", "{name} acts {now:.1f} times a run, in quiet time {before:.1f}", "loop")


def find(view: View) -> tuple[Anomaly, ...]:
    """Agents that act more often a run."""
    return risen(view, _samples(view)) if view.compares else ()


def measures(view: View) -> tuple[Measure, ...]:
    """Acts of a run, per agent."""
    return tuple(sample.measure for sample in _samples(view))


def _samples(view: View) -> tuple[Sample, ...]:
    often = Counter(_run_of(act) for act in view.acts.each)
    firsts = {_run_of(act): act.row for act in reversed(view.acts.each)}
    runs = view.acts.those(lambda act: firsts[_run_of(act)] == act.row)
    return numbers(view, runs, agent_of, [float(often[_run_of(act)]) for act in runs.each], _SAYS)


def _run_of(act: Act) -> tuple[int, str, str]:
    return act.trace, act.service, act.agent
