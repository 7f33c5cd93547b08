"""The walk of a request: through the network, into a line, to a worker, to other services, and back.

Nothing is computed here that should come about: a caller is slow because it waits, a pool is full because
requests hold its workers, a retry is a second request, and who gives up leaves the other one working.
"""

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any, Self

from simpy import Event

from benchmarks.simulation.design import Agent, Call, Operation, Way, Work
from benchmarks.simulation.live import Instance, Running, System
from benchmarks.simulation.naming import client_facts, client_name, server_facts, server_name
from benchmarks.simulation.recorder import GOOD, Fare, Place, Reply, Request, Span

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
_PASSED_ON = frozenset({500, 404})


@dataclass(frozen=True, slots=True)
class Here:
    """Where a request is just now: the instance that works on it, and the span that is around that work."""

    system: System
    instance: Instance
    request: Request
    span: int = 0

    def below(self, span: int) -> Self:
        """The same, inside of another span."""
        return replace(self, span=span)

    def begin(self) -> Span:
        """Begin a span inside of the one that is around."""
        return self.system.recorder.begin(self.span, self.system.env.now, self.request, self.place)

    def log(self, severity: str, body: str, span: int = 0) -> None:
        """Write a line, if this service writes any."""
        if self.instance.service.design.logs:
            said, now = (severity, body), self.system.env.now
            self.system.recorder.log(self.place, now, said, self.request, span or self.span)

    @property
    def place(self) -> Place:
        """Where records say that they come from."""
        return self.instance.place


@dataclass(frozen=True, slots=True)
class Sent:
    """A call on its way; ``size`` is how large what is asked for is, against what is usual."""

    call: Call
    request: Request
    caller: Instance | None
    parent: int
    size: float = 1.0

    @property
    def source(self) -> str:
        """Who calls; customers have no name."""
        return self.caller.name if self.caller else ""


def customer(system: System, door: str, operation: str) -> Pauses:
    """One customer's request from beginning to end."""
    request, began = system.recorder.request(), system.env.now
    call = Call(to=door, operation=operation, timeout=system.design.patience)
    answer = system.env.event()
    system.env.process(_deliver(system, Sent(call, request, None, 0), answer))
    _later(system, answer, system.design.patience)
    reply = yield answer
    wrong = request.trace in system.recorder.wrong
    system.recorder.fares.append(Fare(door, began, system.env.now - began, reply.ok, wrong))


def ask(here: Here, call: Call) -> Steps:
    """Call another service, again if it fails and repeating is meant."""
    system, reply = here.system, GOOD
    for attempt in range(call.retries + 1):
        if attempt:
            yield system.env.timeout(call.backoff * 2 ** (attempt - 1) * system.dice.uniform(0.5, 1.5))
        reply = yield from attempted(here, call)
        if reply.ok or reply.error in _FINAL:
            break
    return reply


def attempted(here: Here, call: Call, size: float = 1.0, told: dict[str, Any] | None = None) -> Steps:
    """Call once: the client's span, of which ``told`` are more attributes, is around it."""
    system, caller, asked = here.system, here.instance, here.system.env.now
    span, pool, life = here.begin(), caller.connection(call.to), caller.life
    if pool is not None:
        place = pool.enter(call.timeout or _KEPT_OPEN)
        given = place is not None and (yield place)
        if not given:
            return _told(here, call, span, NO_CONNECTION, told)
        if not system.conventions.connect_in_span:
            span = here.begin()
    answer = system.env.event()
    visible = span.id if system.shows(caller, _kind(call)) else here.span
    way = _deliver if call.way is Way.DIRECT else _publish
    system.env.process(way(system, Sent(call, here.request, caller, visible, size), answer))
    if call.timeout is not None:
        _later(system, answer, call.timeout)
    reply = yield answer
    if pool is not None and life == caller.life:
        pool.leave()
    caller.counted.calls.setdefault(call.to, []).append(system.env.now - asked)
    return _told(here, call, span, reply, told)


def _told(here: Here, call: Call, span: Span, reply: Reply, told: dict[str, Any] | None) -> Reply:
    """Record how a call ended, as its caller sees it."""
    system, caller, now = here.system, here.instance, here.system.env.now
    kind, target = _kind(call), here.system.services.get(call.to)
    if system.shows(caller, kind) and caller.up:
        facts = dict(told or {})
        name = facts.pop("name", "") or client_name(system, call, target.design if target else None)
        attributes = client_facts(system, caller, call, reply, facts)
        system.recorder.end(span, (name, kind), now, reply, attributes)
    if not reply.ok and reply.error not in ("", "404"):
        after = f"after {round((now - span.began) * 1000)} ms: {reply.error}"
        here.log("warn", f"call {call.operation} to {call.address or call.to} failed {after}", span.id)
    return reply


def _kind(call: Call) -> str:
    return "client" if call.way is Way.DIRECT else "producer"


def _later(system: System, answer: Event, seconds: float) -> None:
    """Give up after so long, unless there is an answer."""

    def give_up(_: Event) -> None:
        if not answer.triggered:
            answer.succeed(TIMEOUT)

    system.env.timeout(seconds).callbacks.append(give_up)


def _deliver(system: System, sent: Sent, answer: Event) -> Pauses:
    """Carry a request over and its answer back."""
    reply = yield from _delivered(system, sent)
    if not answer.triggered:
        answer.succeed(reply)


def _delivered(system: System, sent: Sent) -> Steps:
    target = system.services.get(sent.call.address or sent.call.to)
    if target is None:
        yield system.env.timeout(_REFUSING)
        return UNKNOWN_HOST
    instance = target.pick()
    near = sent.caller is not None and sent.caller.host is instance.host
    way = system.network.crossing(sent.source, instance.name, near=near)
    yield system.env.timeout(_KEPT_OPEN if way is None else way)
    if way is None:
        return NO_ROUTE
    if not instance.up:
        return REFUSED
    if instance.deaf:
        yield system.env.timeout(_KEPT_OPEN)
        return NO_ROUTE
    here = Here(system, instance, sent.request, sent.parent)
    reply = yield from _served(here, sent.call.operation, "server", sent.size)
    back = system.network.crossing(instance.name, sent.source, near=near)
    yield system.env.timeout(_KEPT_OPEN if back is None else back)
    return NO_ROUTE if back is None else reply


def _publish(system: System, sent: Sent, answer: Event) -> Pauses:
    """Put a message into a queue of limited length; who awaits the answer waits until it is handled."""
    target = system.services[sent.call.to]
    space = target.topic.enter() if target.topic is not None else None
    if space is not None:
        yield space
    way = system.network.crossing(sent.source, sent.call.to)
    yield system.env.timeout(way or 0.0)
    if sent.call.way is Way.QUEUE and not answer.triggered:
        answer.succeed(GOOD)
    reply = yield from _consumed(system, target, sent)
    if not answer.triggered:
        answer.succeed(reply)


def _consumed(system: System, target: Running, sent: Sent) -> Steps:
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
    here = Here(system, instance, sent.request, sent.parent)
    return (yield from _served(here, sent.call.operation, "consumer", sent.size))


def _served(here: Here, name: str, kind: str, size: float) -> Steps:
    """Serve a request in one instance; the server's span is around it."""
    system, instance, arrived = here.system, here.instance, here.system.env.now
    life, span, shown = instance.life, here.begin(), (name, kind)
    if kind == "server":
        place = instance.pool.enter()
        given = place is not None and (yield place)
        if life != instance.life:
            return RESET
        if not given:
            return _done(here, shown, span, BUSY)
    if not system.conventions.line_in_span:
        span = here.begin()
    elif system.conventions.line_span and system.env.now > arrived:
        _inner(here.below(span.id), "wait for worker", arrived)
    operation = instance.service.designed(instance).operation(name)
    visible = span.id if system.shows(instance, kind) else here.span
    reply = (yield from _worked(here.below(visible), operation, size)) if operation else NOT_FOUND
    if life != instance.life:
        return RESET
    instance.pool.leave()
    instance.counted.seconds.append(system.env.now - arrived)
    instance.counted.errors += not reply.ok
    instance.leaked += instance.leaks
    return _done(here, shown, span, reply)


def _done(here: Here, shown: tuple[str, str], span: Span, reply: Reply) -> Reply:
    """Record how a request ended, as its server sees it."""
    (name, kind), system, now = shown, here.system, here.system.env.now
    if system.shows(here.instance, kind):
        named = (server_name(system, here.instance.service.design, name), kind)
        facts = server_facts(system, here.instance, reply)
        system.recorder.end(span, named, now, reply, facts)
    milliseconds = round((now - span.began) * 1000)
    if reply.ok:
        here.log("info", f"{name} done in {milliseconds} ms", span.id)
    else:
        here.log("error", f"{name} failed in {milliseconds} ms: {reply.error or 'upstream failed'}", span.id)
    return reply


def _worked(here: Here, operation: Operation, size: float) -> Steps:
    """Do what an operation does."""
    system, began = here.system, here.system.env.now
    for line in operation.lines:
        here.log("info", line.format(id=system.dice.randint(10_000, 99_999), n=system.dice.randint(1, 40)))
    yield from _spend(here, operation.before, size)
    _inner(here, f"{operation.name} work", began)
    if system.dice.random() < operation.failure:
        here.log(
            "error", f"{operation.error}: cannot {operation.name} item {system.dice.randint(1000, 9999)}"
        )
        return Reply(ok=False, code=500, error=operation.error)
    reply = yield from _calls(here, operation)
    if not reply.ok:
        return reply
    if operation.agent is not None:
        reply = yield from _acted(here, operation.agent)
    yield from _spend(here, operation.after, size)
    return reply


def _acted(here: Here, agent: Agent) -> Steps:
    from benchmarks.simulation.agents import acted  # which calls back into this module

    return acted(here, agent)


def _calls(here: Here, operation: Operation) -> Steps:
    """Make an operation's calls, in order, those that go together at once."""
    at = 0
    while at < len(operation.calls):
        group = [operation.calls[at]]
        while group[-1].together and at + len(group) < len(operation.calls):
            group.append(operation.calls[at + len(group)])
        at += len(group)
        reply = yield from _group(here, group)
        if not reply.ok:
            return Reply(ok=False, code=500 if reply.code in _PASSED_ON else 502, error="")
    return GOOD


def _group(here: Here, group: list[Call]) -> Steps:
    system = here.system
    made = [call for call in group if call.chance >= 1.0 or system.dice.random() < call.chance]
    if len(made) <= 1:
        return (yield from _one(here, made[0])) if made else GOOD
    running = [system.env.process(_one(here, call)) for call in made]
    reply = GOOD
    for process in running:
        each = yield process
        reply = each if not each.ok else reply
    return reply


def _one(here: Here, call: Call) -> Steps:
    """Make one call as often as it is meant; a cache may know the answer."""
    for _ in range(call.times):
        if call.cached_by and (yield from _hit(here, call)):
            continue
        reply = yield from ask(here, call)
        if not reply.ok and call.needed:
            return reply
    return GOOD


def _hit(here: Here, call: Call) -> Generator[Event, Any, bool]:
    """Look into a cache."""
    cache = here.system.services[call.cached_by]
    look = replace(call, to=call.cached_by, cached_by="", address="", retries=0, operation="entries")
    reply = yield from ask(here, look)
    return reply.ok and here.system.dice.random() < cache.design.hits


def _inner(here: Here, name: str, began: float) -> None:
    """Record a span inside of a service."""
    system = here.system
    if here.request.sampled and system.shows(here.instance, "internal"):
        span = system.recorder.begin(here.span, began, here.request, here.place)
        facts = server_facts(system, here.instance, Reply(code=0))
        system.recorder.end(span, (name, "internal"), system.env.now, GOOD, facts)


def _spend(here: Here, work: Work, size: float) -> Pauses:
    """Spend the time that work needs."""
    instance = here.instance
    if work.cpu:
        yield instance.host.burst(instance.process, size * drawn(here.system, work.cpu, work.spread))
    if work.wait:
        yield here.system.env.timeout(size * drawn(here.system, work.wait, work.spread))


def drawn(system: System, mean: float, spread: float) -> float:
    """A time whose mean is this."""
    return mean * system.dice.lognormvariate(-spread * spread / 2, spread)
