"""Nodes of a Kubernetes cluster: after ``kubernetes.cordon`` one takes no more pods, until ``uncordon``.

What runs on a cordoned node stays there. `uncordon` takes back only what a step of Aitia cordoned: a node
that somebody else took out of service is out of service for a reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from causal.errors import Refused
from integrations.connections import ReadConnections
from integrations.kubernetes_api import NODE, Json, Thing
from integrations.kubernetes_cluster import Cluster, Proposed, opened, records
from integrations.ports import Effect
from playbooks.places import Names
from playbooks.remedy import Written


class NodeParams(Written):
    """A node of a cluster."""

    cluster: Annotated[str, Names("clusters")]
    node: str = Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")


@dataclass(frozen=True)
class Cordon:
    """Mark a node as unschedulable, if enough others are left."""

    name: ClassVar[str] = "kubernetes.cordon"
    Params: ClassVar[type[BaseModel]] = NodeParams
    mutates: ClassVar[bool] = True
    reports: ClassVar[frozenset[str]] = frozenset({"cluster", "node"})

    connections: ReadConnections

    def target(self, params: NodeParams) -> str:
        return f"kubernetes:{params.cluster}/node/{params.node}"

    def preview(self, params: NodeParams) -> str:
        cluster = opened(self.connections, params.cluster)
        return cluster.preview(_thing(cluster, params), partial(self.proposed, cluster, params))

    def observe(self, params: NodeParams, *, key: str) -> Effect | None:
        cluster = opened(self.connections, params.cluster)
        return cluster.observe(_thing(cluster, params), key)

    def execute(self, params: NodeParams, *, key: str, timeout: float) -> Effect:
        cluster = opened(self.connections, params.cluster, timeout)
        propose: Callable[[Json], Proposed] = partial(self.proposed, cluster, params)
        return cluster.change(_thing(cluster, params), self.name, key, propose)

    def proposed(self, cluster: Cluster, params: NodeParams, found: Json) -> Proposed:
        """Say what to change of the node as it was found; Refused where that would be wrong."""
        if not _is_schedulable(found):
            raise Refused(f"{params.node} is cordoned already, by somebody else")
        left = sum(
            _is_schedulable(each) and _is_ready(each)
            for each in cluster.api.list(NODE)
            if each["metadata"]["name"] != params.node
        )
        if left < (least := cluster.connection.least_schedulable):
            raise Refused(
                f"cordoning {params.node} would leave {left} nodes that take pods; {least} must be left"
            )
        return _marked(cluster, params, f"takes no more pods ({left} nodes still do)", cordoned=True)


@dataclass(frozen=True)
class Uncordon(Cordon):
    """Let a node take pods again that a step of Aitia cordoned."""

    name: ClassVar[str] = "kubernetes.uncordon"

    def proposed(self, cluster: Cluster, params: NodeParams, found: Json) -> Proposed:
        if _is_schedulable(found):
            raise Refused(f"{params.node} is not cordoned: nothing would change")
        ours = [each.action for each in records(found) if each.action in {Cordon.name, self.name}]
        if not ours or ours[-1] != Cordon.name:
            raise Refused(
                f"{params.node} was not cordoned by a step of Aitia, so it is not uncordoned by one"
            )
        return _marked(cluster, params, "takes pods again", cordoned=False)


def _thing(cluster: Cluster, params: NodeParams) -> Thing:
    if not cluster.connection.may_cordon(params.node):
        allowed = ", ".join(cluster.connection.nodes) or "none"
        raise Refused(f"the nodes of {cluster.name} that may be cordoned: {allowed}; not {params.node}")
    return Thing(NODE, params.node)


def _marked(cluster: Cluster, params: NodeParams, what: str, *, cordoned: bool) -> Proposed:
    return Proposed(
        patch={"spec": {"unschedulable": True if cordoned else None}},
        effect=Effect(
            says=f"node {params.node} {what}", facts={"cluster": cluster.name, "node": params.node}
        ),
        shown=f"node {params.node} of {cluster.name} {what}",
    )


def _is_schedulable(node: Json) -> bool:
    return not node["spec"].get("unschedulable", False)


def _is_ready(node: Json) -> bool:
    conditions = node.get("status", {}).get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
