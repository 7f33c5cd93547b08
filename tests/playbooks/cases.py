"""Small hypotheses, playbooks and actions for the tests of catalogue, planning and gate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel

from causal.errors import Refused
from causal.evidence import Alert, Change, Diagnosis, Entity, EntityKind, Fault, Hypothesis, Symptom
from integrations.actions import standard_actions, standard_checks
from integrations.connections import Connections
from integrations.memory_actions import MemoryAction, MemoryCheck, MemoryUndo
from integrations.ports import Actions, Checks, by_name
from playbooks.catalog import Catalog, read_playbook
from playbooks.known import KnownAction
from playbooks.lookups import LOOKUPS, UrlPath
from playbooks.remedy import Plan, PlannedStep, Written

COMMIT = "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334"
ALERT = Alert(fingerprint="f1", symptom=Symptom(service="checkout", signal="errors"), raised_at=100.0)
SERVICE_FACTS = {
    **{name: name.replace(".", "-") for name in LOOKUPS if name.startswith("service.")},
    "service.admin": "shop-admin",
    "service.environment": "staging",
    "service.process": "shop",
    "service.repository": "shop-config",
}

MEND = """\
name: mend
description: Mends a service.
cures: [{fault: config_change, entity: service}]
impact: high
confidence: {prior: 0.7, weight: 4}
parameters:
  service: {from: $cause.service, pattern: "^[A-Za-z0-9._-]+$"}
  commit: {from: $cause.change.id, pattern: "^[0-9a-f]{7,40}$"}
steps:
  - id: first
    action: memory.act
    with: {target: "first-${service}", value: $commit}
    undo: {action: memory.undo, with: {target: $effect.target}}
verify:
  recovered_when: {signal: $alert.signal, within: 5m, quiet_for: 20s}
"""


class ReloadParams(Written):
    """A path that escapes what is inserted."""

    path: UrlPath


@dataclass(frozen=True)
class Reload:
    """An action with a place that is escaped."""

    name: ClassVar[str] = "reload"
    Params: ClassVar[type[BaseModel]] = ReloadParams
    mutates: ClassVar[bool] = True

    def target(self, params: ReloadParams) -> str:
        return params.path

    def preview(self, params: ReloadParams) -> str:
        if "forbidden" in params.path:
            raise Refused("this path is forbidden")
        return f"POST {params.path}"


def memory_known() -> tuple[Actions, Checks]:
    return by_name((MemoryAction(), MemoryUndo())), {"memory.check": MemoryCheck()}


def standard_known() -> tuple[Actions, Checks]:
    return standard_actions(Connections, Path("/nonexistent")), standard_checks(Connections)


def hypothesis(service: str = "cart", probability: float = 0.9, **changes: object) -> Hypothesis:
    made = Hypothesis(
        service=service,
        entity=Entity.of_service(service),
        fault=Fault.CONFIG_CHANGE,
        probability=probability,
        raw_probability=probability,
        change=Change(id=COMMIT, kind="config", at=90.0, repository="shop-config", title="Smaller pool"),
    )
    return made.model_copy(update=changes)


def instance(service: str = "cart", probability: float = 0.9) -> Hypothesis:
    entity = Entity(kind=EntityKind.INSTANCE, name=f"{service}-1", service=service)
    return hypothesis(service, probability, entity=entity)


def diagnosis(*hypotheses: Hypothesis) -> Diagnosis:
    return Diagnosis(engine="test", hypotheses=hypotheses, none_of_these=0.05)


def catalog_of(*texts: str) -> Catalog:
    actions, checks = memory_known()
    playbooks = [read_playbook(text, "test.yaml") for text in texts]
    known: dict[str, KnownAction] = {**actions, "reload": Reload()}
    return Catalog({playbook.name: playbook for playbook in playbooks}, known, checks)


def plan(**changes: object) -> Plan:
    made = Plan(
        id="p1",
        incident="inc-1",
        playbook="mend",
        impact="low",
        service="cart",
        fault=Fault.CPU,
        probability=0.999,
        confidence=0.999,
        confidence_floor=0.995,
        steps=(PlannedStep(id="first", action="memory.act", target="repository:shop-config"),),
        cooldown=600.0,
        max_runs_per_day=6,
    )
    return made.model_copy(update=changes)
