"""The beginning of a playbook: every part of the format once, with a comment on what to decide there.

What can be looked up is filled in; what only its author can know is left as `FILL_IN`, which `lint` names at
its place until it is gone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import BaseModel

from causal.evidence import Fault
from causal.naming import CHANGES
from playbooks.insertions import FILL_IN
from playbooks.known import reported_by
from playbooks.lookups import LOOKUPS
from playbooks.schema import HINT
from playbooks.walk import required

if TYPE_CHECKING:
    from playbooks.known import KnownAction, KnownActions

_PATTERNS = {"$cause.change.id": "^[0-9a-f]{7,40}$", "$cause.service": "^[A-Za-z0-9._-]+$"}
_KNOWN = {
    "service": "$cause.service",
    "commit": "$cause.change.id",
    "connection": "$service.admin",
}
_FIRST_CHOICE = {Fault.CONFIG_CHANGE: "git.revert", Fault.PROMPT_CHANGE: "git.revert"}


def skeleton(name: str, fault: Fault, action: str | None, actions: KnownActions) -> str:
    """Write a playbook to begin with; the action that suits the fault if none is named.

    The editor's hint expects the schema in the same folder.
    """
    chosen = actions[action or _suiting(fault, actions)]
    sources = {field: _source(field, fault) for field in required(chosen.Params)}
    lines = [
        HINT,
        "# When to use it: what has happened, and why does this help?",
        f"name: {name}",
        f"description: {_description(chosen)} # one sentence for who is asked to approve it",
        "cures:",
        f"  - {{fault: {fault}}}",
        "impact: high                        # high always asks a human; low may run alone in time",
        "confidence: {prior: 0.5, weight: 4} # chance to help, and how many runs that is worth",
        *_parameters(sources),
        *_preconditions(sources),
        "steps:                              # one after the other; the first that fails ends it",
        *_step(chosen, sources, actions),
        "verify:                             # the alert's own signal must be back, and stay quiet",
        "  recovered_when: {signal: $alert.signal, within: 10m, quiet_for: 1m}",
        "limits: {per_service_cooldown: 30m, max_runs_per_day: 6, blast_radius: 1}",
        "approval:                           # silence means no",
        "  approvers: []                     # roles of people.yaml; none is every known person",
        "  quorum: 1",
        "  expires: 30m",
    ]
    return "\n".join(lines) + "\n"


def _suiting(fault: Fault, actions: KnownActions) -> str:
    wanted = _FIRST_CHOICE.get(fault, "process.restart")
    return wanted if wanted in actions else min(actions)


def _source(field: str, fault: Fault) -> str | None:
    """The look-up that a field is most likely filled from."""
    if field == "repository" and fault in CHANGES:
        return "$cause.change.repository"
    if field in _KNOWN:
        return _KNOWN[field] if fault in CHANGES or ".change." not in _KNOWN[field] else None
    return f"$service.{field}" if f"service.{field}" in LOOKUPS else None


def _description(action: KnownAction) -> str:
    told = (type(action).__doc__ or "").strip().splitlines()
    return json.dumps(told[0] if told else action.name)


def _parameters(sources: dict[str, str | None]) -> Iterator[str]:
    found = {field: source for field, source in sources.items() if source is not None}
    if not found:
        return
    yield "parameters:                         # typed look-ups; `pattern` must match from end to end"
    for field, source in found.items():
        pattern = f', pattern: "{_PATTERNS[source]}"' if source in _PATTERNS else ""
        yield f"  {field}: {{from: {source}{pattern}}}"


def _preconditions(sources: dict[str, str | None]) -> Iterator[str]:
    if {"repository", "commit"} <= {field for field, source in sources.items() if source}:
        yield "preconditions:                      # asked of the target itself, after the approval"
        yield "  - {check: change_is_latest, with: {repository: $repository, commit: $commit}}"
        yield "  - {check: repository_clean, with: {repository: $repository}}"


def _step(action: KnownAction, sources: dict[str, str | None], actions: KnownActions) -> Iterator[str]:
    yield "  - id: first"
    yield f"    action: {action.name}"
    yield "    with:"
    for field, source in sources.items():
        yield f"      {field}: {f'${field}' if source else _example(action.Params, field)}"
    yield "    timeout: 60s"
    yield "    retry: {attempts: 3, backoff: 2s} # each try first looks whether the effect is there already"
    partner = _partner(action, actions)
    if partner is None:
        yield "    # undo: {action: ..., with: {...}} # $effect.name is what the step reported"
    else:
        yield f"    undo: {{action: {partner}}}       # what it needs is taken from the step's effect"


def _partner(action: KnownAction, actions: KnownActions) -> str | None:
    """The action that takes this one back: it is named for that, and needs nothing but what is reported."""
    reports = reported_by(action) or frozenset()
    family = [name for name in actions if _takes_back(name, action.name)]
    return next((name for name in family if set(required(actions[name].Params)) <= reports), None)


def _takes_back(name: str, other: str) -> bool:
    kind, _, what = name.partition(".")
    alike = kind == other.partition(".")[0]
    return name.startswith(f"{other}_") or (
        alike and what in {"restore", "expire", f"un{other.partition('.')[2]}"}
    )


def _example(schema: type[BaseModel], field: str) -> str:
    """What a field may be, where that is known; else that its author must say."""
    part = schema.model_json_schema().get("properties", {}).get(field, {})
    if "enum" in part:
        return f"{part['enum'][0]}  # or {', '.join(map(str, part['enum'][1:]))}"
    return json.dumps(FILL_IN) + f"  # {part.get('type', 'see the schema')}"
