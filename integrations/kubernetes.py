"""Rollouts of a Kubernetes deployment: ``kubernetes.rollout_restart``, ``rollout_undo`` and ``rollout_redo``.

A restart has nothing to take back. What ``rollout_undo`` did is taken back by ``rollout_redo``: exactly the
pods that the step found, and only where nobody has rolled out anything else since.
``kubernetes.rollout_status`` changes nothing: it waits for what the others began.

`kubernetes_cluster` says how a change is made once and how it is recognised afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, Field, model_validator

from causal.errors import Refused
from integrations.connections import ReadConnections
from integrations.kubernetes_api import DEPLOYMENT, Json, Thing
from integrations.kubernetes_cluster import (
    Cluster,
    Proposed,
    now,
    opened,
    until_settled,
)
from integrations.kubernetes_connection import DeploymentName
from integrations.kubernetes_rollout import (
    RESTARTED,
    Revision,
    drawn_by_others,
    not_paused,
    revisions_of,
    rolled_out,
    template_change,
    wanted_revision,
)
from integrations.ports import Effect
from playbooks.places import Names
from playbooks.remedy import Written

# What an effect tells, for the undo of its step.
WHERE = frozenset({"cluster", "deployment"})
_ROLLED = frozenset({"revision_before", "revision", "replica_set_before", "replica_set"})


class DeploymentParams(Written):
    """A deployment (``namespace/name``) of a cluster."""

    cluster: Annotated[str, Names("clusters")]
    deployment: DeploymentName


class UndoParams(DeploymentParams):
    """Which revision to go back to: by its number or by the version it runs; neither means the one before."""

    revision: int | None = Field(default=None, ge=1)
    version: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if self.revision is not None and self.version is not None:
            raise ValueError("give a revision or a version, not both")
        return self


class RedoParams(DeploymentParams):
    """Which ReplicaSet's pods to run again, and which ones must be running now."""

    replica_set: str
    instead_of: str


@dataclass(frozen=True)
class DeploymentAction:
    """What all of these have in common: one change of one deployment, made once for each key."""

    name: ClassVar[str]
    Params: ClassVar[type[BaseModel]]
    mutates: ClassVar[bool] = True
    reports: ClassVar[frozenset[str]]

    connections: ReadConnections

    def target(self, params: DeploymentParams) -> str:
        return f"kubernetes:{params.cluster}/deployment/{params.deployment}"

    def preview(self, params: DeploymentParams) -> str:
        cluster = opened(self.connections, params.cluster)
        return cluster.preview(_thing(cluster, params), partial(self.proposed, cluster, params))

    def observe(self, params: DeploymentParams, *, key: str) -> Effect | None:
        cluster = opened(self.connections, params.cluster)
        return cluster.observe(_thing(cluster, params), key)

    def execute(self, params: DeploymentParams, *, key: str, timeout: float) -> Effect:
        cluster = opened(self.connections, params.cluster, timeout)
        propose: Callable[[Json], Proposed] = partial(self.proposed, cluster, params)
        return cluster.change(_thing(cluster, params), self.name, key, propose)

    def proposed(self, cluster: Cluster, params: Any, found: Json) -> Proposed:
        """Say what to change of the deployment as it was found; Refused where that would be wrong."""
        raise NotImplementedError


@dataclass(frozen=True)
class RolloutRestart(DeploymentAction):
    """Replace all pods of a deployment by new ones, at the pace that the deployment itself prescribes."""

    name: ClassVar[str] = "kubernetes.rollout_restart"
    Params: ClassVar[type[BaseModel]] = DeploymentParams
    reports: ClassVar[frozenset[str]] = WHERE | {"replicas"}

    def proposed(self, cluster: Cluster, params: DeploymentParams, found: Json) -> Proposed:
        not_paused(params.deployment, found)
        note = {RESTARTED: now()}
        count, where = replicas_of(found), f"deployment {params.deployment} in {cluster.name}"
        return Proposed(
            patch={"spec": {"template": {"metadata": {"annotations": note}}}},
            effect=Effect(
                says=f"the pods of {params.deployment} are being replaced",
                facts={"cluster": cluster.name, "deployment": params.deployment, "replicas": count},
            ),
            shown=f"restart {where}: {_strategy(found)} of {count} pods",
        )


@dataclass(frozen=True)
class RolloutUndo(DeploymentAction):
    """Go back to the pods of an earlier revision."""

    name: ClassVar[str] = "kubernetes.rollout_undo"
    Params: ClassVar[type[BaseModel]] = UndoParams
    reports: ClassVar[frozenset[str]] = WHERE | _ROLLED

    def proposed(self, cluster: Cluster, params: UndoParams, found: Json) -> Proposed:
        not_paused(params.deployment, found)
        current, others = revisions_of(cluster, params.deployment, found)
        wanted = wanted_revision(params.deployment, current, others, params.revision, params.version)
        return _rolled(cluster, params, found, (current, wanted))


@dataclass(frozen=True)
class RolloutRedo(DeploymentAction):
    """Take back a `RolloutUndo`: run the pods again that ran before, if nobody rolled out others since."""

    name: ClassVar[str] = "kubernetes.rollout_redo"
    Params: ClassVar[type[BaseModel]] = RedoParams
    reports: ClassVar[frozenset[str]] = WHERE | _ROLLED

    def proposed(self, cluster: Cluster, params: RedoParams, found: Json) -> Proposed:
        not_paused(params.deployment, found)
        current, others = revisions_of(cluster, params.deployment, found)
        if current.name != params.instead_of:
            raise Refused(
                f"{params.deployment} runs {current.name} by now, not {params.instead_of}: somebody has "
                "rolled out something else since, and it stays"
            )
        kept = [each for each in others if each.name == params.replica_set]
        if not kept:
            raise Refused(f"{params.deployment} no longer keeps the revision of {params.replica_set}")
        return _rolled(cluster, params, found, (current, kept[0]))


@dataclass(frozen=True)
class RolloutStatus:
    """Wait until every pod of a deployment is of its newest revision and available."""

    name: ClassVar[str] = "kubernetes.rollout_status"
    Params: ClassVar[type[BaseModel]] = DeploymentParams
    mutates: ClassVar[bool] = False
    reports: ClassVar[frozenset[str]] = frozenset({"deployment", "replicas"})

    connections: ReadConnections

    def target(self, params: DeploymentParams) -> str:
        return f"kubernetes:{params.cluster}/deployment/{params.deployment}"

    def preview(self, params: DeploymentParams) -> str:
        return f"wait until deployment {params.deployment} in {params.cluster} is rolled out"

    def observe(self, params: DeploymentParams, *, key: str) -> Effect | None:
        del params, key
        return None

    def execute(self, params: DeploymentParams, *, key: str, timeout: float) -> Effect:
        del key
        cluster = opened(self.connections, params.cluster, timeout)
        thing = _thing(cluster, params)
        return until_settled(cluster, lambda: rolled_out(params.deployment, cluster.api.get(thing)))


def replicas_of(found: Json) -> int:
    """Return how many pods a deployment is to have; one where it does not say."""
    return int(found["spec"].get("replicas", 1))


def _thing(cluster: Cluster, params: DeploymentParams) -> Thing:
    namespace, _, name = params.deployment.partition("/")
    if namespace not in cluster.connection.namespaces:
        allowed = ", ".join(cluster.connection.namespaces)
        raise Refused(f"{cluster.name} may be touched in the namespaces {allowed}; not in {namespace}")
    return Thing(DEPLOYMENT, name, namespace)


def _rolled(
    cluster: Cluster, params: DeploymentParams, found: Json, way: tuple[Revision, Revision]
) -> Proposed:
    """Propose to run the pods of the second revision instead of those of the first."""
    current, wanted = way
    patch, diff = template_change(found, wanted)
    title = f"deployment {params.deployment} in {cluster.name}: {current.told} -> {wanted.told}"
    return Proposed(
        patch=patch,
        effect=Effect(
            says=f"{params.deployment} goes from {current.told} back to {wanted.told}",
            facts={
                "cluster": cluster.name,
                "deployment": params.deployment,
                "revision_before": current.number,
                "revision": wanted.number,
                "replica_set_before": current.name,
                "replica_set": wanted.name,
            },
        ),
        shown="\n".join(filter(None, (title, drawn_by_others(found), "", diff))),
    )


def _strategy(found: Json) -> str:
    kind = found["spec"].get("strategy", {}).get("type", "RollingUpdate")
    return "a rolling update" if kind == "RollingUpdate" else "all at once"
