"""Evaluations: agents whose answers are judged worse than in quiet time, by label or by score.

A score has no unit, so it is measured by its distance from the best that quiet time has seen.
"""

from __future__ import annotations

from math import isfinite, nan

from causal.actors import Telling, agent_of, longer, oftener
from causal.evidence import Anomaly
from causal.genai import Act
from causal.view import View

_BAD = frozenset({"fail", "failed", "bad", "incorrect", "wrong", "no", "poor", "unsafe"})
_LABEL, _SCORE = "gen_ai.evaluation.score.label", "gen_ai.evaluation.score.value"
_FAILS = Telling(
    "evaluation",
    "answers",
    "{now:.0%} of the answers of {name} are evaluated as failed, in quiet time {before:.0%}",
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
    judged = view.acts.those(lambda act: judged_bad(act) is not None)
    fails = oftener(view, judged, agent_of, [bool(judged_bad(act)) for act in judged.each], _FAILS)
    scored = view.acts.those(lambda act: isfinite(score(act)))
    calm = [score(act) for act in scored.each if not view.late[act.row]]
    away = [max(calm, default=0.0) - score(act) for act in scored.each]
    return (*fails, *longer(view, scored, agent_of, [max(each, 0.0) for each in away], _FALLS))


def judged_bad(act: Act) -> bool | None:
    """Whether an evaluation says that an act failed; None where nothing was evaluated by a label."""
    labels = [str(told[_LABEL]).lower() for told in act.evaluations if told.get(_LABEL) is not None]
    return any(label in _BAD for label in labels) if labels else None


def score(act: Act) -> float:
    """The lowest score that an act was given; NaN where there is none."""
    scores = [told[_SCORE] for told in act.evaluations if isinstance(told.get(_SCORE), int | float)]
    return float(min(scores, default=nan))
