"""The number of a Kubernetes deployment's pods: ``kubernetes.scale`` and ``kubernetes.scale_back``.

Within the bounds of the connection only, and never against an autoscaler. `scale_back` restores the number
that the step found, and only where nobody has scaled since.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import ClassVar, Self

from pydantic import BaseModel, Field, model_validator

from causal.errors import Refused
from integrations.kubernetes import WHERE, DeploymentAction, DeploymentParams, replicas_of
from integrations.kubernetes_api import AUTOSCALER, DEPLOYMENT, Json
from integrations.kubernetes_cluster import Cluster, Proposed
from integrations.kubernetes_connection import Bounds
from integrations.ports import Effect

_SCALED = WHERE | {"replicas_before", "replicas"}


class ScaleParams(DeploymentParams):
    """To how many replicas: a number, or a percentage of what there is, rounded up."""

    replicas: int | None = Field(default=None, ge=0)
    percent: int | None = Field(default=None, ge=1, le=1000)

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.replicas is None) == (self.percent is None):
            raise ValueError("give either replicas or percent")
        return self


class ScaleBackParams(DeploymentParams):
    """How many replicas there were, and how many the step made of them."""

    replicas: int = Field(ge=0)
    instead_of: int = Field(ge=0)


@dataclass(frozen=True)
class Scale(DeploymentAction):
    """Change how many pods a deployment has, within the bounds of its connection."""

    name: ClassVar[str] = "kubernetes.scale"
    Params: ClassVar[type[BaseModel]] = ScaleParams
    reports: ClassVar[frozenset[str]] = _SCALED

    def proposed(self, cluster: Cluster, params: ScaleParams, found: Json) -> Proposed:
        bounds = cluster.connection.replicas.get(params.deployment)
        if bounds is None:
            raise Refused(f"{cluster.name} gives no bounds for {params.deployment} under replicas")
        _no_autoscaler(cluster, params.deployment)
        count = replicas_of(found)
        return _scaled(cluster, params, count, _within(params, bounds, count))


@dataclass(frozen=True)
class ScaleBack(DeploymentAction):
    """Take back a `Scale`: as many pods as before, if nobody has scaled since."""

    name: ClassVar[str] = "kubernetes.scale_back"
    Params: ClassVar[type[BaseModel]] = ScaleBackParams
    reports: ClassVar[frozenset[str]] = _SCALED

    def proposed(self, cluster: Cluster, params: ScaleBackParams, found: Json) -> Proposed:
        count = replicas_of(found)
        if count != params.instead_of:
            raise Refused(
                f"{params.deployment} has {count} replicas by now, not {params.instead_of}: somebody has "
                "scaled it since, and that stays"
            )
        return _scaled(cluster, params, count, params.replicas)


def _scaled(cluster: Cluster, params: DeploymentParams, before: int, after: int) -> Proposed:
    return Proposed(
        patch={"spec": {"replicas": after}},
        effect=Effect(
            says=f"{params.deployment} was scaled from {before} to {after}",
            facts={
                "cluster": cluster.name,
                "deployment": params.deployment,
                "replicas_before": before,
                "replicas": after,
            },
        ),
        shown=f"scale deployment {params.deployment} in {cluster.name}: {before} -> {after} replicas",
    )


def _within(params: ScaleParams, bounds: Bounds, count: int) -> int:
    """Return the number of replicas that is wanted; a percentage stops at a bound, a number must keep it."""
    if params.replicas is not None:
        wanted = params.replicas
        if not bounds.least <= wanted <= bounds.most:
            raise Refused(
                f"{params.deployment} may have {bounds.least} to {bounds.most} replicas, not {wanted}"
            )
    else:
        wanted = min(max(ceil(count * (params.percent or 100) / 100), bounds.least), bounds.most)
    if wanted == count:
        raise Refused(
            f"{params.deployment} has {count} replicas already ({bounds.least} to {bounds.most} allowed)"
        )
    return wanted


def _no_autoscaler(cluster: Cluster, deployment: str) -> None:
    """Refuse where an autoscaler would set the number anew within seconds."""
    namespace, _, name = deployment.partition("/")
    for each in cluster.api.list(AUTOSCALER, namespace):
        scaled = each["spec"]["scaleTargetRef"]
        if (scaled["kind"], scaled["name"]) == (DEPLOYMENT.name, name):
            raise Refused(
                f"the HorizontalPodAutoscaler {each['metadata']['name']} scales {deployment} and would "
                "set the number back; change its bounds instead"
            )
