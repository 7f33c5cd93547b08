"""A walk through everything in a playbook that is given arguments: preconditions, steps, and their undos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel

from playbooks.remedy import Call, Playbook, Precondition
from playbooks.written import Path

if TYPE_CHECKING:
    from playbooks.known import KnownActions, KnownChecks


@dataclass(frozen=True)
class Given:
    """What an action or a check is given: ``path`` leads to it; an undo may use its step's effect."""

    path: Path
    called: str
    schema: type[BaseModel]
    arguments: Mapping[str, object]
    is_undo: bool = False
    effect_of: str = ""

    @property
    def within(self) -> Path:
        """Where the arguments stand."""
        return (*self.path, "with")


def everything_given(playbook: Playbook, actions: KnownActions, checks: KnownChecks) -> Iterator[Given]:
    """Walk through a playbook in the order in which it is carried out; what is unknown is left out."""
    for at, condition in enumerate(playbook.preconditions):
        yield from _of_check(condition, ("preconditions", at), checks)
    for at, step in enumerate(playbook.steps):
        if step.action in actions:
            schema = actions[step.action].Params
            yield Given(("steps", at), step.action, schema, step.arguments)
        for path, call in undo_calls(playbook, at):
            if call.action in actions:
                schema = actions[call.action].Params
                given = undo_arguments(call, schema)
                yield Given(path, call.action, schema, given, is_undo=True, effect_of=step.action)


def undo_calls(playbook: Playbook, at: int) -> Iterator[tuple[Path, Call]]:
    """Every call of a step's undo, and the path that leads to it."""
    undo = playbook.steps[at].undo
    for number, call in enumerate(undo.calls if undo else ()):
        yield ("steps", at, "undo", *(("then", number - 1) if number else ())), call


def _of_check(condition: Precondition, path: Path, checks: KnownChecks) -> Iterator[Given]:
    if condition.check in checks:
        yield Given(path, condition.check, checks[condition.check].Params, condition.arguments)


def undo_arguments(undo: Call, schema: type[BaseModel]) -> dict[str, object]:
    """Return an undo's arguments; one that gives none takes what it requires from its step's effect."""
    if undo.arguments:
        return undo.arguments
    return {name: f"$effect.{name}" for name in required(schema)}


def required(schema: type[BaseModel]) -> list[str]:
    """The names of what a schema can not do without."""
    return [info.alias or name for name, info in schema.model_fields.items() if info.is_required()]
