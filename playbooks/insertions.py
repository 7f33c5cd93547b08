"""The rules on what is inserted where: no text of other people's stands unguarded inside text of ours.

A look-up's value is guarded by the place that it goes to (`playbooks.places`), or by its parameter's pattern,
or by standing alone: a value by itself is compared, looked up and validated, and can end nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from playbooks.lookups import Mention, mentions
from playbooks.places import place_of
from playbooks.remedy import Playbook
from playbooks.walk import Given, everything_given
from playbooks.written import Finding, Path

if TYPE_CHECKING:
    from playbooks.known import KnownActions, KnownChecks

FILL_IN = "FILL-IN"
# Look-ups whose text people write freely; all others are names that somebody chose for machines.
_FREE = {"$cause.change.title"}
_OURS = ("$service.", "$incident.", "$alert.signal")


def insertion_findings(playbook: Playbook, actions: KnownActions, checks: KnownChecks) -> Iterator[Finding]:
    """Every insertion that a hostile name could use to say more than was meant, and what is missing."""
    for given in everything_given(playbook, actions, checks):
        for name, value in given.arguments.items():
            if value == FILL_IN:
                yield Finding(
                    (*given.within, name), f"is still to be filled in: what {given.called} takes here"
                )
            yield from _names_hold_nothing(value, (*given.within, name))
            for mention in mentions(value):
                yield from _is_guarded(playbook, given, name, mention)


def _names_hold_nothing(value: object, path: Path) -> Iterator[Finding]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if "$" in str(key):
                yield Finding((*path, key), "a name is never filled in; look-ups may stand in values alone")
            yield from _names_hold_nothing(inner, (*path, key))
    elif isinstance(value, list | tuple):
        for at, inner in enumerate(value):
            yield from _names_hold_nothing(inner, (*path, at))


def _is_guarded(playbook: Playbook, given: Given, field: str, mention: Mention) -> Iterator[Finding]:
    parameter = playbook.parameters.get(mention.name)
    if parameter is None or parameter.pattern is not None or not parameter.source.startswith("$"):
        return
    if place_of(given.schema, field) is not None or parameter.source.startswith(_OURS):
        return
    path: Path = (*given.within, field, *mention.path)
    ways = f'give the parameter {mention.name} a pattern, such as "^[A-Za-z0-9._-]+$"'
    if parameter.source in _FREE:
        yield Finding(path, f"{parameter.source} is whatever somebody wrote there; {ways}")
    elif not mention.is_whole:
        yield Finding(path, f"{parameter.source} is put inside text that nothing escapes; {ways}", "warning")
