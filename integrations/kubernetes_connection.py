"""What Aitia may touch of a Kubernetes cluster: ``clusters:`` in a file of ``connections.d``.

The cluster's own access rules (RBAC) say what the user of the kubeconfig may do; this says what a playbook
may have done, which is less: named namespaces, replicas within bounds, named nodes. What is not written here
is never touched.

The user needs, in each namespace, `get` and `patch` on `deployments` and `list` on `replicasets` (API group
`apps`), `list` on `horizontalpodautoscalers` (`autoscaling`) to scale, and in the whole cluster `get`, `list`
and `patch` on `nodes` to cordon; nothing else.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Self

from pydantic import Field, model_validator

from integrations.connection_fields import AbsolutePath, ServiceName
from playbooks.remedy import Written

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"  # RFC 1123, as Kubernetes names its namespaces

Namespace = Annotated[str, Field(pattern=rf"^{_LABEL}$")]
DeploymentName = Annotated[str, Field(pattern=rf"^{_LABEL}/{_LABEL}(\.{_LABEL})*$", examples=["shop/cart"])]
NodePattern = Annotated[str, Field(pattern=r"^[a-z0-9*?][-a-z0-9.*?]*$")]


class Bounds(Written):
    """How few and how many replicas a deployment may be given."""

    least: int = Field(ge=0)
    most: int = Field(ge=1)

    @model_validator(mode="after")
    def _are_in_order(self) -> Self:
        if self.least > self.most:
            raise ValueError(f"least is {self.least}, which is more than most, {self.most}")
        return self


class ClusterConnection(Written):
    """A cluster, through one context of a kubeconfig file.

    ``services`` names the deployment (``namespace/name``) that serves a service. A deployment without
    ``replicas`` is not scaled, a node that no pattern of ``nodes`` matches is not cordoned, and cordoning
    leaves at least ``least_schedulable`` nodes that take new pods.
    """

    kubeconfig: AbsolutePath
    context: str | None = None
    namespaces: tuple[Namespace, ...] = Field(min_length=1)
    services: dict[ServiceName, DeploymentName] = Field(default_factory=dict)
    replicas: dict[DeploymentName, Bounds] = Field(default_factory=dict)
    nodes: tuple[NodePattern, ...] = ()
    least_schedulable: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _names_its_own_namespaces(self) -> Self:
        for deployment in (*self.services.values(), *self.replicas):
            if deployment.partition("/")[0] not in self.namespaces:
                allowed = ", ".join(self.namespaces)
                raise ValueError(f"{deployment} lies outside of the namespaces named here ({allowed})")
        return self

    def may_cordon(self, node: str) -> bool:
        """Whether a pattern of ``nodes`` matches."""
        return any(fnmatchcase(node, pattern) for pattern in self.nodes)
