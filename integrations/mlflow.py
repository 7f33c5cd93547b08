"""``mlflow.set_alias``: let a model's alias point to the last good version again.

Services that load a model by its alias (``models:/ranker@champion``) take up the other version at their next
look. A step notes what it is about to do as a tag of the registered model (`aitia.steps`), then moves the
alias, then reads it back. So whoever comes after a kill can tell: the alias points to where the step wanted
it (done), to where it was (not done), or elsewhere (somebody moved it since: that stays, and a human looks).
MLflow knows no optimistic locking; of two who move an alias in the same moment the later one wins.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field, ValidationError

from causal.errors import Refused, UnknownEffect
from causal.evidence import Fact
from integrations.connections import ReadConnections, registry_named
from integrations.mlflow_registry import Missing, MlflowRegistry
from integrations.ports import Effect
from playbooks.places import Names
from playbooks.remedy import Written

STEPS = "aitia.steps"
KEPT_STEPS = 10
LOOK_SECONDS = 20.0


class AliasParams(Written):
    """Which model of which registry.

    ``version`` is where its alias is to point; without it, the newest good version before the present one.
    ``instead_of`` is where it must point now.
    """

    registry: Annotated[str, Names("registries")]
    model: str = Field(min_length=1)
    version: int | None = Field(default=None, ge=1)
    instead_of: int | None = Field(default=None, ge=1)


class Record(Fact):
    """A step's intent: from where to where it moves an alias."""

    key: str
    alias: str
    before: int
    after: int


@dataclass(frozen=True)
class SetAlias:
    """Move the alias of a registered model; its own undo, with the version before."""

    name: ClassVar[str] = "mlflow.set_alias"
    Params: ClassVar[type[BaseModel]] = AliasParams
    mutates: ClassVar[bool] = True
    reports: ClassVar[frozenset[str]] = frozenset({"registry", "model", "alias", "version", "version_before"})

    connections: ReadConnections

    def target(self, params: AliasParams) -> str:
        return f"mlflow:{params.registry}/{params.model}"

    def preview(self, params: AliasParams) -> str:
        model = self._model(params, LOOK_SECONDS)
        before, after = model.proposed(params)
        return f"alias {model.alias} of {params.model} in {params.registry}: version {before} -> {after}"

    def observe(self, params: AliasParams, *, key: str) -> Effect | None:
        model = self._model(params, LOOK_SECONDS)
        try:
            noted = [each for each in model.records() if each.key == key]
        except Missing:
            return None
        return model.found(noted[-1]) if noted else None

    def execute(self, params: AliasParams, *, key: str, timeout: float) -> Effect:
        model = self._model(params, timeout)
        if (done := self.observe(params, key=key)) is not None:
            return done
        before, after = model.proposed(params)
        record = Record(key=key, alias=model.alias, before=before, after=after)
        model.note(record)
        model.registry.point(model.name, model.alias, after)
        if (effect := model.found(record)) is None:
            raise UnknownEffect(f"{params.registry} took the alias of {params.model}, yet it did not move")
        return effect

    def _model(self, params: AliasParams, seconds: float) -> _Model:
        connection = registry_named(self.connections, params.registry)
        if params.model not in connection.models:
            known = ", ".join(connection.models)
            raise Refused(f"{params.registry} may be changed in {known}; not in {params.model!a}")
        registry = MlflowRegistry(params.registry, connection, time.monotonic() + seconds)
        return _Model(registry, params.model, connection.models[params.model].alias, connection.good)


@dataclass(frozen=True)
class _Model:
    """A registered model, its alias, and the tags of a good version."""

    registry: MlflowRegistry
    name: str
    alias: str
    good: Mapping[str, str]

    def proposed(self, params: AliasParams) -> tuple[int, int]:
        """Return where the alias points and where it is to point; Refused where that would be wrong."""
        present = self.registry.aliased(self.name, self.alias)
        if present is None:
            raise Refused(f"{self.name} has no alias {self.alias}, so there is nothing to go back from")
        if params.instead_of not in {None, present}:
            raise Refused(
                f"alias {self.alias} of {self.name} points to version {present} by now, not to "
                f"{params.instead_of}: somebody has moved it since, and that stays"
            )
        if params.version == present:
            raise Refused(f"alias {self.alias} of {self.name} points to version {present} already")
        if params.version is None:
            return present, self.last_good(present)
        if not self.registry.version(self.name, params.version).is_good({}):
            raise Refused(f"version {params.version} of {self.name} is not ready to be served")
        return present, params.version

    def last_good(self, present: int) -> int:
        """Return the newest good version before the present one."""
        good = [
            each.number
            for each in self.registry.versions(self.name)
            if each.number < present and each.is_good(self.good)
        ]
        if not good:
            tags = "".join(f" and bears {name}={value}" for name, value in self.good.items())
            raise Refused(f"{self.name} has no version before {present} that is ready{tags}")
        return max(good)

    def records(self) -> tuple[Record, ...]:
        """Return what steps noted, oldest first; UnknownEffect if it can not be read."""
        text = self.registry.tags(self.name).get(STEPS, "[]")
        try:
            return tuple(Record.model_validate(each) for each in json.loads(text))
        except (ValueError, TypeError, ValidationError) as error:
            raise UnknownEffect(f"the tag {STEPS} of {self.name} can not be read: {error}") from error

    def note(self, record: Record) -> None:
        """Note a step, once for each key, before it acts."""
        kept = [each for each in self.records() if each.key != record.key]
        notes = [each.model_dump() for each in (*kept, record)[-KEPT_STEPS:]]
        self.registry.set_tag(self.name, STEPS, json.dumps(notes))

    def found(self, record: Record) -> Effect | None:
        """Tell from where the alias points now whether a step took effect."""
        present = self.registry.aliased(self.name, record.alias)
        if present == record.before:
            return None
        if present != record.after:
            raise UnknownEffect(
                f"alias {record.alias} of {self.name} points to {present or 'nothing'}: a step was to move "
                f"it from {record.before} to {record.after}, and somebody has moved it since"
            )
        return Effect(
            says=f"alias {record.alias} of {self.name} points to version {present}, not {record.before}",
            facts={
                "registry": self.registry.name,
                "model": self.name,
                "alias": record.alias,
                "version": record.after,
                "version_before": record.before,
            },
        )
