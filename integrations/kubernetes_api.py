"""Requests to a Kubernetes API server through lightkube, and what each answer means for what was done.

The API's documented statuses (API concepts; k8s.io/apimachinery's StatusReason) in the house's words: what
RBAC forbids is told with the permission that is missing; what the server did not take up (429, 503) may be
tried again; a change whose answer got lost may or may not have been made.

lightkube is imported with the first request: it takes longer than the rest of the house's start together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from causal.errors import AitiaError, Refused, Unavailable, UnknownEffect
from integrations.kubernetes_connection import ClusterConnection
from playbooks.lookups import is_visible

if TYPE_CHECKING:
    import httpx2
    from lightkube import Client

EXCERPT = 400
CONNECT_SECONDS = 5.0
SHORTEST = 0.1
FIELD_MANAGER = "aitia"
_REFUSED_STATUSES = {400, 405, 413, 415, 422}
_NOT_TAKEN_UP = {429, 503}

Json = dict[str, Any]
T = TypeVar("T")


class Missing(Refused):
    """There is no such object."""


class Changed(AitiaError):
    """Somebody else changed the object first."""


@dataclass(frozen=True)
class Kind:
    """A kind of object: its API group and version, and its name in paths and in roles."""

    group: str
    version: str
    name: str
    plural: str

    @property
    def resource(self) -> str:
        """The name that a role gives it, such as deployments.apps."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments")
REPLICA_SET = Kind("apps", "v1", "ReplicaSet", "replicasets")
AUTOSCALER = Kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
NODE = Kind("", "v1", "Node", "nodes")


@dataclass(frozen=True)
class Thing:
    """One object by its kind and name; no namespace where the kind has none."""

    kind: Kind
    name: str
    namespace: str | None = None

    def __str__(self) -> str:
        return f"{self.kind.name.lower()} {self.namespace + '/' if self.namespace else ''}{self.name}"


@dataclass(frozen=True)
class KubernetesApi:
    """Requests to one cluster until a deadline (of `time.monotonic`)."""

    cluster: str
    connection: ClusterConnection
    deadline: float

    def get(self, thing: Thing) -> Json:
        """Return an object; Missing if there is none."""
        return self._asked("get", thing, lambda client: client.get(_class(thing.kind), **_named(thing)))

    def list(self, kind: Kind, namespace: str | None = None) -> list[Json]:
        """Return all objects of a kind, in a namespace where the kind has them."""
        where: dict[str, Any] = {} if namespace is None else {"namespace": namespace}
        return self._asked(
            "list",
            Thing(kind, "", namespace),
            lambda client: list(client.list(_class(kind), chunk_size=500, **where)),
        )

    def patch(self, thing: Thing, patch: Json, *, dry_run: bool = False) -> Json:
        """Merge a patch into an object; with ``dry_run`` the server only says whether it would."""
        from lightkube.types import PatchType

        return self._asked(
            "patch",
            thing,
            lambda client: client.patch(
                _class(thing.kind),
                obj=patch,
                patch_type=PatchType.MERGE,
                field_manager=FIELD_MANAGER,
                dry_run=dry_run,
                **_named(thing),
            ),
            mutates=not dry_run,
        )

    def _asked(self, verb: str, thing: Thing, ask: Callable[[Client], T], *, mutates: bool = False) -> T:
        import httpx2
        from lightkube.core.exceptions import ConfigError

        said = _Said(self.cluster, verb, thing, mutates=mutates)
        with self._client() as client:
            try:
                return ask(client)
            except httpx2.HTTPStatusError as error:
                said.judged(error.response)
            except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
                raise Unavailable(f"the API server of {self.cluster} can not be reached: {error}") from error
            except ConfigError as error:
                raise Refused(f"{self.connection.kubeconfig} can not be used: {error}") from error
            except (httpx2.HTTPError, LookupError, ValueError, TypeError) as error:
                # after the request was sent: lost, late, or no answer of an API server
                raise said.lost(
                    f"gave no answer that can be read: {error or type(error).__name__}"
                ) from error

    @contextmanager
    def _client(self) -> Iterator[Client]:
        import httpx2
        from lightkube import Client

        left = max(self.deadline - time.monotonic(), SHORTEST)
        timeout = httpx2.Timeout(left, connect=min(left, CONNECT_SECONDS))
        # the kubeconfig says all: no proxy, certificate or other cluster comes from the environment
        with Client(config=self._context(), timeout=timeout, trust_env=False) as client:
            yield client

    def _context(self) -> Any:
        from lightkube import KubeConfig
        from lightkube.core.exceptions import ConfigError
        from yaml import YAMLError

        file = self.connection.kubeconfig
        try:
            context = KubeConfig.from_file(file).get(self.connection.context)
        except (ConfigError, YAMLError, OSError, LookupError, ValueError, TypeError, AttributeError) as error:
            raise Refused(f"the kubeconfig {file} can not be used: {error}") from error
        if context is None or context.user is None:
            raise Refused(f"the kubeconfig {file} names no user for its context")
        return context


@dataclass(frozen=True)
class _Said:
    """One request, for the words about its answer."""

    cluster: str
    verb: str
    thing: Thing
    mutates: bool

    def judged(self, answer: httpx2.Response) -> NoReturn:
        """Raise what a status that is no success means."""
        status, why = answer.status_code, _words(answer)
        if status == HTTPStatus.UNAUTHORIZED:
            raise Refused(f"{self.cluster} does not know the user of the kubeconfig (401): {why}")
        if status == HTTPStatus.FORBIDDEN:
            raise Refused(f"{self.permission()} ({why})")
        if status == HTTPStatus.NOT_FOUND:
            raise Missing(f"there is no {self.thing} in {self.cluster}")
        if status == HTTPStatus.CONFLICT:
            raise Changed(why)
        if status in _NOT_TAKEN_UP:
            raise Unavailable(f"{self.cluster} asks to come again later ({status}): {why}")
        if status in _REFUSED_STATUSES or status in range(300, 400):
            raise Refused(f"{self.cluster} does not take the {self.verb} of {self.thing} ({status}): {why}")
        raise self.lost(f"answered {status}: {why}")

    def permission(self) -> str:
        """Name the permission that is missing."""
        kind, namespace = self.thing.kind, self.thing.namespace
        role, where = ("Role", f" in namespace {namespace}") if namespace else ("ClusterRole", "")
        group = kind.group or '""'
        return (
            f"{self.cluster} does not let the user of the kubeconfig {self.verb} {kind.resource}{where};"
            f" give it a {role} with the verb {self.verb} on {kind.plural} of the API group {group}"
        )

    def lost(self, what: str) -> Unavailable:
        """Make the error for a request that was sent and whose effect is open."""
        says = f"{self.verb} of {self.thing} in {self.cluster}: the API server {what}"
        return UnknownEffect(says) if self.mutates else Unavailable(says)


def _named(thing: Thing) -> dict[str, Any]:
    return {"name": thing.name} | ({"namespace": thing.namespace} if thing.namespace else {})


@cache
def _class(kind: Kind) -> Any:
    """Return lightkube's class for a kind whose objects stay plain JSON."""
    from lightkube.generic_resource import GenericGlobalResource, GenericNamespacedResource, create_api_info

    base = GenericGlobalResource if kind is NODE else GenericNamespacedResource
    info = create_api_info(kind.group, kind.version, kind.name, kind.plural)
    return type(kind.name, (base,), {"_api_info": info})


def _words(answer: httpx2.Response) -> str:
    """Return the message of a Status object, or the beginning of whatever came instead."""
    try:
        text = str(answer.json()["message"])
    except (ValueError, LookupError, TypeError):
        text = answer.text
    return "".join(letter if is_visible(letter) else " " for letter in text[:EXCERPT]).strip() or "no reason"
