"""The revisions of a Kubernetes deployment, and when one of them is rolled out.

A deployment keeps its earlier revisions as ReplicaSets, each with the template that its pods were made from
and a number (the annotation `deployment.kubernetes.io/revision`; the number grows when a revision is taken up
again). Going back means to put an old template in place of the present one, which makes no new revision.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

from causal.errors import Refused
from integrations.kubernetes_api import REPLICA_SET, Json
from integrations.kubernetes_cluster import LONGEST_PREVIEW, Cluster, NotYet, replacing
from integrations.ports import Effect

REVISION = "deployment.kubernetes.io/revision"
RESTARTED = "kubectl.kubernetes.io/restartedAt"
_HASH = "pod-template-hash"
_VERSION = "app.kubernetes.io/version"
# Who writes these writes the deployment again from its own source (argo-cd, flux and helm say so there).
_DRAWN_BY = {
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "argocd.argoproj.io/instance": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
}


@dataclass(frozen=True)
class Revision:
    """One revision: its number, its ReplicaSet and when that was made, and the template of its pods."""

    number: int
    name: str
    created: str
    template: Json

    @property
    def told(self) -> str:
        """The revision and what it runs, for people."""
        return f"revision {self.number} ({', '.join(_images(self.template))})"

    def is_before(self, other: Revision) -> bool:
        """Whether it came first, by number and by the first time it was rolled out."""
        return self.number < other.number and self.created <= other.created

    def differs_from(self, other: Revision) -> bool:
        """Whether its pods would be others; those of a mere restart are not."""
        return _but_restarts(self.template) != _but_restarts(other.template)

    def runs(self, version: str) -> bool:
        """Whether its pods are of this version: by their label, or by the tag or digest of an image."""
        labels = self.template.get("metadata", {}).get("labels", {})
        return labels.get(_VERSION) == version or any(
            image.endswith((f":{version}", f"@{version}")) for image in _images(self.template)
        )


def revisions_of(cluster: Cluster, deployment: str, found: Json) -> tuple[Revision, tuple[Revision, ...]]:
    """Return the revision that a deployment runs and all others, newest first.

    NotYet while the deployment's controller has not seen its newest change: its numbers are old until then.
    """
    meta = found["metadata"]
    if found.get("status", {}).get("observedGeneration", 0) < meta["generation"]:
        raise NotYet(f"the controller has not seen the newest change of {deployment} yet")
    number = meta.get("annotations", {}).get(REVISION)
    owned = [
        _revision(each)
        for each in cluster.api.list(REPLICA_SET, meta["namespace"])
        if _is_owned(each, meta["uid"]) and REVISION in each["metadata"].get("annotations", {})
    ]
    current = [each for each in owned if str(each.number) == number]
    if not current:
        raise NotYet(f"{deployment} has no ReplicaSet of its revision {number} yet")
    others = sorted(
        (each for each in owned if each is not current[0]), key=lambda each: each.number, reverse=True
    )
    return current[0], tuple(others)


def wanted_revision(
    deployment: str,
    current: Revision,
    others: tuple[Revision, ...],
    number: int | None,
    version: str | None,
) -> Revision:
    """Choose the revision to go back to; Refused if it is the present one or is not kept.

    Where none is named, it is the newest one with other pods (a restart makes a revision too, of the same
    pods), and it must be older by its first rollout as well: after somebody else went back, the highest
    number below the present one is the very version that was left.
    """
    if current.number == number or (version is not None and current.runs(version)):
        raise Refused(f"{deployment} runs {current.told} already")
    if version is not None:
        fit, asked = [each for each in others if each.runs(version)], f"of version {version}"
    elif number is not None:
        fit, asked = [each for each in others if each.number == number], str(number)
    else:
        before = [each for each in others if each.is_before(current)]
        fit, asked = [each for each in before if each.differs_from(current)], f"before {current.number}"
    if not fit:
        kept = ", ".join(str(each.number) for each in (current, *others))
        raise Refused(f"{deployment} keeps no revision {asked}; it keeps {kept}")
    return fit[0]


def template_change(found: Json, wanted: Revision) -> tuple[Json, str]:
    """Return the merge patch that puts a revision's template in place, and its diff for people."""
    present = found["spec"]["template"]
    diff = unified_diff(_lines(present), _lines(wanted.template), "now", "then", lineterm="")
    patch = {"spec": {"template": replacing(present, wanted.template)}}
    return patch, "\n".join(diff)[:LONGEST_PREVIEW]


def rolled_out(deployment: str, found: Json) -> Effect:
    """Say that a rollout is complete; NotYet while it is not, Refused if its controller has given up.

    The conditions are those of kubectl's `rollout status`.
    """
    status, wanted = found.get("status", {}), int(found["spec"].get("replicas", 1))
    if status.get("observedGeneration", 0) < found["metadata"]["generation"]:
        raise NotYet(f"the controller has not seen the newest change of {deployment} yet")
    for condition in status.get("conditions", ()):
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            raise Refused(f"the rollout of {deployment} does not get on: {condition.get('message', '')}")
    updated, ready = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if updated < wanted or status.get("replicas", 0) > updated or ready < updated:
        raise NotYet(f"of {wanted} pods of {deployment}, {updated} are new and {ready} are available")
    return Effect(
        says=f"all {wanted} pods of {deployment} are new and available",
        facts={"deployment": deployment, "replicas": wanted},
    )


def not_paused(deployment: str, found: Json) -> None:
    """Refuse a deployment whose rollouts somebody has paused."""
    if found["spec"].get("paused"):
        raise Refused(f"the rollouts of {deployment} are paused; who paused them has a reason")


def drawn_by_others(found: Json) -> str:
    """Warn of a tool that draws the deployment from a source of its own, if it shows that it does."""
    meta = found["metadata"]
    marks = {**meta.get("labels", {}), **meta.get("annotations", {})}
    tools = sorted({tool for mark, tool in _DRAWN_BY.items() if mark in marks})
    if not tools:
        return ""
    return f"note: {tools[0]} writes this deployment from git; what git says will come back at its next sync"


def _revision(replica_set: Json) -> Revision:
    meta = replica_set["metadata"]
    number, created = int(meta["annotations"][REVISION]), meta["creationTimestamp"]
    return Revision(number, meta["name"], created, _template(replica_set))


def _template(replica_set: Json) -> Json:
    """Return a ReplicaSet's template as its deployment had it: without the label that the controller adds."""
    template: Json = json.loads(json.dumps(replica_set["spec"]["template"]))
    template.get("metadata", {}).get("labels", {}).pop(_HASH, None)
    return template


def _but_restarts(template: Json) -> Json:
    """Return a template without the note of when its pods were last told to restart."""
    meta = dict(template.get("metadata", {}))
    kept = {name: each for name, each in meta.pop("annotations", {}).items() if name != RESTARTED}
    return {**template, "metadata": {**meta, "annotations": kept}}


def _is_owned(each: Json, uid: str) -> bool:
    owners = each["metadata"].get("ownerReferences", ())
    return any(owner.get("controller") and owner["uid"] == uid for owner in owners)


def _images(template: Mapping[str, Any]) -> list[str]:
    return [each.get("image", "") for each in template["spec"]["containers"]]


def _lines(template: Json) -> list[str]:
    return json.dumps(template, indent=2, sort_keys=True).splitlines()
