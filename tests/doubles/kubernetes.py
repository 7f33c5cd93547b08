"""A Kubernetes API server on the loopback interface, as far as deployments and nodes go, over a real socket.

It answers as the API conventions say (kubernetes.io, "API Concepts"): every write gets a new resourceVersion,
a patch that names an old one gets 409, `dryRun=All` stores nothing, errors are Status objects. Its deployment
controller acts within the same request: it numbers revisions, keeps their ReplicaSets, and says so in the
status. The tests of the real control plane are the same ones, which holds the two together.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.kubernetes.people import ADMIN, READERS, REVISION

Json = dict[str, Any]

_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>v\w+)(?:/namespaces/(?P<namespace>[^/]+)(?=/))?"
    r"/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?"
)
_MERGE_PATCH = "application/merge-patch+json"
_DEFAULTS = {"deployments": {"replicas": 1, "strategy": {"type": "RollingUpdate"}}}
_VERBS = {"GET": "get", "POST": "create", "PATCH": "patch", "DELETE": "delete"}


class Refusal(Exception):
    """A Status that is no success."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason

    def status(self) -> Json:
        kind = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        return {**kind, "message": str(self), "reason": self.reason, "code": self.code}


@dataclass(frozen=True)
class Failure:
    """What goes wrong with the next change: an answer, or none (``hang``); before or after it is made."""

    code: int = 0
    after_the_effect: bool = False
    body: str = ""
    hang: bool = False


@dataclass
class KubernetesDouble:
    """All objects by plural, namespace and name; who may do what; and what is to go wrong."""

    url: str = ""
    objects: dict[tuple[str, str, str], Json] = field(default_factory=dict)
    failures: deque[Failure] = field(default_factory=deque)
    reader_may: list[Json] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    version: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, Json]:
        """Answer one request."""
        split = urlsplit(target)
        match = _PATH.fullmatch(split.path)
        with self._lock:
            self.asked.append((method, target))
            try:
                return self._allowed(method, match, parse_qs(split.query), headers, body)
            except Refusal as refusal:
                return refusal.code, refusal.status()

    def _allowed(
        self,
        method: str,
        match: re.Match[str] | None,
        query: dict[str, list[str]],
        headers: dict[str, str],
        body: bytes,
    ) -> tuple[int, Json]:
        if match is None:
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        self._may(headers, method, match)
        return self._do(method, match, query, headers, body)

    def _may(self, headers: dict[str, str], method: str, match: re.Match[str]) -> None:
        token = headers.get("authorization", "").removeprefix("Bearer ")
        verb = "list" if method == "GET" and not match["name"] else _VERBS[method]
        if token == ADMIN or (
            token in READERS and any(_permits(rule, verb, match) for rule in self.reader_may)
        ):
            return
        if token not in READERS:
            raise Refusal(401, "Unauthorized", "Unauthorized")
        where = f'in the namespace "{match["namespace"]}"' if match["namespace"] else "at the cluster scope"
        raise Refusal(
            403,
            "Forbidden",
            f'{match["plural"]} "{match["name"]}" is forbidden: User "{token}" cannot {verb} resource '
            f'"{match["plural"]}" in API group "{match["group"] or ""}" {where}',
        )

    def _do(
        self,
        method: str,
        match: re.Match[str],
        query: dict[str, list[str]],
        headers: dict[str, str],
        body: bytes,
    ) -> tuple[int, Json]:
        plural, namespace = match["plural"], match["namespace"] or ""
        if method == "POST":
            return 201, self._create(plural, namespace, json.loads(body))
        if method == "GET" and not match["name"]:
            found = [each for key, each in self.objects.items() if key[:2] == (plural, namespace)]
            return 200, {"kind": "List", "metadata": {"resourceVersion": str(self.version)}, "items": found}
        key = (plural, namespace, match["name"] or "")
        if key not in self.objects:
            raise Refusal(404, "NotFound", f'{plural} "{key[2]}" not found')
        if method == "DELETE":
            self.objects.pop(key)
            return 200, {"kind": "Status", "status": "Success"}
        if method == "PATCH":
            if headers.get("content-type") != _MERGE_PATCH:
                raise Refusal(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
            return 200, self._patch(key, json.loads(body), dry_run=query.get("dryRun") == ["All"])
        return 200, self.objects[key]

    def _create(self, plural: str, namespace: str, body: Json) -> Json:
        meta = {"generation": 1, "uid": f"uid-{self.version}", **body["metadata"]}
        if namespace:
            meta["namespace"] = namespace
        if plural == "clusterrolebindings":
            self.reader_may = self.objects["clusterroles", "", body["roleRef"]["name"]]["rules"]
        made = {**body, "metadata": meta, "spec": {**_DEFAULTS.get(plural, {}), **body.get("spec", {})}}
        if plural == "nodes":
            made["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}
        return self._stored((plural, namespace, meta["name"]), made)

    def _patch(self, key: tuple[str, str, str], patch: Json, *, dry_run: bool) -> Json:
        present = self.objects[key]
        wanted = patch.get("metadata", {}).get("resourceVersion")
        if wanted not in {None, present["metadata"]["resourceVersion"]}:
            message = (
                f'Operation cannot be fulfilled on {key[0]} "{key[2]}": the object has been modified; please '
                "apply your changes to the latest version and try again"
            )
            raise Refusal(409, "Conflict", message)
        patched = merge_patched(deepcopy(present), patch)
        if patched.get("spec", {}).get("replicas", 0) < 0:
            raise Refusal(422, "Invalid", "spec.replicas: must be greater than or equal to 0")
        if key[0] == "deployments" or patched.get("spec") != present.get("spec"):
            patched["metadata"]["generation"] += (
                1  # a deployment's annotations are its controller's business too
            )
        return patched if dry_run else self._stored(key, patched)

    def _stored(self, key: tuple[str, str, str], made: Json) -> Json:
        self.version += 1
        made["metadata"]["resourceVersion"] = str(self.version)
        self.objects[key] = made
        if key[0] == "deployments" and not made["spec"].get("paused"):
            self._controlled(made)
        return made

    def _controlled(self, deployment: Json) -> None:
        """The deployment controller: a ReplicaSet for each template, the highest number for the present."""
        meta, spec = deployment["metadata"], deployment["spec"]
        sum_of_template = hashlib.sha256(json.dumps(spec["template"], sort_keys=True).encode()).hexdigest()[
            :10
        ]
        key = ("replicasets", meta["namespace"], f"{meta['name']}-{sum_of_template}")
        numbers = [self._number(each) for each in self._owned(meta["uid"])]
        mine = self.objects.setdefault(key, _replica_set(deployment, key[2], sum_of_template))
        if not numbers or self._number(mine) < max(numbers):
            mine["metadata"]["annotations"][REVISION] = str(max(numbers, default=0) + 1)
        self.version += 1
        meta.setdefault("annotations", {})[REVISION] = mine["metadata"]["annotations"][REVISION]
        meta["resourceVersion"] = str(self.version)
        count = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), spec["replicas"])
        deployment["status"] = {"observedGeneration": meta["generation"], **count}

    def _owned(self, uid: str) -> list[Json]:
        sets = [each for key, each in self.objects.items() if key[0] == "replicasets"]
        return [each for each in sets if each["metadata"]["ownerReferences"][0]["uid"] == uid]

    def _number(self, replica_set: Json) -> int:
        return int(replica_set["metadata"]["annotations"][REVISION])


def merge_patched(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch (RFC 7386, section 2)."""
    if not isinstance(patch, dict):
        return patch
    result = target if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patched(result.get(name), value)
    return result


def _permits(rule: Json, verb: str, match: re.Match[str]) -> bool:
    asked = {"apiGroups": match["group"] or "", "resources": match["plural"], "verbs": verb}
    return all({"*", value} & set(rule[name]) for name, value in asked.items())


def _replica_set(deployment: Json, name: str, sum_of_template: str) -> Json:
    meta = deployment["metadata"]
    template = deepcopy(deployment["spec"]["template"])
    template.setdefault("metadata", {}).setdefault("labels", {})["pod-template-hash"] = sum_of_template
    owner = {"kind": "Deployment", "name": meta["name"], "uid": meta["uid"], "controller": True}
    return {
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "annotations": {REVISION: "0"},
            "creationTimestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "ownerReferences": [owner],
        },
        "spec": {"template": template},
    }


def _handler(double: KubernetesDouble) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            is_change = self.command == "PATCH" and "dryRun" not in self.path
            from_us = "aitia" in self.path
            failure = double.failures.popleft() if double.failures and is_change and from_us else None
            if failure is None:
                self.say(*double.answer(self.command, self.path, headers, body))
                return
            if failure.after_the_effect:
                double.answer(self.command, self.path, headers, body)
            if failure.hang:
                double.released.wait(30)
                self.close_connection = True
                return
            refusal = Refusal(failure.code, "InternalError", f"made up: {failure.code}").status()
            self.say(failure.code, failure.body or refusal)

        do_GET = do_POST = do_PATCH = do_DELETE = serve  # noqa: N815

        def say(self, code: int, body: Json | str) -> None:
            data = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(code)
            if not isinstance(body, str):
                self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    return Handler


@contextmanager
def running_double() -> Iterator[KubernetesDouble]:
    """A server that answers for as long as this lasts."""
    double = KubernetesDouble()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(double))
    double.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield double
    finally:
        double.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
