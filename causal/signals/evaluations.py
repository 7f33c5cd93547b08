"""Evaluations: agents whose answers are judged worse than in quiet time, by label or by score.

A score has no unit, so it is measured by its distance from the best that quiet time has seen.
"""

from __future__ import annotations

from math import isfinite, nan

from causal.actors import Sample, Telling, agent_of, marks, numbers, risen
from causal.evidence import Anomaly
from causal.genai import Act
from causal.past import Measure
from causal.view import View

_BAD = frozenset({"fail", "failed", "bad", "incorrect", "wrong", "no", "poor", "unsafe"})
_LABEL, _SCORE = "gen_ai.evaluation.score.label", "gen_ai.evaluation.score.value"
_FAILS = Telling(
    "evaluation",
    "answers",
    "{now:.0%} of the answers of {name} are evaluated as failed, in quiet time {before:.0%}",
    "evaluation",
)
_FALLS = Telling(
    "evaluation",
    "score",
    "answers of {name} score {now:.2f} below the best of quiet time, before that {before:.2f}",
)


def find(view: View) -> tuple[Anomaly, ...]:
    """Agents that are evaluated worse."""
    if not view.compares:
        return ()
    scored = view.acts.those(lambda act: isfinite(score(act)))
    calm = [score(act) for act in scored.each if not view.late[act.row]]
    away = [max(max(calm, default=0.0) - score(act), 0.0) for act in scored.each]
    return risen(view, (*_judged(view), *numbers(view, scored, agent_of, away, _FALLS)))


def measures(view: View) -> tuple[Measure, ...]:
    """Answers that were judged by a label, per agent."""
    return tuple(sample.measure for sample in _judged(view))


def _judged(view: View) -> tuple[Sample, ...]:
    judged = view.acts.those(lambda act: judged_bad(act) is not None)
    return marks(view, judged, agent_of, [bool(judged_bad(act)) for act in judged.each], _FAILS)


def judged_bad(act: Act) -> bool | None:
    """Whether an evaluation says that an act failed; None where nothing was evaluated by a label."""
    labels = [str(told[_LABEL]).lower() for told in act.evaluations if told.get(_LABEL) is not None]
    return any(label in _BAD for label in labels) if labels else None


def score(act: Act) -> float:
    """The lowest score that an act was given; NaN where there is none."""
    scores = [told[_SCORE] for told in act.evaluations if isinstance(told.get(_SCORE), int | float)]
    return float(min(scores, default=nan))
