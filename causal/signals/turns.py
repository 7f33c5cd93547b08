"""One failed run and nothing to compare it with: which turn, of which agent, was the decisive one?

The decisive turn is the earliest whose correction would have saved the run (Zhang et al., "Which agent causes
task failures and when?", ICML 2025). Each turn is a hypothesis; what speaks for it are log Bayes factors in
nats, few and round, one for each thing that a reviewer looks for:

- +3: it began a run in which the task is never named: whatever follows is in vain;
- +2: facts appear that nothing before held and no tool returned, all of it from sixteen facts on;
- +2: it says so itself: assumed, simulated, placeholder (half of it for a single word);
- +1: it claims to have looked, and no tool ran for it;
- +1: it is the first whose tool or code failed or returned nothing: later failures repeat it;
- +1: it is the first that does real work: what comes after builds on it;
- -2: it comes from an agent that hands the work to others: it repeats what it was told, and its plans and
  guesses are checked by those who do the work, so they don't count as facts or claims;
- -1: from the first turn to the last: a late error has less left to spoil.

A tool that fails by itself takes the place of the turn that called it, and a memory entry counts as a turn
that tells facts. The weights are argued, not fitted; fitting them to labelled runs of one kind of team makes
another kind worse. A turn's share of the softmax is its posterior, an agent's is the sum over its turns.
About a quarter of the runs takes knowledge that no structure shows: that part is spread evenly over all
actors and one more, who is not seen. The evidence against an actor is what lifts a service from its prior to
that posterior: a run that failed has a decisive turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log, log1p

import numpy as np

from causal.dataflow import runs, task_of
from causal.evidence import Anomaly, Entity
from causal.genai import Act
from causal.suspects import PRIOR
from causal.telemetry import Floats
from causal.turns import Turn, fails_itself, strayed, turns
from causal.view import View

_STRAYS, _NEW, _INVENTS, _CLAIMS, _FAILS, _FIRST, _HANDS_ON, _LATE = 3.0, 2.0, 2.0, 1.0, 1.0, 1.0, -2.0, -1.0
_ALL_NEW, _OFTEN = log(16), 2
_SEEN, _EDGE = 0.75, 1e-3


@dataclass(frozen=True)
class Doubt:
    """A turn, what speaks for it being the decisive one (nats), and why in words."""

    turn: Turn
    evidence: float
    reasons: tuple[str, ...]


def find(view: View) -> tuple[Anomaly, ...]:
    """Whose turn decided a run that failed, where there is no quiet time."""
    if view.compares or not view.acts:
        return ()
    late = [act for act in view.acts.each if view.late[act.row]]
    starts = {act.row: int(view.spans.start_ns[act.row]) for act in late}
    found = [anomaly for run in runs(late, starts) for anomaly in _blamed(view, doubts(run))]
    return tuple(found)


def doubts(run: Sequence[Act]) -> list[Doubt]:
    """What speaks for each turn of one run."""
    told = turns(run)
    stray = strayed(told, task_of(run))
    hands_on = {turn.act.agent for turn in told if turn.act.what == "invoke_agent"}
    found: list[Doubt] = []
    worked = failed = False
    for number, turn in enumerate(told):
        late = _LATE * number / max(len(told) - 1, 1)
        if turn.act.agent in hands_on and turn.act.tool is None:
            found.append(Doubt(turn, _HANDS_ON + late, ()))
            continue
        works = turn.ran if turn.opening else turn.works
        weighed = [
            (_STRAYS * (stray and turn.opening), "began a run about something else than the task"),
            *_content(turn),
            (
                _FAILS * (turn.fruitless and not failed),
                "was the first to run what failed or returned nothing",
            ),
            (_FIRST * (works and not worked), "was the first to do any work"),
        ]
        worked, failed = worked or works, failed or turn.fruitless
        said = tuple(reason for weight, reason in weighed if weight > 0)
        found.append(Doubt(turn, late + sum(weight for weight, _ in weighed), said))
    return found


def _content(turn: Turn) -> Iterator[tuple[float, str]]:
    """What the words of a turn say against it."""
    if turn.act.tool is not None:
        yield _NEW * fails_itself(turn.act), "failed by itself"
        return
    if turn.opening or turn.shows:
        return
    yield (
        _NEW * min(1.0, log1p(len(turn.new)) / _ALL_NEW),
        f"tells {len(turn.new)} facts that nothing before it held",
    )
    yield _INVENTS * min(turn.inventions, _OFTEN) / _OFTEN, "says that it makes something up"
    yield _CLAIMS * turn.claims, "claims to have looked although nothing ran for it"


def _blamed(view: View, found: Sequence[Doubt]) -> Iterator[Anomaly]:
    """One anomaly an actor: its turns together, told by the most doubtful of them."""
    share = posterior([doubt.evidence for doubt in found])
    actors: dict[Entity, list[int]] = {}
    for place, doubt in enumerate(found):
        actors.setdefault(doubt.turn.act.actor, []).append(place)
    for actor, places in actors.items():
        chance = _SEEN * float(share[places].sum()) + (1.0 - _SEEN) / (len(actors) + 1)
        best = max(places, key=lambda place: (share[place], -place))
        step, reasons = found[best].turn.step, found[best].reasons or ("is one of its turns",)
        yield Anomaly(
            entity=actor,
            signal="turns",
            log_bayes_factor=max(0.0, _log_odds(chance) - _log_odds(PRIOR)),
            step=step,
            says=f"step {step}, by {actor.name}, {', '.join(reasons)}",
            exemplars=view.trace([found[best].turn.act.row]),
        )


def posterior(evidence: Sequence[float]) -> Floats:
    """How likely each turn is the decisive one: one of them is."""
    weights = np.exp(np.array(evidence, dtype=np.float64) - max(evidence, default=0.0))
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _log_odds(chance: float) -> float:
    sure = min(max(chance, _EDGE), 1.0 - _EDGE)
    return log(sure / (1.0 - sure))
