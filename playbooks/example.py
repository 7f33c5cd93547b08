"""A small made-up incident for a playbook, from its own cures: it can be rehearsed before any real one.

Nothing in it is likely; everything in it fits. Each look-up gets a value that matches the patterns of the
parameters that ask for it, and the service is called what no service is called.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from causal.errors import Refused
from causal.evidence import Alert, Change, Diagnosis, Entity, EntityKind, Hypothesis, Symptom
from causal.naming import CHANGES
from playbooks.lookups import LOOKUPS
from playbooks.matching import text_matching
from playbooks.remedy import Cure, JsonValue, Playbook

INCIDENT = "inc-rehearsal-1"
SERVICE = "made-up-service"
SYSTEM = "made-up"
_AT = 1_000_000.0
_COMMIT, _BEFORE = "5eed" * 10, "f00d" * 10
_KINDS = {"config_change": "config", "deployment": "deployment", "prompt_change": "prompt"}
# Tried in this order where a pattern asks for something else.
_OTHERS = (
    *(_COMMIT, _COMMIT[:12], _COMMIT[:7], "1.4.2", "v1.4.2", "1.4", "42", "7"),
    *(SERVICE, "made_up_service", "madeup", "MADEUP", "made-up/service", "made-up/service:1.4.2"),
    *("production", "main", "true", "config.yaml", "services/made-up.yaml"),
)


@dataclass(frozen=True)
class Example:
    """An incident that a cure is for; ``facts`` are the ``service.*`` look-ups."""

    cure: Cure
    alert: Alert
    diagnosis: Diagnosis
    facts: Mapping[str, JsonValue]


def example(playbook: Playbook, cure: Cure) -> Example:
    """Make up an incident that one of a playbook's cures is for; Refused where no value fits a pattern."""
    wanted = {look_up: _value(playbook, look_up, usual) for look_up, usual in _usual().items()}
    service = str(wanted["cause.service"])
    hypothesis = Hypothesis(
        service=service,
        entity=_entity(cure, service, wanted),
        fault=cure.fault,
        probability=0.95,
        raw_probability=0.95,
        path=(service,),
        change=_change(cure, service, wanted) if cure.fault in CHANGES else None,
    )
    alert = Alert(
        fingerprint="rehearsal",
        source="rehearsal",
        system=SYSTEM,
        symptom=Symptom(service=str(wanted["alert.service"]), signal="errors"),
        raised_at=_AT,
        summary=f"a made-up incident: {cure.fault} of {service}",
        labels={"alertname": str(wanted.get("alert.name", "MadeUp"))},
    )
    diagnosis = Diagnosis(engine="made up", hypotheses=(hypothesis,), none_of_these=0.05)
    return Example(cure, alert, diagnosis, service_facts(playbook))


def service_facts(playbook: Playbook) -> dict[str, JsonValue]:
    """Make up what the connections would say of the service."""
    usual = _usual()
    return {name: _value(playbook, name, usual[name]) for name in LOOKUPS if name.startswith("service.")}


def _usual() -> dict[str, str]:
    known = {
        "cause.service": SERVICE,
        "cause.entity": SERVICE,
        "cause.change.id": _COMMIT,
        "cause.change.previous": _BEFORE,
        "cause.change.title": "A made-up change",
        "alert.signal": "errors",
        "service.environment": "production",
    }
    return {name: known.get(name, f"made-up-{name.rpartition('.')[2]}") for name in LOOKUPS}


def _value(playbook: Playbook, look_up: str, usual: str) -> str:
    patterns = [
        each.pattern
        for each in playbook.parameters.values()
        if each.source == f"${look_up}" and each.pattern is not None
    ]
    made = [text for pattern in patterns if (text := text_matching(pattern)) is not None]
    for text in (usual, *_OTHERS, *made):
        if all(re.fullmatch(pattern, text) for pattern in patterns):
            return text
    raise Refused(f"nothing made up for ${look_up} matches {' and '.join(patterns)}; rehearse it with --case")


def _entity(cure: Cure, service: str, wanted: Mapping[str, str]) -> Entity:
    kind = cure.entity or (EntityKind.CHANGE if cure.fault in CHANGES else EntityKind.SERVICE)
    if kind is EntityKind.SERVICE:
        return Entity.of_service(service)
    name = wanted["cause.change.id"] if kind is EntityKind.CHANGE else wanted["cause.entity"]
    return Entity(kind=kind, name=name, service=service)


def _change(cure: Cure, service: str, wanted: Mapping[str, str]) -> Change:
    made = {
        "id": wanted["cause.change.id"],
        "kind": _KINDS[cure.fault],
        "service": service,
        "at": _AT - 60.0,
        "repository": wanted["cause.change.repository"],
        "title": wanted["cause.change.title"],
        "previous": wanted["cause.change.previous"],
    }
    return Change.model_validate(made)
