"""The rules for playbooks that their schema can not hold, each a function that names what breaks it.

A rule speaks about one playbook and the schemas of the actions and checks it uses; none needs an incident.
Here stands what makes a playbook understood; `playbooks.reach` has the rules on what could never happen,
`playbooks.site` those that need to know the site.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, get_args

from pydantic import BaseModel

from causal.evidence import Signal
from playbooks.insertions import insertion_findings
from playbooks.known import reported_by
from playbooks.lookups import LOOKUPS, mentions
from playbooks.reach import reach_findings
from playbooks.remedy import Call, Playbook, Step
from playbooks.site import NOTHING_KNOWN, Site, site_findings
from playbooks.walk import everything_given, required, undo_arguments, undo_calls
from playbooks.written import Document, Finding, Path, Problem, nearest

if TYPE_CHECKING:
    from playbooks.known import KnownActions, KnownChecks


def broken_rules(
    playbook: Playbook,
    document: Document,
    actions: KnownActions,
    checks: KnownChecks,
    site: Site = NOTHING_KNOWN,
) -> tuple[Problem, ...]:
    """Every rule that a playbook breaks, each at its place in the text.

    Warnings are told once there is no error left: most would only say the same in other words.
    """
    findings = [
        *_claim_is_humble(playbook),
        *_parameters_can_be_looked_up(playbook),
        *_signal_is_known(playbook),
        *_step_ids_are_unique(playbook),
        *_steps_are_understood(playbook, actions),
        *_checks_are_understood(playbook, checks),
        *_effects_are_reported(playbook, actions),
        *_changes_can_be_taken_back(playbook, actions),
        *insertion_findings(playbook, actions, checks),
        *reach_findings(playbook, actions, checks),
        *site_findings(playbook, actions, checks, site),
    ]
    wrong = [finding for finding in findings if finding.severity == "error"]
    return tuple(document.problem(*finding) for finding in wrong or findings)


def _claim_is_humble(playbook: Playbook) -> Iterator[Finding]:
    if not 0.0 < playbook.confidence.prior < 1.0:
        yield Finding(
            ("confidence", "prior"), "nobody is certain before the first run; write for example 0.1 or 0.9"
        )


def _parameters_can_be_looked_up(playbook: Playbook) -> Iterator[Finding]:
    for name, parameter in playbook.parameters.items():
        path = ("parameters", name)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            yield Finding(path, "a parameter's name is letters, digits and underscores")
        if parameter.source.startswith("$") and parameter.source[1:] not in LOOKUPS:
            known = [f"${each}" for each in LOOKUPS]
            yield Finding(
                (*path, "from"),
                f"there is no look-up {parameter.source}; {nearest(parameter.source, known)}",
            )
        if wrong := _bad_pattern(parameter.pattern):
            yield Finding((*path, "pattern"), wrong)


def _bad_pattern(pattern: str | None) -> str | None:
    try:
        re.compile(pattern or "")
    except re.error as error:
        return f"is not a regular expression: {error}"
    return None


def _signal_is_known(playbook: Playbook) -> Iterator[Finding]:
    known = ["$alert.signal", *get_args(Signal)]
    if playbook.verify and playbook.verify.recovered_when.signal not in known:
        written = playbook.verify.recovered_when.signal
        yield Finding(
            ("verify", "recovered_when", "signal"),
            f"no signal is called {written}; {nearest(written, known)}",
        )


def _step_ids_are_unique(playbook: Playbook) -> Iterator[Finding]:
    ids = [step.id for step in playbook.steps]
    for at, name in enumerate(ids):
        if name in ids[:at]:
            yield Finding(
                ("steps", at, "id"), f"step {ids.index(name)} is called {name} already; choose another"
            )


def _steps_are_understood(playbook: Playbook, actions: KnownActions) -> Iterator[Finding]:
    for at, step in enumerate(playbook.steps):
        yield from _call_is_understood(playbook, step, ("steps", at), actions)
        for path, call in undo_calls(playbook, at):
            yield from _call_is_understood(playbook, call, path, actions, undo=True)


def _call_is_understood(
    playbook: Playbook, call: Call, path: Path, actions: KnownActions, *, undo: bool = False
) -> Iterator[Finding]:
    if call.action not in actions:
        yield Finding((*path, "action"), f"there is no action {call.action}; {nearest(call.action, actions)}")
        return
    schema = actions[call.action].Params
    arguments = undo_arguments(call, schema) if undo else call.arguments
    yield from _arguments_fit(call.action, arguments, schema, (*path, "with"))
    yield from _names_are_declared(playbook, arguments, (*path, "with"), undo=undo)


def _checks_are_understood(playbook: Playbook, checks: KnownChecks) -> Iterator[Finding]:
    for at, condition in enumerate(playbook.preconditions):
        path: Path = ("preconditions", at)
        if condition.check not in checks:
            yield Finding(
                (*path, "check"), f"there is no check {condition.check}; {nearest(condition.check, checks)}"
            )
            continue
        schema = checks[condition.check].Params
        yield from _arguments_fit(condition.check, condition.arguments, schema, (*path, "with"))
        yield from _names_are_declared(playbook, condition.arguments, (*path, "with"), undo=False)


def _arguments_fit(
    called: str, arguments: Mapping[str, object], schema: type[BaseModel], path: Path
) -> Iterator[Finding]:
    known = [info.alias or name for name, info in schema.model_fields.items()]
    for name in arguments:
        if name not in known:
            yield Finding((*path, name), f"{called} takes no {name}; {nearest(name, known)}")
    for name in required(schema):
        if name not in arguments:
            yield Finding(path, f"{called} needs {name}; write it under with")


def _names_are_declared(
    playbook: Playbook, arguments: Mapping[str, object], path: Path, *, undo: bool
) -> Iterator[Finding]:
    for mention in mentions(arguments):
        place = (*path, *mention.path)
        if mention.wrong:
            yield Finding(place, mention.wrong)
        elif mention.is_effect and not undo:
            yield Finding(
                place, f"${mention.name} is known only after the step; it may stand in an undo alone"
            )
        elif not mention.is_effect and mention.name not in playbook.parameters:
            meant = nearest(mention.name, playbook.parameters)
            yield Finding(place, f"${mention.name} is not declared under parameters; {meant}")


def _effects_are_reported(playbook: Playbook, actions: KnownActions) -> Iterator[Finding]:
    for given in everything_given(playbook, actions, {}):
        reports = reported_by(actions[given.effect_of]) if given.effect_of in actions else None
        if reports is None:
            continue
        for mention in mentions(given.arguments):
            name = mention.name.removeprefix("effect.")
            if mention.is_effect and name not in reports:
                says = f"{given.effect_of} does not report {name}; {nearest(name, reports)}"
                yield Finding((*given.within, *mention.path), says)


def _changes_can_be_taken_back(playbook: Playbook, actions: KnownActions) -> Iterator[Finding]:
    for at, step in enumerate(playbook.steps):
        if _mutates(step, actions) and step.undo is None and playbook.verify is None:
            ways = "say how to take it back (undo), or how to see that it helped (verify)"
            yield Finding(("steps", at), f"{step.action} changes the world: {ways}")


def _mutates(step: Step, actions: KnownActions) -> bool:
    return step.action in actions and actions[step.action].mutates
