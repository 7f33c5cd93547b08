"""Doubles of actions for rehearsals: they do nothing outside, and their target remembers every effect.

A double has the name, the schema and the target of the action it stands for. Its effects go to a `Ledger`,
which is what a target's own log would be; `observe` looks there. It does not recognise a repeated request: an
agent that acts twice makes two effects, and the ledger shows it. The mishap of a scene comes over it once, at
the step it is meant for (a refusal comes always).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from causal.errors import AitiaError, Refused, Unavailable, UnknownEffect
from integrations.ports import Action, Actions, Effect
from playbooks.known import reported_by
from playbooks.lookups import mentions
from playbooks.matching import text_matching
from playbooks.rehearsal import Done, Mishap, Scene
from playbooks.remedy import Call, JsonValue, Playbook
from playbooks.walk import undo_arguments

Field = tuple[type[BaseModel], str]


class Crash(BaseException):  # it must pass every handler of an error, as a kill does
    """The worker is gone at this very point: nothing after it is carried out, and nothing is caught."""


@dataclass
class Clock:
    """Time that passes when it is told to (s)."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        """Let so much time go by."""
        self.now += seconds


@dataclass
class Ledger:
    """Every effect on the played targets, in order, and those that are still on their way."""

    clock: Clock
    done: list[Done] = field(default_factory=list)
    on_their_way: dict[str, tuple[float, Done]] = field(default_factory=dict)

    def take(self, effect: Done) -> None:
        """An effect takes place."""
        self.done.append(effect)

    def send(self, effect: Done, arrives: float) -> None:
        """An effect takes place at a later moment."""
        self.on_their_way[effect.key] = (arrives, effect)

    def arrivals(self) -> None:
        """Let everything take place whose moment has come."""
        for key, (arrives, effect) in sorted(self.on_their_way.items(), key=lambda sent: sent[1][0]):
            if arrives <= self.clock.now:
                del self.on_their_way[key]
                self.take(effect)

    def holds(self, key: str) -> bool:
        """Whether the effect of a key has taken place."""
        return any(effect.key == key for effect in self.done)


@dataclass
class Script:
    """What happens to whom: the scene, and how the surroundings are brought to play along."""

    scene: Scene
    ledger: Ledger
    foretold: Callable[[str], bool]
    stop: Callable[[], None]
    steal_locks: Callable[[], None]
    happened: set[str] = field(default_factory=set)

    def is_due(self, key: str) -> bool:
        """Whether the mishap comes over this key now; it comes once, but for a refusal."""
        scene = self.scene
        undoing = "/undo" in key
        mine = step_of(key) == scene.step and undoing is scene.undoing
        return mine and (scene.mishap is Mishap.REFUSAL or key not in self.happened)


def step_of(key: str) -> str:
    """The step that an idempotency key (``incident/plan/step[/undo...]``) belongs to."""
    return key.split("/")[2]


@dataclass
class Rehearsed:
    """An action's double; subclasses (`double`) have its name and schema."""

    inner: Action
    script: Script
    facts: Callable[[BaseModel, str], dict[str, JsonValue]]

    def target(self, params: BaseModel) -> str:
        try:
            return self.inner.target(params)
        except AitiaError:  # what only a connection could tell
            return f"{self.inner.name}:{params.model_dump_json()[:80]}"

    def preview(self, params: BaseModel) -> str:
        return f"(rehearsal) {self.inner.name} on {self.target(params)}"

    def observe(self, params: BaseModel, *, key: str) -> Effect | None:
        self._surroundings(key)
        ledger = self.script.ledger
        ledger.arrivals()
        if ledger.holds(key):
            return self._effect(params, key)
        if key in ledger.on_their_way:
            raise UnknownEffect(f"{self.target(params)} has not answered yet")
        return None

    def execute(self, params: BaseModel, *, key: str, timeout: float) -> Effect:
        if not self.script.is_due(key):
            return self._done(params, key)
        self.script.happened.add(key)
        return self._with(self.script.scene.mishap, params, key, timeout)

    def _with(self, mishap: Mishap, params: BaseModel, key: str, timeout: float) -> Effect:
        ledger, where = self.script.ledger, self.target(params)
        match mishap:
            case Mishap.REFUSAL:
                raise Refused(f"{where} refuses")
            case Mishap.OUTAGE:
                raise Unavailable(f"{where} can not be reached, nothing was sent")
            case Mishap.CRASH_BEFORE:
                raise Crash
            case Mishap.CRASH_AFTER:
                self._done(params, key)
                raise Crash
            case Mishap.LOST_ANSWER:
                self._done(params, key)
            case Mishap.LATE_EFFECT:
                ledger.send(self._entry(params, key), ledger.clock.now + 1.5 * timeout)
            case Mishap.TIME_OUT:
                pass
            case _:
                return self._done(params, key)
        ledger.clock.pass_by(timeout)
        raise UnknownEffect(f"{where} gave no answer within {timeout:g} s")

    def _surroundings(self, key: str) -> None:
        """What happens around a target happens while it is looked at: as late as can be noticed."""
        if self.script.scene.mishap is Mishap.STOPPED and self.script.is_due(key):
            self.script.happened.add(key)
            self.script.stop()
        if self.script.scene.mishap is Mishap.LOCK_LOST and self.script.is_due(key):
            self.script.happened.add(key)
            self.script.steal_locks()

    def _done(self, params: BaseModel, key: str) -> Effect:
        self.script.ledger.take(self._entry(params, key))
        return self._effect(params, key)

    def _entry(self, params: BaseModel, key: str) -> Done:
        return Done(
            key=key,
            step=step_of(key),
            action=self.inner.name,
            target=self.target(params),
            undoing="/undo" in key,
            foretold=self.script.foretold(key),
            mutates=self.inner.mutates,
        )

    def _effect(self, params: BaseModel, key: str) -> Effect:
        return Effect(says=f"{self.inner.name} took effect", facts=self.facts(params, key))


def doubles(actions: Actions, playbook: Playbook, script: Script) -> Actions:
    """A double for every action, all in one script."""
    made: dict[str, Action] = {}
    for name, action in actions.items():
        known = {"name": name, "Params": action.Params, "mutates": action.mutates}
        kind = type("RehearsedAction", (Rehearsed,), known)
        made[name] = cast("Action", kind(action, script, _reporter(action, playbook, actions)))
    return made


def _reporter(
    action: Action, playbook: Playbook, actions: Actions
) -> Callable[[BaseModel, str], dict[str, JsonValue]]:
    """What an action's effect reports: what it says that it does, else what its undos count on."""
    takers = _takers(action.name, playbook, actions)
    declared = reported_by(action)
    names = declared if declared is not None else takers.keys()

    def report(params: BaseModel, key: str) -> dict[str, JsonValue]:
        given = params.model_dump(mode="json")
        return {name: _made_up(name, key, given, takers.get(name, [])) for name in sorted(names)}

    return report


def _takers(action: str, playbook: Playbook, actions: Actions) -> dict[str, list[Field]]:
    """Each fact that an undo takes from its step, and the fields that it goes to as it is."""
    found: dict[str, list[Field]] = {}
    for call in _undo_calls(action, playbook):
        schema = actions[call.action].Params
        for name, template in undo_arguments(call, schema).items():
            for mention in mentions(template):
                if mention.is_effect:
                    fields = found.setdefault(mention.name.removeprefix("effect."), [])
                    fields += [(schema, name)] if mention.is_whole and not mention.path else []
    return found


def _undo_calls(action: str, playbook: Playbook) -> list[Call]:
    return [
        call for step in playbook.steps if step.action == action and step.undo for call in step.undo.calls
    ]


def _made_up(name: str, key: str, given: Mapping[str, Any], takers: list[Field]) -> JsonValue:
    """A value for a fact: that of the parameter of its name, else one that the undo takes."""
    if isinstance(given.get(name), str | int | float | bool):
        return cast("JsonValue", given[name])
    commit = hashlib.sha256(f"{key} {name}".encode()).hexdigest()[:40]
    asked = [value for taker in takers for value in _asked_for(taker)]
    for value in (commit, 1, "1", f"made-up-{name}", *asked):
        if all(_takes(taker, value) for taker in takers):
            return cast("JsonValue", value)
    return commit


def _asked_for(taker: Field) -> list[object]:
    """Values that a field asks for: those that it lists, or one that its pattern matches."""
    schema, name = taker
    field = schema.model_json_schema().get("properties", {}).get(name, {})
    matching = text_matching(str(field["pattern"])) if "pattern" in field else None
    return [*field.get("enum", ()), *([matching] if matching is not None else ())]


def _takes(taker: Field, value: object) -> bool:
    schema, name = taker
    try:
        schema.model_validate({name: value})
    except ValidationError as error:
        return all(wrong["loc"][:1] != (name,) for wrong in error.errors())
    return True
