"""What a shop is: its services, what they do, whom they call, and who walks in.

A topology is one YAML file; its JSON Schema is ``topology.schema.json`` beside this module. Any shape and any
names of 2 to 30 services. An *operation* works for a while (log-normal, ``mean_ms`` and ``spread``), then
makes its calls in order; neighbouring calls marked ``parallel`` go out together. A *pool* is how many
requests a service handles at once: a worker is held while the service works and while it waits for those it
calls.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from demo.documents import Problem, Written, read_document

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Kind = Literal["service", "agent", "model", "tool"]
Milliseconds = Annotated[float, Field(gt=0, le=60_000)]
Route = tuple[str, str]  # a service and one of its operations

SHIPPED = Path(__file__).parent / "topologies"


class Work(Written):
    """How long an operation works by itself: log-normal; ``spread`` is the sigma of its logarithm."""

    mean_ms: Annotated[float, Field(ge=0, le=60_000)] = 10
    spread: Annotated[float, Field(ge=0, le=2)] = 0.3


class Call(Written):
    """A call to another service's operation.

    ``share`` of the requests make it, ``fan_out`` times each; each attempt has ``timeout_ms``, and a failed
    one is tried again ``retries`` times.
    """

    to: Name
    operation: Name
    share: Annotated[float, Field(ge=0, le=1)] = 1.0
    fan_out: Annotated[int, Field(ge=1, le=50)] = 1
    timeout_ms: Milliseconds = 2000
    retries: Annotated[int, Field(ge=0, le=5)] = 0
    parallel: bool = False

    @property
    def route(self) -> Route:
        return (self.to, self.operation)


class Operation(Written):
    """Something a service can be asked to do."""

    name: Name
    work: Work = Work()
    calls: tuple[Call, ...] = ()


class PoolLimits(Written):
    """How many requests are handled at once and how many may wait.

    After each use a worker is reset for ``recycle_ms`` before it is lent again, as connections are.
    """

    size: Annotated[int, Field(ge=1, le=1000)] = 16
    queue: Annotated[int, Field(ge=0, le=10_000)] = 64
    recycle_ms: Annotated[float, Field(ge=0, le=10_000)] = 100


class ServiceDesign(Written):
    """One process of the shop. An *agent* asks a *model* what to do; a *tool* is what only agents use."""

    name: Name
    kind: Kind = "service"
    pool: PoolLimits = PoolLimits()
    memory_limit_mb: Annotated[int, Field(ge=128, le=400)] = 256
    operations: Annotated[tuple[Operation, ...], Field(min_length=1, max_length=50)]

    def operation(self, name: str) -> Operation:
        """The operation of that name; raises ``KeyError``."""
        return {operation.name: operation for operation in self.operations}[name]


class Entry(Written):
    """Customers who walk in: requests per second for one operation."""

    service: Name
    operation: Name
    per_second: Annotated[float, Field(gt=0, le=200)]


class Load(Written):
    """Open-loop Poisson arrivals: customers come whether or not the ones before were served."""

    seed: int = 1
    entries: Annotated[tuple[Entry, ...], Field(min_length=1)]

    def scaled(self, per_second: float) -> "Load":
        """The same mix at another total rate."""
        factor = per_second / math.fsum(entry.per_second for entry in self.entries)
        return self.model_copy(
            update={
                "entries": tuple(
                    entry.model_copy(update={"per_second": entry.per_second * factor})
                    for entry in self.entries
                )
            }
        )


class Topology(Written):
    """A whole shop."""

    name: Name
    description: str = ""
    load: Load
    services: Annotated[tuple[ServiceDesign, ...], Field(min_length=2, max_length=30)]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(service.name for service in self.services)

    def service(self, name: str) -> ServiceDesign:
        """The service of that name; raises ``KeyError``."""
        return {service.name: service for service in self.services}[name]

    def routes(self) -> dict[Route, Operation]:
        """Every operation of every service."""
        return {(service.name, op.name): op for service in self.services for op in service.operations}


def read_topology(path: Path) -> Topology:
    """Read and check a topology file; raises ``BadDocument`` with file, line and reason of every problem."""
    return read_document(path, TypeAdapter(Topology), check_topology)


def shipped_topologies() -> dict[str, Path]:
    """The topologies that come with Aitia, by name."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.yaml"))}


def check_topology(topology: Topology) -> Iterator[Problem]:
    """What types cannot say: names that mean something, no call in a circle, agents with a model."""
    yield from _doubles(topology)
    yield from _strangers(topology)
    yield from _thinkers(topology)
    yield from _circles(topology)


def _doubles(topology: Topology) -> Iterator[Problem]:
    for index, service in enumerate(topology.services):
        where = ("services", index)
        if service.name in topology.names[:index]:
            yield Problem((*where, "name"), f"there is another service named '{service.name}'")
        names = [operation.name for operation in service.operations]
        for at, operation in enumerate(service.operations):
            if operation.name in names[:at]:
                yield Problem(
                    (*where, "operations", at), f"there is another operation named '{operation.name}'"
                )
            routes = [call.route for call in operation.calls]
            for nth, route in enumerate(routes):
                if route in routes[:nth]:
                    says = f"'{'/'.join(route)}' is called twice; use fan_out"
                    yield Problem((*where, "operations", at, "calls", nth), says)


def _strangers(topology: Topology) -> Iterator[Problem]:
    """Calls and entries to what is not there."""
    routes = topology.routes()
    for where, call in _calls(topology):
        yield from _missing(topology, routes, (*where, "to"), (*where, "operation"), call.route)
    for index, entry in enumerate(topology.load.entries):
        where = ("load", "entries", index)
        target = (entry.service, entry.operation)
        yield from _missing(topology, routes, (*where, "service"), (*where, "operation"), target)


def _missing(
    topology: Topology,
    routes: dict[Route, Operation],
    at_service: tuple[str | int, ...],
    at_operation: tuple[str | int, ...],
    target: Route,
) -> Iterator[Problem]:
    service, operation = target
    if service not in topology.names:
        yield Problem(at_service, f"unknown service '{service}' (there are {', '.join(topology.names)})")
    elif target not in routes:
        known = ", ".join(op.name for op in topology.service(service).operations)
        yield Problem(at_operation, f"'{service}' has no operation '{operation}' (it has {known})")


def _thinkers(topology: Topology) -> Iterator[Problem]:
    """An agent's operation asks exactly one model; a model calls nobody."""
    kinds = {service.name: service.kind for service in topology.services}
    for index, service in enumerate(topology.services):
        for at, operation in enumerate(service.operations):
            where = ("services", index, "operations", at)
            models = [call for call in operation.calls if kinds.get(call.to) == "model"]
            if service.kind == "agent" and [call.fan_out for call in models] != [1]:
                yield Problem(where, "an agent's operation must call exactly one model, with fan_out 1")
            if service.kind == "model" and operation.calls:
                yield Problem((*where, "calls"), "a model calls nobody")


def _circles(topology: Topology) -> Iterator[Problem]:
    """Calls that come back to where they began would never end."""
    routes = topology.routes()
    settled: set[Route] = set()

    def walk(route: Route, trail: tuple[Route, ...]) -> tuple[Route, ...]:
        if route in trail:
            return (*trail[trail.index(route) :], route)
        if route in settled or route not in routes:
            return ()
        for call in routes[route].calls:
            circle = walk(call.route, (*trail, route))
            if circle:
                return circle
        settled.add(route)
        return ()

    for index, service in enumerate(topology.services):
        for at, operation in enumerate(service.operations):
            circle = walk((service.name, operation.name), ())
            if circle:
                says = "calls go in a circle: " + " -> ".join("/".join(route) for route in circle)
                yield Problem(("services", index, "operations", at, "calls"), says)
                return


def _calls(topology: Topology) -> Iterator[tuple[tuple[str | int, ...], Call]]:
    for index, service in enumerate(topology.services):
        for at, operation in enumerate(service.operations):
            for nth, call in enumerate(operation.calls):
                yield ("services", index, "operations", at, "calls", nth), call
