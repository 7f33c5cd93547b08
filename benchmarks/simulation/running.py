"""The walk of a request: through the network, into a line, to a worker, to other services, and back.

Nothing is computed here that should come about: a caller is slow because it waits, a pool is full because
requests hold its workers, a retry is a second request, and who gives up leaves the other one working.
"""

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from simpy import Event

from benchmarks.simulation.design import Call, Operation, Way, Work
from benchmarks.simulation.live import Instance, Running, System
from benchmarks.simulation.naming import client_facts, client_name, server_facts, server_name
from benchmarks.simulation.recorder import GOOD, Fare, Reply, Request, Span

Steps = Generator[Event, Any, Reply]
Pauses = Generator[Event, Any, None]

BUSY = Reply(ok=False, code=503, error="overloaded")
NOT_FOUND = Reply(ok=False, code=404, error="404")
TIMEOUT = Reply(ok=False, code=0, error="timeout")
REFUSED = Reply(ok=False, code=0, error="ConnectionRefused")
UNKNOWN_HOST = Reply(ok=False, code=0, error="NameResolutionError")
RESET = Reply(ok=False, code=0, error="ConnectionReset")
NO_CONNECTION = Reply(ok=False, code=0, error="PoolTimeout")
NO_ROUTE = Reply(ok=False, code=0, error="ConnectTimeout")
_KEPT_OPEN = 30.0
_REFUSING = 0.002
_FINAL = frozenset({"404", "NameResolutionError"})


def customer(system: System, door: str, operation: str) -> Pauses:
    """One customer's request from beginning to end."""
    request, began = system.recorder.request(), system.env.now
    call = Call(to=door, operation=operation, timeout=system.design.patience)
    answer = system.env.event()
    system.env.process(_deliver(system, None, call, request, 0, answer, 1.0))
    _later(system, answer, system.design.patience)
    reply = yield answer
    system.recorder.fares.append(Fare(door, began, system.env.now - began, reply.ok))


def ask(
    system: System, caller: Instance, call: Call, request: Request, parent: int, size: float = 1.0
) -> Steps:
    """Call another service, again if it fails and repeating is meant."""
    reply = GOOD
    for attempt in range(call.retries + 1):
        if attempt:
            yield system.env.timeout(call.backoff * 2 ** (attempt - 1) * system.dice.uniform(0.5, 1.5))
        reply = yield from attempted(system, caller, call, request, parent, size)
        if reply.ok or reply.error in _FINAL:
            break
    return reply


def attempted(
    system: System,
    caller: Instance,
    call: Call,
    request: Request,
    parent: int,
    size: float = 1.0,
    extra: dict[str, Any] | None = None,
) -> Steps:
    """Call once: the client's span is around it."""
    asked, span = system.env.now, system.recorder.begin(parent, system.env.now)
    pool = caller.connection(call.to)
    life = caller.life
    if pool is not None:
        place = pool.enter(call.timeout or _KEPT_OPEN)
        given = place is not None and (yield place)
        if not given:
            return _told(system, caller, call, request, span, NO_CONNECTION, extra)
        if not system.conventions.connect_in_span:
            span = system.recorder.begin(parent, system.env.now)
    answer = system.env.event()
    visible = span.id if system.shows(caller, _kind(call)) else parent
    way = _publish if call.way is not Way.DIRECT else _deliver
    system.env.process(way(system, caller, call, request, visible, answer, size))
    if call.timeout is not None:
        _later(system, answer, call.timeout)
    reply = yield answer
    if pool is not None and life == caller.life:
        pool.leave()
    caller.counted.calls.setdefault(call.to, []).append(system.env.now - asked)
    return _told(system, caller, call, request, span, reply, extra)


def _told(
    system: System,
    caller: Instance,
    call: Call,
    request: Request,
    span: Span,
    reply: Reply,
    extra: dict[str, Any] | None,
) -> Reply:
    """Record how a call ended, as its caller sees it."""
    kind, now = _kind(call), system.env.now
    target = system.services.get(call.to)
    if system.shows(caller, kind) and caller.up:
        name = client_name(system, call, target.design if target else None)
        name = extra["name"] if extra and "name" in extra else name
        told = {k: v for k, v in (extra or {}).items() if k != "name"}
        facts = client_facts(system, caller, call, reply, told)
        system.recorder.end(span, request, caller.place, (name, kind), now, reply, facts)
    if not reply.ok and caller.service.design.logs and reply.error not in ("", "404"):
        milliseconds = round((now - span.began) * 1000)
        body = f"call {call.operation} to {call.address or call.to} failed after {milliseconds} ms: {reply.error}"
        system.recorder.log(caller.place, now, ("warn", body), request, span.id)
    return reply


def _kind(call: Call) -> str:
    return "client" if call.way is Way.DIRECT else "producer"


def _later(system: System, answer: Event, seconds: float) -> None:
    """Give up after so long, unless there is an answer."""
    system.env.timeout(seconds).callbacks.append(
        lambda _: None if answer.triggered else answer.succeed(TIMEOUT)
    )


def _deliver(
    system: System,
    caller: Instance | None,
    call: Call,
    request: Request,
    parent: int,
    answer: Event,
    size: float,
) -> Pauses:
    """Carry a request over and its answer back."""
    reply = yield from _delivered(system, caller, call, request, parent, size)
    if not answer.triggered:
        answer.succeed(reply)


def _delivered(
    system: System, caller: Instance | None, call: Call, request: Request, parent: int, size: float
) -> Steps:
    target = system.services.get(call.address or call.to)
    if target is None:
        yield system.env.timeout(_REFUSING)
        return UNKNOWN_HOST
    instance, source = target.pick(), caller.name if caller else ""
    near = caller is not None and caller.host is instance.host
    way = system.network.crossing(source, instance.name, near=near)
    yield system.env.timeout(_KEPT_OPEN if way is None else way)
    if way is None:
        return NO_ROUTE
    if not instance.up:
        return REFUSED
    if instance.deaf:
        yield system.env.timeout(_KEPT_OPEN)
        return NO_ROUTE
    reply = yield from served(system, instance, call.operation, request, parent, "server", size)
    back = system.network.crossing(instance.name, source, near=near)
    yield system.env.timeout(_KEPT_OPEN if back is None else back)
    return NO_ROUTE if back is None else reply


def _publish(
    system: System,
    caller: Instance,
    call: Call,
    request: Request,
    parent: int,
    answer: Event,
    size: float,
) -> Pauses:
    """Put a message into a queue of limited length; who awaits the answer waits until it is handled."""
    target = system.services[call.to]
    topic = target.topic
    if topic is not None:
        space = topic.enter()
        if space is not None:
            yield space
    way = system.network.crossing(caller.name, call.to)
    yield system.env.timeout(way or 0.0)
    if call.way is Way.QUEUE and not answer.triggered:
        answer.succeed(GOOD)
    reply = yield from _consumed(system, target, call.operation, request, parent, size)
    if not answer.triggered:
        answer.succeed(reply)


def _consumed(
    system: System, target: Running, operation: str, request: Request, parent: int, size: float
) -> Steps:
    """Wait in the queue until a consumer takes the message."""
    instance = target.pick()
    while not instance.up or instance.deaf:
        yield system.env.timeout(1.0)
        instance = target.pick()
    place = instance.pool.enter()
    given = place is not None and (yield place)
    if target.topic is not None:
        target.topic.leave()
    if not given:
        return RESET
    return (yield from served(system, instance, operation, request, parent, "consumer", size))


def served(
    system: System,
    instance: Instance,
    name: str,
    request: Request,
    parent: int,
    kind: str,
    size: float = 1.0,
) -> Steps:
    """Serve a request in one instance; the server's span is around it."""
    env, life, arrived = system.env, instance.life, system.env.now
    span = system.recorder.begin(parent, arrived)
    if kind != "consumer":
        place = instance.pool.enter()
        given = place is not None and (yield place)
        if life != instance.life:
            return RESET
        if not given:
            return _done(system, instance, (name, kind), request, span, BUSY)
    if not system.conventions.line_in_span:
        span = system.recorder.begin(parent, env.now)
    elif system.conventions.line_span and env.now > arrived:
        _inner(system, instance, "wait for worker", request, span.id, arrived)
    operation = instance.service.designed(instance).operation(name)
    visible = span.id if system.shows(instance, kind) else parent
    reply = NOT_FOUND if operation is None else (yield from _worked(system, instance, operation, request, visible, size))
    if life != instance.life:
        return RESET
    instance.pool.leave()
    instance.counted.seconds.append(env.now - arrived)
    instance.counted.errors += not reply.ok
    instance.leaked += instance.leaks
    return _done(system, instance, (name, kind), request, span, reply)


def _done(
    system: System, instance: Instance, named: tuple[str, str], request: Request, span: Span, reply: Reply
) -> Reply:
    """Record how a request ended, as its server sees it."""
    name, kind = named
    design, now = instance.service.design, system.env.now
    if system.shows(instance, kind):
        shown = (server_name(system, design, name), kind)
        facts = server_facts(system, instance, reply)
        system.recorder.end(span, request, instance.place, shown, now, reply, facts)
    if design.logs:
        milliseconds = round((now - span.began) * 1000)
        said = ("info", f"{name} done in {milliseconds} ms")
        if not reply.ok:
            said = ("error", f"{name} failed in {milliseconds} ms: {reply.error or 'upstream failed'}")
        system.recorder.log(instance.place, now, said, request, span.id)
    return reply


def _worked(
    system: System, instance: Instance, operation: Operation, request: Request, parent: int, size: float
) -> Steps:
    """Do what an operation does."""
    from benchmarks.simulation.agents import acted  # agents call back into this module

    _say(system, instance, operation, request, parent)
    began = system.env.now
    yield from spend(system, instance, operation.before, size)
    _inner(system, instance, f"{operation.name} work", request, parent, began)
    if system.dice.random() < operation.failure:
        body = f"{operation.error}: cannot {operation.name} item {system.dice.randint(1000, 9999)}"
        if instance.service.design.logs:
            system.recorder.log(instance.place, system.env.now, ("error", body), request, parent)
        return Reply(ok=False, code=500, error=operation.error)
    reply = yield from _calls(system, instance, operation, request, parent)
    if not reply.ok:
        return reply
    if operation.agent is not None:
        reply = yield from acted(system, instance, operation.agent, request, parent)
    yield from spend(system, instance, operation.after, size)
    return reply


def _calls(
    system: System, instance: Instance, operation: Operation, request: Request, parent: int
) -> Steps:
    """Make an operation's calls, in order, those that go together at once."""
    at = 0
    while at < len(operation.calls):
        group = [operation.calls[at]]
        while group[-1].together and at + len(group) < len(operation.calls):
            group.append(operation.calls[at + len(group)])
        at += len(group)
        reply = yield from _group(system, instance, group, request, parent)
        if not reply.ok:
            return Reply(ok=False, code=500 if reply.code in (500, 404) else 502, error="")
    return GOOD


def _group(
    system: System, instance: Instance, group: list[Call], request: Request, parent: int
) -> Steps:
    dice = system.dice
    made = [call for call in group if call.chance >= 1.0 or dice.random() < call.chance]
    if len(made) <= 1:
        return (yield from _one(system, instance, made[0], request, parent)) if made else GOOD
    running = [system.env.process(_one(system, instance, call, request, parent)) for call in made]
    reply = GOOD
    for process in running:
        each = yield process
        reply = each if not each.ok else reply
    return reply


def _one(system: System, instance: Instance, call: Call, request: Request, parent: int) -> Steps:
    """Make one call as often as it is meant; a cache may know the answer."""
    for _ in range(call.times):
        if call.cached_by and (yield from _hit(system, instance, call, request, parent)):
            continue
        reply = yield from ask(system, instance, call, request, parent)
        if not reply.ok and call.needed:
            return reply
    return GOOD


def _hit(
    system: System, instance: Instance, call: Call, request: Request, parent: int
) -> Generator[Event, Any, bool]:
    """Look into a cache: a service of its own, or the memory of this one."""
    cache = system.services[call.cached_by]
    if cache is not instance.service:
        look = replace(call, to=call.cached_by, cached_by="", address="", retries=0, operation="entries")
        reply = yield from ask(system, instance, look, request, parent)
        if not reply.ok:
            return False
    return system.dice.random() < cache.design.hits


def _say(system: System, instance: Instance, operation: Operation, request: Request, parent: int) -> None:
    if not instance.service.design.logs:
        return
    for line in operation.lines:
        body = line.format(id=system.dice.randint(10_000, 99_999), n=system.dice.randint(1, 40))
        system.recorder.log(instance.place, system.env.now, ("info", body), request, parent)


def _inner(
    system: System, instance: Instance, name: str, request: Request, parent: int, began: float
) -> None:
    """Record a span inside of a service."""
    if request.sampled and system.shows(instance, "internal"):
        span = system.recorder.begin(parent, began)
        facts = server_facts(system, instance, Reply(code=0))
        system.recorder.end(span, request, instance.place, (name, "internal"), system.env.now, GOOD, facts)


def spend(system: System, instance: Instance, work: Work, size: float = 1.0) -> Pauses:
    """Spend the time that work needs."""
    if work.cpu:
        yield instance.host.burst(instance.process, size * drawn(system, work.cpu, work.spread))
    if work.wait:
        yield system.env.timeout(size * drawn(system, work.wait, work.spread))


def drawn(system: System, mean: float, spread: float) -> float:
    """A time whose mean is this."""
    return mean * system.dice.lognormvariate(-spread * spread / 2, spread)

