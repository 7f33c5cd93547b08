"""What other people do in a cluster, over its plain HTTP API: set things up, look, and change things."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from integrations.connections import ClusterConnection, ConnectionFile, Connections
from integrations.kubernetes_connection import Bounds

ADMIN = "made-up-admin-token"
# One for each test, with rights of its own.
READERS = tuple(f"made-up-reader-{number}" for number in range(500))
CLUSTER = "test-cluster"
WITHIN = 60.0
REVISION = "deployment.kubernetes.io/revision"

Json = dict[str, Any]

# What `ClusterConnection` says that the user of a kubeconfig needs.
NEEDED: list[Json] = [
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"]},
    {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["list"]},
    {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "patch"]},
]


@cache
def _trust(certificate: Path | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate)


@dataclass(frozen=True)
class Access:
    """How to reach an API server: its address, a folder for kubeconfigs, its certificate if it has one."""

    url: str
    folder: Path
    certificate: Path | None = None

    def kubeconfig(self, token: str, url: str = "") -> Path:
        """Write a kubeconfig for the one whom a token stands for."""
        cluster: Json = {"server": url or self.url}
        if self.certificate is not None:
            cluster["certificate-authority"] = str(self.certificate)
        file = self.folder / f"{token}{abs(hash(url)) if url else ''}.json"
        written = {
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "test",
        }
        half = file.with_suffix(f".{threading.get_ident()}")
        half.write_text(json.dumps(written))  # JSON is YAML
        half.replace(file)  # as a whole: another thread may be reading it
        return file


@dataclass
class People:
    """An administrator in one namespace of a cluster."""

    access: Access
    namespace: str
    is_real: bool
    bounds: dict[str, Bounds] = field(default_factory=dict)
    nodes: list[str] = field(default_factory=list)
    least_schedulable: int = 1
    token: str = ADMIN
    url: str = ""

    def connections(self) -> Connections:
        """What Aitia is told of the cluster."""
        cluster = ClusterConnection(
            kubeconfig=self.access.kubeconfig(self.token, self.url),
            context="test",
            namespaces=(self.namespace,),
            services={"cart": self.cart},
            replicas=self.bounds,
            nodes=("played-*",),
            least_schedulable=self.least_schedulable,
        )
        return Connections(files=(ConnectionFile(clusters={CLUSTER: cluster}),))

    @property
    def cart(self) -> str:
        return f"{self.namespace}/cart"

    def ask(self, method: str, path: str, body: object = None) -> Json:
        """Ask the API server; patches are merge patches."""
        answer = self.answer(method, path, body)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        found: Json = answer.json()
        return found

    def answer(self, method: str, path: str, body: object = None, token: str = ADMIN) -> httpx.Response:
        return httpx.request(
            method,
            f"{self.access.url}{path}",
            content=None if body is None else json.dumps(body),
            headers={
                "Authorization": f"Bearer {token}",
                "Content-Type": "application/merge-patch+json" if method == "PATCH" else "application/json",
            },
            verify=_trust(self.access.certificate),
            trust_env=False,
            timeout=30,
        )

    @property
    def reader(self) -> str:
        """The token and the name of one who may do nothing yet."""
        return READERS[int(self.namespace.rpartition("-")[2])]

    def path(self, plural: str, name: str = "", group: str = "apps/v1") -> str:
        return f"/apis/{group}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    def settle_in(self) -> None:
        self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        self.add_node("played-home-" + self.namespace)

    def let_reader_look(self) -> None:
        """Give the reader a role that permits to look and nothing else."""
        self.let_reader([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}])

    def let_reader(self, rules: list[Json]) -> None:
        """Give the reader a role with these rules."""
        group = "rbac.authorization.k8s.io"
        name = f"looks-{self.namespace}"
        self.ask("POST", f"/apis/{group}/v1/clusterroles", {"metadata": {"name": name}, "rules": rules})
        self.ask(
            "POST",
            f"/apis/{group}/v1/clusterrolebindings",
            {
                "metadata": {"name": name},
                "subjects": [{"kind": "User", "name": self.reader, "apiGroup": group}],
                "roleRef": {"kind": "ClusterRole", "name": name, "apiGroup": group},
            },
        )
        self.until(self._reader_may_list, "the new role is in force")

    def _reader_may_list(self) -> bool:
        return self.answer("GET", self.path("replicasets"), token=self.reader).is_success

    def deploy(self, version: str, replicas: int = 2, **spec: object) -> None:
        """Create the deployment cart, or give it another version; wait until it is rolled out."""
        labels = {"app": "cart"}
        container = {"name": "cart", "image": f"registry.example/cart:{version}"}
        template = {
            "metadata": {"labels": labels},
            "spec": {"nodeName": "played-home-" + self.namespace, "containers": [container]},
        }
        if spec.pop("create", True):
            full = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template, **spec}
            self.ask("POST", self.path("deployments"), {"metadata": {"name": "cart"}, "spec": full})
        else:
            self.change({"spec": {"template": {"spec": {"containers": [container]}}}})
        self.rolled_out()

    def deploy_again(self, version: str) -> None:
        self.deploy(version, create=False)

    def change(self, patch: Json) -> None:
        """Somebody changes the deployment."""
        self.ask("PATCH", self.path("deployments", "cart"), patch)

    def scale(self, replicas: int) -> None:
        self.change({"spec": {"replicas": replicas}})

    def deployment(self) -> Json:
        return self.ask("GET", self.path("deployments", "cart"))

    def image(self) -> str:
        containers = self.deployment()["spec"]["template"]["spec"]["containers"]
        return str(containers[0]["image"]).rpartition(":")[2]

    def replicas(self) -> int:
        return int(self.deployment()["spec"]["replicas"])

    def restarts(self) -> str:
        """When the pods were last told to restart."""
        annotations = self.deployment()["spec"]["template"].get("metadata", {}).get("annotations", {})
        return str(annotations.get("kubectl.kubernetes.io/restartedAt", ""))

    def replica_sets(self) -> list[Json]:
        found: list[Json] = self.ask("GET", self.path("replicasets"))["items"]
        return found

    def rolled_out(self) -> None:
        """Wait until the deployment's controller has done all that there is to do."""
        self.until(self._is_rolled_out, "the deployment is rolled out")

    def _is_rolled_out(self) -> bool:
        found = self.deployment()
        status, wanted = found.get("status", {}), found["spec"]["replicas"]
        counts = [status.get(name, 0) for name in ("updatedReplicas", "availableReplicas", "replicas")]
        return counts == [wanted] * 3 and bool(
            status["observedGeneration"] == found["metadata"]["generation"]
        )

    def add_autoscaler(self) -> None:
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart"}
        spec = {"scaleTargetRef": target, "maxReplicas": 5}
        path = self.path("horizontalpodautoscalers", group="autoscaling/v2")
        self.ask("POST", path, {"metadata": {"name": "cart"}, "spec": spec})

    def add_node(self, name: str) -> None:
        """Add a node and wait until it is ready."""
        self.ask("POST", "/api/v1/nodes", {"metadata": {"name": name}})
        self.nodes.append(name)
        self.until(lambda: self._is_ready(name), f"node {name} is ready")

    def _is_ready(self, name: str) -> bool:
        conditions = self.node(name).get("status", {}).get("conditions", [])
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def node(self, name: str) -> Json:
        return self.ask("GET", f"/api/v1/nodes/{name}")

    def is_cordoned(self, name: str) -> bool:
        return bool(self.node(name)["spec"].get("unschedulable", False))

    def cordon(self, name: str) -> None:
        self.ask("PATCH", f"/api/v1/nodes/{name}", {"spec": {"unschedulable": True}})

    def leave(self) -> None:
        """Take away what others would see: the nodes."""
        for name in self.nodes:
            self.ask("DELETE", f"/api/v1/nodes/{name}")

    def next_second(self) -> None:
        """Wait until the clock shows another second."""
        second = int(time.time())
        self.until(lambda: int(time.time()) > second, "the next second")

    def until(self, look: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + WITHIN
        while not look():
            assert time.monotonic() < deadline, f"not in time: {what}"
            time.sleep(0.02)
