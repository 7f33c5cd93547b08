"""How many workers a shop needs, by Little's law: arrivals per second times seconds held.

Good enough to say at once that a pool is too small, or that a fault will hardly be felt.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping

from demo.faults import Ailment, BadConfig, Commit, Dead, PoolSize, SlowPeer
from demo.topology import Call, Route, Topology

_FELT = 0.8


def arrivals(topology: Topology) -> dict[Route, float]:
    """Requests per second for every operation, when nothing fails."""
    routes = topology.routes()
    rates: defaultdict[Route, float] = defaultdict(float)

    def arrive(route: Route, rate: float) -> None:
        rates[route] += rate
        for call in routes[route].calls:
            arrive(call.route, rate * call.share * call.fan_out)

    for entry in topology.load.entries:
        arrive((entry.service, entry.operation), entry.per_second)
    return dict(rates)


def held_seconds(topology: Topology, slower_ms: Mapping[str, float] | None = None) -> dict[Route, float]:
    """Mean time that a request holds a worker, with some services slower by so many milliseconds."""
    routes = topology.routes()
    extra = slower_ms or {}
    known: dict[Route, float] = {}

    def held(route: Route) -> float:
        if route not in known:
            own = routes[route].work.mean_ms + extra.get(route[0], 0.0)
            known[route] = own / 1000 + _waiting(routes[route].calls, held)
        return known[route]

    for route in routes:
        held(route)
    return known


def _waiting(calls: tuple[Call, ...], held: Callable[[Route], float]) -> float:
    total = 0.0
    for together, group in itertools.groupby(calls, lambda call: call.parallel):
        waits = [
            call.share
            * min(held(call.route), call.timeout_ms / 1000 * (call.retries + 1))
            * (1 if together else call.fan_out)
            for call in group
        ]
        total += max(waits) if together else sum(waits)
    return total


def workers_needed(topology: Topology, slower_ms: Mapping[str, float] | None = None) -> dict[str, float]:
    """Mean number of workers in use in every service, were its pool large enough."""
    held = held_seconds(topology, slower_ms)
    needed = dict.fromkeys(topology.names, 0.0)
    for route, rate in arrivals(topology).items():
        needed[route[0]] += rate * (held[route] + topology.service(route[0]).pool.recycle_ms / 1000)
    return needed


def crowded(topology: Topology) -> list[str]:
    """What will not work well although nothing is broken, in words."""
    needed = workers_needed(topology)
    return [
        f"{service.name} needs about {needed[service.name]:.1f} workers and has {service.pool.size}"
        for service in topology.services
        if needed[service.name] > _FELT * service.pool.size
    ]


def forecast(fault: Commit | Ailment | Dead, topology: Topology) -> str:
    """What a fault will do to a pool, in words; empty where it is not about pools."""
    match fault:
        case BadConfig(change=PoolSize(size=size, recycle_ms=recycle)):
            service, limit = topology.service(fault.service), size
            needed = workers_needed(topology)[fault.service]
            if recycle is not None:
                rate = sum(rate for route, rate in arrivals(topology).items() if route[0] == fault.service)
                needed += rate * (recycle - service.pool.recycle_ms) / 1000
        case SlowPeer():
            service = topology.service(fault.caller)
            limit, needed = (
                service.pool.size,
                workers_needed(topology, {fault.service: fault.delay_ms})[service.name],
            )
        case _:
            return ""
    felt = "" if needed > _FELT * limit else ": it will hardly be felt"
    return f"{service.name} needs about {needed:.1f} workers and has {limit}{felt}"
