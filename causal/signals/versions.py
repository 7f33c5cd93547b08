"""Versions: agents that have begun to use a prompt or a model that quiet time never saw.

A new version is no trouble by itself: it is worth what a change shortly before the trouble is worth, however
certain it is, and names the cause where the agent's output has changed as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log

from causal.actors import Telling, oftener
from causal.evidence import Anomaly, Entity, EntityKind
from causal.genai import Act
from causal.suspects import PRIOR, PRIOR_CHANGED
from causal.view import View

_WORTH = log(PRIOR_CHANGED / PRIOR)
_WATCHED = (
    (EntityKind.PROMPT, "gen_ai.prompt.version", "prompt"),
    (EntityKind.MODEL, "gen_ai.request.model", "model"),
)


def find(view: View) -> tuple[Anomaly, ...]:
    """Prompts and models that are new."""
    if not view.compares:
        return ()
    return tuple(anomaly for kind, name, word in _WATCHED for anomaly in _new(view, kind, name, word))


def _new(view: View, kind: EntityKind, name: str, word: str) -> Iterator[Anomaly]:
    told = view.acts.those(lambda act: act.text(name) is not None)
    calm = {(act.service, act.agent, act.text(name)) for act in told.each if not view.late[act.row]}
    latest = {(act.service, act.agent): act.text(name) for act in told.each if _is_new(act, name, calm)}
    changed = told.those(lambda act: (act.service, act.agent) in latest)
    says = f"{{now:.0%}} of its turns use {word} {{name}}, which quiet time never saw"

    def version(act: Act) -> Entity:
        return Entity(kind=kind, name=latest[act.service, act.agent] or "", service=act.service)

    held = [_is_new(act, name, calm) for act in changed.each]
    for anomaly in oftener(view, changed, version, held, Telling(word, "turns", says)):
        yield anomaly.model_copy(update={"log_bayes_factor": min(anomaly.log_bayes_factor, _WORTH)})


def _is_new(act: Act, name: str, calm: set[tuple[str, str, str | None]]) -> bool:
    return (act.service, act.agent, act.text(name)) not in calm
