"""The rules on what could never happen: a playbook that is never chosen, a step that is never reached.

A playbook's steps run one after the other, and the first that fails ends them. So a step is out of reach if
one before it, or a precondition, is given something that it refuses whatever the incident; and a whole
playbook is if none of its cures is ever diagnosed, or a parameter of it can not have a value then. What is
known here of diagnoses is what the engine's verdicts hold: they name a change only with a fault that *is* a
change, and blame services, changes, and who acts in a run of agents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import ValidationError

from causal.errors import AitiaError
from causal.evidence import EntityKind
from causal.naming import CHANGES
from playbooks.insertions import FILL_IN
from playbooks.lookups import as_text, fill, mentions
from playbooks.remedy import Cure, Parameter, Playbook
from playbooks.walk import Given, everything_given
from playbooks.written import Finding, Path

if TYPE_CHECKING:
    from playbooks.known import KnownActions, KnownChecks

_CARRIED = "$cause.change."
_OF_CHANGES = {None, EntityKind.SERVICE, EntityKind.CHANGE, EntityKind.PROMPT}
_BLAMED = {
    *(None, EntityKind.SERVICE, EntityKind.CHANGE),
    *(EntityKind.AGENT, EntityKind.TOOL, EntityKind.MODEL, EntityKind.PROMPT, EntityKind.MEMORY),
}


def reach_findings(playbook: Playbook, actions: KnownActions, checks: KnownChecks) -> Iterator[Finding]:
    """Everything in a playbook that can never come about, and what hides that it may not."""
    yield from _cures_are_diagnosed(playbook)
    for name, parameter in playbook.parameters.items():
        yield from _parameter_can_be_filled(playbook, name, parameter)
    given = tuple(everything_given(playbook, actions, checks))
    yield from _parameters_are_used(playbook, given)
    refusals = tuple(_refused(given))
    yield from refusals
    yield from _steps_are_reached(playbook, [finding.path for finding in refusals])
    yield from _recovery_can_be_seen(playbook)


def _cures_are_diagnosed(playbook: Playbook) -> Iterator[Finding]:
    for at, cure in enumerate(playbook.cures):
        path: Path = ("cures", at)
        if cure in playbook.cures[:at]:
            yield Finding(path, "stands here twice; keep one", "warning")
        elif says := _never_diagnosed(cure):
            yield Finding((*path, "entity"), says)
        elif cure.entity not in _BLAMED:
            says = f"no diagnosis blames {_a(cure.entity)} itself, but its service; leave the entity out"
            yield Finding((*path, "entity"), says, "warning")


def _never_diagnosed(cure: Cure) -> str | None:
    if cure.fault in CHANGES and cure.entity not in _OF_CHANGES:
        return f"{cure.fault} is blamed on a change, never on {_a(cure.entity)}; leave the entity out"
    if cure.fault not in CHANGES and cure.entity is EntityKind.CHANGE:
        return f"{cure.fault} is never blamed on a change; cure {' or '.join(sorted(CHANGES))} instead"
    return None


def _a(kind: EntityKind | None) -> str:
    return f"{'an' if str(kind)[:1] in 'aeiou' else 'a'} {kind}"


def _parameter_can_be_filled(playbook: Playbook, name: str, parameter: Parameter) -> Iterator[Finding]:
    path: Path = ("parameters", name)
    if parameter.source.startswith(_CARRIED) and parameter.default is None:
        without = [cure.fault for cure in playbook.cures if cure.fault not in CHANGES]
        never = len(without) == len(playbook.cures)
        says = f"{parameter.source} is known only where a change is blamed, never for {', '.join(without)}"
        ways = "write a default, or cure these with a playbook of their own"
        if without:
            yield Finding((*path, "from"), f"{says}; {ways}", "error" if never else "warning")
    yield from _fits_its_pattern(path, parameter)


def _fits_its_pattern(path: Path, parameter: Parameter) -> Iterator[Finding]:
    literal = None if parameter.source.startswith("$") else parameter.source
    for field, value in (("from", literal), ("default", parameter.default)):
        if value is not None and not _matches(parameter.pattern, as_text(value)):
            says = f"{as_text(value)!r} does not match the pattern {parameter.pattern}; change one of the two"
            yield Finding((*path, field), says)


def _matches(pattern: str | None, text: str) -> bool:
    try:
        return pattern is None or re.fullmatch(pattern, text) is not None
    except re.error:
        return True  # what is wrong with a pattern is told where it stands


def _parameters_are_used(playbook: Playbook, given: tuple[Given, ...]) -> Iterator[Finding]:
    used = {mention.name for each in given for mention in mentions(each.arguments)}
    known = sum(len(step.undo.calls) if step.undo else 0 for step in playbook.steps)
    if len(given) != known + len(playbook.steps) + len(playbook.preconditions):
        return  # an action that is not known may use them
    for name, parameter in playbook.parameters.items():
        if name not in used:
            only = "" if parameter.default is not None else ", and only keeps the playbook from being chosen"
            yield Finding(("parameters", name), f"is used nowhere{only}; leave it out", "warning")


def _refused(given: tuple[Given, ...]) -> Iterator[Finding]:
    """What is written out in full, and is refused by the schema of what it is given to."""
    for each in given:
        yield from _refused_of(each)


def _refused_of(given: Given) -> Iterator[Finding]:
    known = {info.alias or name for name, info in given.schema.model_fields.items()}
    probes: dict[str, object] = {}
    for name, value in given.arguments.items():
        filled, says = _filled_with_a_letter(given, name, value)
        if says:
            yield Finding((*given.within, name), says)
        elif name in known and filled is not None:
            probes[name] = filled
    try:
        given.schema.model_validate(probes)
    except ValidationError as error:
        for wrong in error.errors(include_url=False):
            if wrong["type"] != "missing" and wrong["loc"] and wrong["loc"][0] in probes:
                says = str(wrong["msg"]).removeprefix("Value error, ")
                yield Finding((*given.within, *wrong["loc"]), f"{given.called} refuses this: {says}")


def _filled_with_a_letter(given: Given, name: str, value: object) -> tuple[object, str]:
    """A value with ``x`` for whatever is inserted inside text; None where a look-up is all of it."""
    found = list(mentions(value))
    if value == FILL_IN or any(mention.wrong or mention.is_whole for mention in found):
        return None, ""
    try:
        return fill({name: value}, dict.fromkeys((each.name for each in found), "x"), given.schema)[name], ""
    except AitiaError as refusal:
        return None, f"{given.called} refuses this: {refusal}"


def _steps_are_reached(playbook: Playbook, broken: list[Path]) -> Iterator[Finding]:
    where = {_place_in_line(path): path for path in reversed(broken) if path[2] != "undo"}
    if not where:
        return
    first = min(where)
    what = "a precondition" if first < 0 else f"step {first} ({playbook.steps[first].id})"
    for at in range(first + 1 if first >= 0 else 0, len(playbook.steps)):
        yield Finding(("steps", at), f"is never reached: {what} can only fail; mend that first")


def _place_in_line(path: Path) -> int:
    return -1 if path[0] == "preconditions" else int(path[1])


def _recovery_can_be_seen(playbook: Playbook) -> Iterator[Finding]:
    recovery = playbook.verify.recovered_when if playbook.verify else None
    if recovery is None:
        return
    path: Path = ("verify", "recovered_when")
    if recovery.within < recovery.quiet_for:
        says = f"{recovery.within:g} s can not hold {recovery.quiet_for:g} s of quiet; make within longer"
        yield Finding((*path, "within"), says)
    cooldown = playbook.limits.per_service_cooldown
    if cooldown is not None and cooldown < recovery.within:
        says = (
            f"{cooldown:g} s of cooldown end before it is known whether the last run helped "
            f"(verify within {recovery.within:g} s); make it at least that long"
        )
        yield Finding(("limits", "per_service_cooldown"), says, "warning")
