"""Faults of services and hosts: slow, failing, dead, starved, leaking, badly configured or deployed."""

from collections.abc import Callable
from dataclasses import replace

from benchmarks.simulation.chance import happens
from benchmarks.simulation.design import Call, Operation, Role, Service, Way
from benchmarks.simulation.drawing import ERRORS
from benchmarks.simulation.faults import (
    Cause,
    Plan,
    Scene,
    calling,
    changed,
    failing,
    same,
    slower,
    version,
)
from benchmarks.simulation.life import collect_garbage
from benchmarks.simulation.live import System

_CROWD = 0.75  # workers in use on average, from which on fewer of them are felt

_OFTEN = 0.5
_NOTICED = 1.3
_COMPUTES = 0.0005


def slow_code(scene: Scene) -> Plan | None:
    """A service takes longer than it did, nobody changed anything."""
    service = scene.pick(scene.seen())
    if service is None:
        return None
    seconds, computing = scene.delay(service), happens(scene.dice, 0.3)
    act = changed(service, slower(seconds, computing=computing))
    return Plan("slow_code", (Cause(service.name),), act, facts={"seconds": seconds, "cpu": computing})


def own_errors(scene: Scene) -> Plan | None:
    """A share of a service's requests fails in its own code."""
    service = scene.pick(scene.seen())
    if service is None:
        return None
    share = scene.dice.uniform(0.25, 0.95)
    act = changed(service, failing(share, scene.dice.choice(ERRORS)))
    return Plan("own_errors", (Cause(service.name),), act, facts={"share": share})


def dead(scene: Scene) -> Plan | None:
    """Processes of a service are gone, or accept and never answer."""
    service = scene.pick(scene.seen())
    if service is None or service.role is Role.DOOR:
        return None
    deaf, some = happens(scene.dice, 0.3), len(service.hosts) > 1 and happens(scene.dice, 0.5)

    def act(system: System) -> None:
        instances = system.services[service.name].instances
        for instance in instances[: 1 if some else len(instances)]:
            if deaf:
                instance.deaf = True
            else:
                instance.stop()

    cause = Cause(service.name, pod=0 if some else None)
    return Plan("hung" if deaf else "dead", (cause,), act, facts={"only_one": some})


def cpu_hog(scene: Scene) -> Plan | None:
    """Threads inside a service compute without end."""
    service = scene.pick([each for each in scene.seen() if _cpu(each) > _COMPUTES])
    if service is None:
        return None
    threads = min(max(scene.delay(service) / _cpu(service), 3.0), 80.0) * service.quota

    def act(system: System) -> None:
        for instance in system.services[service.name].instances:
            instance.host.change(instance.process, round(threads))

    return Plan("cpu_hog", (Cause(service.name),), act, facts={"threads": round(threads)})


def _cpu(service: Service) -> float:
    return max(each.before.cpu + each.after.cpu for each in service.operations)


def host_cpu(scene: Scene) -> Plan | None:
    """Something foreign on a host computes without end; whoever lives there starves."""
    felt = [each for each in scene.seen() if _cpu(each) > _COMPUTES]
    service = scene.pick(felt)
    if service is None:
        return None
    at = scene.dice.choice(service.hosts)
    tenants = [each.name for each in felt if at in each.hosts]
    factor = min(max(scene.delay(service) / _cpu(service), 4.0), 60.0)

    def act(system: System) -> None:
        host = system.hosts[at]
        for _ in range(round(factor * host.cores)):
            host.change(host.join(1.0), 1.0)

    causes = (Cause(f"node-{at}", "host"), *(Cause(name, "tenant") for name in tenants))
    return Plan("host_cpu", causes, act, facts={"host": at, "factor": factor})


def memory_leak(scene: Scene) -> Plan | None:
    """Each request leaves something behind until the collector stops the world, and then the kernel kills."""
    service = scene.pick([each for each in scene.seen() if each.role is not Role.BALANCER])
    if service is None:
        return None
    rate = scene.forecast.rate(service) / len(service.hosts)
    full = scene.dice.uniform(25.0, 80.0)
    per_request = (service.memory_limit - service.memory) / max(rate * full, 1.0)

    def act(system: System) -> None:
        for instance in system.services[service.name].instances:
            instance.leaks = per_request
            system.env.process(collect_garbage(system, instance))

    return Plan("memory_leak", (Cause(service.name),), act, facts={"seconds_to_full": full})


def pool_config(scene: Scene) -> Plan | None:
    """A commit gives a service fewer workers than its load needs."""
    crowded = [each for each in scene.seen() if each.workers and _per_instance(scene, each) >= _CROWD]
    service = scene.pick(crowded)
    if service is None:
        return None
    size = max(1, int(_per_instance(scene, service) * scene.dice.uniform(0.4, 1.05)))
    act = changed(service, same, workers=size)
    facts = {"workers": size, "before": service.workers}
    return Plan("pool_config", (Cause(service.name),), act, ("config", "Tune the pool"), facts=facts)


def _per_instance(scene: Scene, service: Service) -> float:
    return scene.waited_for.demand(service) / len(service.hosts)


def connection_config(scene: Scene) -> Plan | None:
    """A commit gives a service fewer connections to another than its load needs."""
    held, rates = scene.forecast.held, scene.waited_for.rates
    found = []
    for service, operation, call in scene.calls():
        busy = rates[service.name, operation.name] * call.chance * call.times / len(service.hosts)
        open_for = held.get((call.to, call.operation), 0.0) + 2 * scene.design.delay
        if busy * open_for >= _CROWD * 0.8:
            found.append((service, call, busy * open_for))
    chosen = scene.pick(found)
    if chosen is None:
        return None
    service, call, needed = chosen
    size = max(1, int(needed * scene.dice.uniform(0.4, 1.0)))

    def act(system: System) -> None:
        now = system.services[service.name].design
        for instance in system.services[service.name].instances:
            instance.connection(call.to)
        system.redesign(replace(now, connections=now.connections | {call.to: size}))

    facts = {"connections": size, "to": call.to}
    return Plan(
        "connection_config", (Cause(service.name),), act, ("config", "Tune the connections"), facts=facts
    )


def timeout_config(scene: Scene) -> Plan | None:
    """A commit gives a caller less patience than the callee usually needs."""
    chosen = scene.pick([each for each in scene.calls() if each[2].needed])
    if chosen is None:
        return None
    service, _, call = chosen
    usual = scene.forecast.held.get((call.to, call.operation), 0.0) + 2 * scene.design.delay
    limit = usual * scene.dice.uniform(0.3, 0.9)
    act = changed(service, calling(call, replace(call, timeout=limit)))
    facts = {"timeout": limit, "to": call.to}
    return Plan("timeout_config", (Cause(service.name),), act, ("config", "Fail fast"), facts=facts)


def upstream_config(scene: Scene) -> Plan | None:
    """A commit sends a caller's requests to an address where nobody, or somebody else, answers."""
    chosen = scene.pick([each for each in scene.calls() if each[2].needed])
    if chosen is None:
        return None
    service, _, call = chosen
    others = [name for name in scene.design.services if name not in (service.name, call.to)]
    address = scene.dice.choice((f"{call.to}-v2", f"{call.to}.internal", scene.dice.choice(others)))
    act = changed(service, calling(call, replace(call, address=address)))
    facts = {"address": address, "to": call.to}
    return Plan("upstream_config", (Cause(service.name),), act, ("config", "Move the upstreams"), facts=facts)


def retry_storm(scene: Scene) -> Plan | None:
    """A commit makes a caller impatient and stubborn: it gives up early, and asks again at once."""
    chosen = scene.pick([each for each in scene.calls() if scene.design.services[each[2].to].spans])
    if chosen is None:
        return None
    service, _, call = chosen
    usual = scene.forecast.held.get((call.to, call.operation), 0.0) + 2 * scene.design.delay
    limit = usual * scene.dice.uniform(0.4, 0.8)
    stubborn = replace(call, retries=scene.dice.randint(4, 8), backoff=0.001, timeout=limit)
    act = changed(service, calling(call, stubborn))
    facts = {"retries": stubborn.retries, "timeout": limit, "to": call.to}
    return Plan("retry_storm", (Cause(service.name),), act, ("config", "Retry harder"), facts=facts)


def bad_deployment(scene: Scene) -> Plan | None:
    """A new version fails, is slow, or asks for one thing again and again; on some instances or all."""
    service = scene.pick(scene.seen())
    if service is None:
        return None
    new, what = version(scene.dice), scene.dice.choice(("errors", "slow", "repeats"))
    change = slower(scene.delay(service), computing=happens(scene.dice, 0.5))
    if what == "errors":
        change = failing(scene.dice.uniform(0.3, 0.95), scene.dice.choice(ERRORS))
    elif what == "repeats" and any(operation.calls for operation in service.operations):
        times = scene.dice.randint(5, 12)
        change = _repeats(times)
    some = len(service.hosts) > 1 and happens(scene.dice, 0.3)

    def act(system: System) -> None:
        running = system.services[service.name]
        operations = tuple(change(operation) for operation in running.design.operations)
        renewed = replace(running.design, operations=operations, version=new)
        if some:
            running.canary = (renewed, 1)
        else:
            system.redesign(renewed)

    cause = Cause(service.name, pod=0 if some else None)
    facts = {"what": what, "canary": some}
    return Plan("bad_deployment", (cause,), act, ("deployment", "Release"), version=new, facts=facts)


def _repeats(times: int) -> Callable[[Operation], Operation]:
    def change(operation: Operation) -> Operation:
        calls = tuple(
            replace(call, times=call.times * times) if place == 0 else call
            for place, call in enumerate(operation.calls)
        )
        return replace(operation, calls=calls)

    return change


def cache_cold(scene: Scene) -> Plan | None:
    """A cache has forgotten everything: whoever relied on it goes to the store each time."""
    found = [
        (scene.design.services[call.cached_by], call)
        for service in scene.felt()
        for operation in service.operations
        for call in operation.calls
        if call.cached_by and scene.reach(service) * call.chance >= _OFTEN
    ]
    chosen = scene.pick(found)
    if chosen is None:
        return None
    cache, _ = chosen
    cold = replace(cache, hits=0.0)
    forgetful = Scene(replace(scene.design, services=scene.design.services | {cache.name: cold}), scene.dice)
    if forgetful.usual < _NOTICED * scene.usual:
        return None
    act = changed(cache, same, hits=scene.dice.uniform(0.0, 0.1))
    callers, facts = scene.callers(cache.name), {"hits_before": cache.hits}
    return Plan("cache_cold", (Cause(cache.name),), act, callers=callers, facts=facts)


def slow_consumer(scene: Scene) -> Plan | None:
    """Who takes messages from a queue has become slow; the queue fills up to its callers."""
    awaited = {
        call.to
        for service in scene.felt()
        for operation in service.operations
        for call in operation.calls
        if call.way is not Way.DIRECT
    }
    service = scene.pick([scene.design.services[name] for name in sorted(awaited)])
    if service is None:
        return None
    rate = max(scene.forecast.rate(service), 0.05)
    places = (service.workers or 4) * len(service.hosts)
    seconds = max(scene.usual * 2.0, places / rate * scene.dice.uniform(1.1, 3.0))
    act = changed(service, slower(seconds, computing=False))
    return Plan("slow_consumer", (Cause(service.name),), act, facts={"seconds": seconds})


def unmeasured_slow(scene: Scene) -> Plan | None:
    """Something that shows nothing of itself is slow: it can be seen in its callers' calls alone."""
    hidden = [each for each in scene.felt(Role.STORE, Role.EXTERNAL) if not each.spans]
    service = scene.pick(hidden)
    if service is None:
        return None
    callers = scene.callers(service.name)
    seconds = scene.delay(service)
    act = changed(service, slower(seconds, computing=False))
    facts = {"seconds": seconds, "callers": callers}
    return Plan("unmeasured_slow", (Cause(service.name),), act, callers=callers, facts=facts)


def silent(scene: Scene) -> Plan | None:
    """Nothing is slow and nothing fails, but a branch is not taken, a line missing, an error swallowed."""
    logging = [each for each in scene.seen() if each.logs and each.role is not Role.BALANCER]
    what = scene.dice.choice(("statement", "branch", "swallowed"))
    if what == "branch":
        logging = [each for each in logging if any(_droppable(op) for op in each.operations)]
    if what == "statement":
        logging = [each for each in logging if any(op.lines for op in each.operations)]
    service = scene.pick(logging)
    if service is None:
        return None
    change = {"statement": _unsaid, "branch": _untaken, "swallowed": _swallowed}[what]
    act = changed(service, change)
    return Plan("silent", (Cause(service.name),), act, felt=False, facts={"what": what})


def _droppable(operation: Operation) -> list[Call]:
    return [call for call in operation.calls if call.chance >= _OFTEN]


def _unsaid(operation: Operation) -> Operation:
    return replace(operation, lines=operation.lines[:-1])


def _untaken(operation: Operation) -> Operation:
    gone = _droppable(operation)[:1]
    return replace(operation, calls=tuple(call for call in operation.calls if call not in gone))


def _swallowed(operation: Operation) -> Operation:
    lines = (*operation.lines, f"{operation.error}: ignored while {operation.name} of {{id}}, going on")
    return replace(operation, lines=lines)
