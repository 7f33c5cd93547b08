"""The rules that need to know the site: which connections there are, and who may approve.

A name that a playbook writes out, and that no connection has, would be found out in the middle of an
incident; so would a role that nobody has, by a question that nobody may answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from playbooks.lookups import mentions
from playbooks.places import connection_of
from playbooks.remedy import Playbook
from playbooks.walk import Given, everything_given
from playbooks.written import Finding, nearest

if TYPE_CHECKING:
    from playbooks.known import KnownActions, KnownChecks


@dataclass(frozen=True)
class Site:
    """What is known of a site: names of connections by kind, and who has which role.

    None means that it is not known, and then nothing is held against it.
    """

    connections: Mapping[str, frozenset[str]] | None = None
    roles: Mapping[str, frozenset[str]] | None = None


NOTHING_KNOWN = Site()


def site_findings(
    playbook: Playbook, actions: KnownActions, checks: KnownChecks, site: Site
) -> Iterator[Finding]:
    """Everything that this site has not, and that the playbook counts on."""
    if site.connections is not None:
        for given in everything_given(playbook, actions, checks):
            yield from _connections_exist(given, site.connections)
    yield from _escalation_happens(playbook)
    if site.roles is None:
        yield from _quorum_is_told_apart(playbook)
    else:
        yield from _roles_are_held(playbook, site.roles)


def _connections_exist(given: Given, known: Mapping[str, frozenset[str]]) -> Iterator[Finding]:
    for name, value in given.arguments.items():
        kind = connection_of(given.schema, name)
        if kind is None or not isinstance(value, str) or any(mentions(value)):
            continue
        if value not in known.get(kind, frozenset()):
            says = f"no file of connections.d has {value} under {kind}; {nearest(value, known.get(kind, ()))}"
            yield Finding((*given.within, name), says)


def _escalation_happens(playbook: Playbook) -> Iterator[Finding]:
    rule = playbook.approval
    if rule.escalate_after is None:
        return
    if not rule.escalate_to:
        yield Finding(("approval", "escalate_after"), "escalates to nobody; write escalate_to", "warning")
    elif rule.escalate_after >= rule.expires:
        says = f"the question is closed after {rule.expires:g} s; escalate sooner than that"
        yield Finding(("approval", "escalate_after"), says)


def _quorum_is_told_apart(playbook: Playbook) -> Iterator[Finding]:
    rule = playbook.approval
    if rule.approvers and rule.quorum > len({*rule.approvers, *rule.escalate_to}):
        says = (
            f"{rule.quorum} people must approve, and people.yaml is not there to say how many have the role "
            f"{', '.join(rule.approvers)}"
        )
        yield Finding(("approval", "quorum"), says, "warning")


def _roles_are_held(playbook: Playbook, roles: Mapping[str, frozenset[str]]) -> Iterator[Finding]:
    rule = playbook.approval
    for field, named in (("approvers", rule.approvers), ("escalate_to", rule.escalate_to)):
        for at, role in enumerate(named):
            if not roles.get(role):
                says = f"nobody in people.yaml has the role {role}; {nearest(role, roles)}"
                yield Finding(("approval", field, at), says)
    every = rule.approvers or tuple(roles)
    able = frozenset[str]().union(*(roles.get(role, frozenset()) for role in (*every, *rule.escalate_to)))
    if rule.quorum > len(able):
        says = f"{rule.quorum} people must approve and {len(able)} may; at most that many can be asked for"
        yield Finding(("approval", "quorum"), says)
