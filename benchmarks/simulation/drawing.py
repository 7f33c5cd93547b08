"""A system that nobody drew: seeded, of any size, in varied shapes, with neutral names.

Services stand in an order and call only those behind them: doors and balancers first, stores last. How many
calls an operation makes, and to whom, gives chains, fans, diamonds and layers; stores and some services are
shared. Workers, cores and deadlines are then sized by a forecast of the load with room to spare, as somebody
who runs a system would have done.
"""

import math
import random
from dataclasses import dataclass, field, replace

from benchmarks.simulation.chance import happens
from benchmarks.simulation.design import (
    Agent,
    Arrivals,
    Call,
    Design,
    Operation,
    Role,
    Service,
    Way,
    Work,
)
from benchmarks.simulation.forecast import calls_of, forecast

_WORDS = """
amber aspen basil beryl birch bramble cedar clover cobalt coral cypress dahlia delta ember fern fjord flint
garnet ginger harbor hazel heron indigo iris ivory jade jasper juniper kestrel lagoon larch lilac linden
lotus maple marble meadow nectar nettle oak ochre olive onyx opal orchid osprey pebble pine poplar quartz
raven reed ridge robin rowan saffron sage sierra slate sorrel sparrow spruce summit tamarind teal thistle
tundra umber velvet violet walnut willow wren yarrow zephyr
"""
_VERBS = """
accept arrange collect compare compose count deliver describe examine explain fetch find gather hold inspect
keep list match measure merge note offer pick prepare present rank read record release render resolve review
select settle sort store suggest tally track weigh
"""
WORDS, VERBS = _WORDS.split(), _VERBS.split()
LINES = (
    "{verb}: looking up item {{id}}",
    "{verb}: found {{n}} entries for customer {{id}}",
    "{verb}: checked limits of account {{id}}",
    "{verb}: applied {{n}} rules",
    "{verb}: wrote entry {{id}}",
)
ERRORS = ("ValueError", "StorageUnavailable", "LockTimeout", "QuotaExceeded", "KeyError", "DiskFull")
_LEAST_AGENTS, _ONE_DOOR = 8, 12
_MOST_VISITS = 22.0


@dataclass
class _Sketch:
    """A system in the making."""

    dice: random.Random
    scale: float
    names: list[str]
    services: dict[str, Service] = field(default_factory=dict)
    hosts: int = 1
    logs: float = 0.9
    inner: dict[str, int] = field(default_factory=dict)


def draw_design(dice: random.Random, size: int, rate: float) -> Design:
    """A system of so many services; ``rate`` is how many calls a second all services together bear."""
    scale = math.exp(dice.uniform(-0.3, 1.1))
    sketch = _Sketch(dice, scale, _names(dice, size), hosts=max(2, math.ceil(size / dice.uniform(2.0, 5.0))))
    roles = _roles(dice, size)
    for name, role in zip(reversed(sketch.names), reversed(roles), strict=True):
        sketch.services[name] = _service(sketch, name, role)
    services = {name: sketch.services[name] for name in sketch.names}
    doors = [each for each, role in zip(services.values(), roles, strict=True) if role is Role.DOOR]
    shares = [(door, operation, dice.paretovariate(1.5)) for door in doors for operation in door.operations]
    whole = sum(share for *_, share in shares)
    arrivals = tuple(Arrivals(door.name, op.name, share / whole) for door, op, share in shares)
    cores = (1.0,) * sketch.hosts
    design = Design(
        name=f"{dice.choice(WORDS)}-{dice.choice(WORDS)}",
        services=services,
        cores=cores,
        delay=dice.uniform(0.0003, 0.003) * scale,
        arrivals=arrivals,
        drift=dice.choice((0.0, 0.05, 0.15, 0.3)),
        patience=dice.uniform(10.0, 30.0),
    )
    return _sized(dice, _loaded(dice, _bounded(design), rate))


def _names(dice: random.Random, size: int) -> list[str]:
    ending = dice.choice(("", "", "-service", "-svc"))
    pairs = [f"{one}-{two}" for one in WORDS for two in WORDS if one != two]
    words = dice.sample(WORDS, size) if size <= len(WORDS) else dice.sample(pairs, size)
    return [word + ending for word in words]


def _roles(dice: random.Random, size: int) -> list[Role]:
    """The roles in the order of calls: doors, balancers, ordinary ones, workers, agents, then leaves."""
    doors = 1 if size < _ONE_DOOR else dice.randint(1, min(3 + size // 100, 12))
    leaves = [Role.STORE] * max(1, round(size * dice.uniform(0.1, 0.25)))
    leaves += [Role.CACHE] * dice.choice((0, max(1, size // 20)))
    leaves += [Role.EXTERNAL] * dice.choice((0, 1, max(1, size // 25)))
    agents = []
    if size >= _LEAST_AGENTS and happens(dice, 0.3):
        agents = [Role.AGENT] * dice.randint(1, 2) + [Role.TOOL] * dice.randint(1, 3) + [Role.MODEL]
    workers = [Role.WORKER] * dice.choice((0, 0, max(1, size // 15)))
    balancers = [Role.BALANCER] * (happens(dice, 0.25))
    front = [Role.DOOR] * doors + balancers
    room = max(size - len(front) - 1, 0)
    behind = (workers + agents + leaves)[-room:] if room else []
    return front + [Role.ORDINARY] * (size - len(front) - len(behind)) + behind


def _service(sketch: _Sketch, name: str, role: Role) -> Service:
    """One service; those behind it are there already."""
    dice = sketch.dice
    leaf = role in (Role.STORE, Role.CACHE, Role.EXTERNAL, Role.MODEL)
    verbs = dice.sample(
        VERBS, 1 if role in (Role.BALANCER, Role.AGENT) else dice.choices((1, 2, 3), (5, 4, 1))[0]
    )
    if role is Role.CACHE:
        verbs = ["entries"]
    copies = dice.choices((1, 2, 3), (0.6, 0.25, 0.15))[0] if not leaf else 1
    seen = not leaf or dice.random() < (0.0 if role is Role.EXTERNAL else 0.45)
    return Service(
        name=name,
        role=role,
        operations=tuple(_operation(sketch, role, verb) for verb in verbs),
        hosts=tuple(dice.randrange(sketch.hosts) for _ in range(copies)),
        memory=dice.uniform(60e6, 300e6),
        memory_limit=dice.choice((512e6, 768e6, 1024e6)),
        hits=dice.uniform(0.75, 0.97),
        version=f"{dice.getrandbits(40):010x}",
        spans=seen and happens(dice, 0.97),
        metrics=role is not Role.EXTERNAL and dice.random() < (0.95 if seen else 0.4),
        logs=seen and dice.random() < sketch.logs,
    )


def _operation(sketch: _Sketch, role: Role, verb: str) -> Operation:
    dice = sketch.dice
    lines = [line.format(verb=verb) for line in dice.sample(LINES, dice.randint(0, 3))]
    work = _work(dice, role, sketch.scale)
    agent = _agent(sketch) if role is Role.AGENT else None
    return Operation(
        name=verb,
        before=work,
        after=replace(work, cpu=work.cpu * 0.3, wait=0.0) if role in (Role.ORDINARY, Role.DOOR) else Work(),
        calls=_calls(sketch, role),
        failure=dice.uniform(0.0005, 0.01) if happens(dice, 0.1) else 0.0,
        error=dice.choice(ERRORS),
        lines=tuple(lines),
        agent=agent,
    )


def _work(dice: random.Random, role: Role, scale: float) -> Work:
    """How long things take: what computes, what waits for a disk, what is far away."""
    ranges = {
        Role.DOOR: ((1, 6), (0, 0)),
        Role.BALANCER: ((0.1, 0.6), (0, 0)),
        Role.STORE: ((0.4, 3), (1, 14)),
        Role.CACHE: ((0.1, 0.5), (0, 0.3)),
        Role.EXTERNAL: ((0, 0), (15, 120)),
        Role.MODEL: ((0.5, 3), (150, 900)),
        Role.WORKER: ((2, 15), (2, 30)),
    }
    cpu, wait = ranges.get(role, ((1, 14), (0, 18)))
    thinking = scale if role is not Role.MODEL else 1.0
    milliseconds = 0.001 * thinking
    waits = dice.uniform(*wait) * milliseconds if happens(dice, 0.6) or wait[0] else 0.0
    return Work(dice.uniform(*cpu) * milliseconds, waits, dice.uniform(0.25, 0.8))


def _behind(sketch: _Sketch, *roles: Role) -> list[Service]:
    return [each for each in sketch.services.values() if each.role in roles]


def _agent(sketch: _Sketch) -> Agent | None:
    models, tools = _behind(sketch, Role.MODEL), _behind(sketch, Role.TOOL, Role.STORE)
    if not models:
        return None
    dice = sketch.dice
    chosen = dice.sample(tools, min(len(tools), dice.randint(1, 3)))
    return Agent(
        model=_to(sketch, dice.choice(models)),
        tools=tuple(_to(sketch, each) for each in chosen),
        turns=dice.uniform(1.6, 3.2),
        tokens=dice.uniform(60.0, 200.0),
        invalid=dice.uniform(0.0, 0.06),
        good=dice.uniform(0.85, 0.99),
        model_name=f"{dice.choice(WORDS)}-{dice.choice(('small', 'large'))}-{dice.randint(1, 4)}",
    )


def _calls(sketch: _Sketch, role: Role) -> tuple[Call, ...]:
    """Whom an operation calls: services not called by anybody yet come first."""
    dice = sketch.dice
    many = {
        Role.DOOR: (1, 4),
        Role.BALANCER: (1, 1),
        Role.ORDINARY: (1, 3),
        Role.WORKER: (0, 2),
        Role.TOOL: (0, 2),
    }
    if role not in many:
        return ()
    callable_roles = set(Role) - {Role.MODEL, Role.TOOL, Role.DOOR, Role.CACHE}
    if role in (Role.WORKER, Role.TOOL):
        callable_roles = {Role.STORE, Role.EXTERNAL, Role.ORDINARY}
    callees = _behind(sketch, *callable_roles)
    number = min(dice.randint(*many[role]), len(callees))
    unused = [each for each in callees if each.name not in sketch.inner]
    first = dice.sample(unused, min(len(unused), max(number - 1, 1), number))
    rest = [each for each in callees if each not in first]
    chosen = first + dice.sample(rest, min(number - len(first), len(rest)))
    dice.shuffle(chosen)
    for each in chosen:
        sketch.inner[each.name] = sketch.inner.get(each.name, 0) + 1
    return tuple(_to(sketch, each) for each in chosen)


def _to(sketch: _Sketch, callee: Service) -> Call:
    dice = sketch.dice
    way = Way.DIRECT
    if callee.role is Role.WORKER:
        way = dice.choice((Way.QUEUE, Way.QUEUE_REPLY))
    caches = _behind(sketch, Role.CACHE)
    cached = dice.choice(caches).name if caches and callee.role is Role.STORE and happens(dice, 0.5) else ""
    return Call(
        to=callee.name,
        operation=dice.choice(callee.operations).name,
        chance=1.0 if happens(dice, 0.65) else dice.uniform(0.2, 0.9),
        times=dice.choices((1, 2, 3), (0.9, 0.07, 0.03))[0],
        together=happens(dice, 0.25),
        retries=dice.choices((0, 1, 2), (0.65, 0.2, 0.15))[0] if way is Way.DIRECT else 0,
        needed=happens(dice, 0.85),
        way=way,
        cached_by=cached,
    )


def _bounded(design: Design) -> Design:
    """The same system with calls made rarely enough that one request stays small."""
    while sum(forecast(design).rates.values()) > _MOST_VISITS:
        design = replace(design, services={name: _rarer(each) for name, each in design.services.items()})
    return design


def _rarer(service: Service) -> Service:
    if service.role in (Role.BALANCER, Role.AGENT):
        return service
    operations = []
    for operation in service.operations:
        calls = tuple(replace(call, times=1, chance=call.chance * 0.85) for call in operation.calls)
        operations.append(replace(operation, calls=calls))
    return service.with_operations(*operations)


def _loaded(dice: random.Random, design: Design, rate: float) -> Design:
    """The same system with as many customers as make so many calls a second."""
    customers = rate / max(sum(forecast(design).rates.values()), 1.0)
    closed = happens(dice, 0.2)
    arrivals = []
    for each in design.arrivals:
        mine = max(each.rate * customers, 0.02)
        people = max(round(mine * dice.uniform(2.0, 6.0)), 1) if closed else 0
        arrivals.append(replace(each, rate=mine, people=people))
    return replace(design, arrivals=tuple(arrivals))


def _sized(dice: random.Random, design: Design) -> Design:
    """The same system with workers, connections, deadlines and cores for its load."""
    seen = forecast(design)
    services = {}
    for name, service in design.services.items():
        copies = len(service.hosts)
        demand = seen.demand(service) / copies
        workers = math.ceil(demand * dice.uniform(2.5, 5.0)) + dice.randint(2, 5)
        limited = service.role in (Role.WORKER, Role.STORE) or happens(dice, 0.7)
        services[name] = replace(
            service.with_operations(
                *(_deadlines(dice, design, seen.held, each) for each in service.operations)
            ),
            workers=workers if limited else None,
            queue=workers * dice.choice((4, 10, 30)),
            quota=float(dice.choice((1, 1, 2))),
            connections=_connections(dice, design, service, seen.demand(service) / copies),
        )
    return replace(design, services=services, cores=_cores(dice, design, seen.rates))


def _deadlines(
    dice: random.Random, design: Design, held: dict[tuple[str, str], float], operation: Operation
) -> Operation:
    def limited(call: Call, *, always: bool = False) -> Call:
        if not always and happens(dice, 0.4):
            return call
        usual = held.get((call.to, call.operation), 0.0) + 2 * design.delay
        return replace(call, timeout=max(usual * dice.uniform(6.0, 15.0), 0.15))

    agent = operation.agent
    if agent is not None:
        agent = replace(
            agent, model=limited(agent.model, always=True), tools=tuple(map(limited, agent.tools))
        )
    return replace(operation, calls=tuple(map(limited, operation.calls)), agent=agent)


def _connections(dice: random.Random, design: Design, service: Service, demand: float) -> dict[str, int]:
    stores = sorted(
        {
            call.to
            for operation in service.operations
            for call, _ in calls_of(design, operation)
            if design.services[call.to].role in (Role.STORE, Role.EXTERNAL)
        }
    )
    return {name: math.ceil(demand * 2.5) + dice.randint(2, 6) for name in stores if happens(dice, 0.6)}


def _cores(dice: random.Random, design: Design, rates: dict[tuple[str, str], float]) -> tuple[float, ...]:
    """Cores of each host: its share of the computing, with room to spare."""
    needs = [0.0] * len(design.cores)
    for service in design.services.values():
        for operation in service.operations:
            cpu = rates.get((service.name, operation.name), 0.0) * (
                operation.before.cpu + operation.after.cpu
            )
            for host in service.hosts:
                needs[host] += cpu / len(service.hosts)
    return tuple(float(max(2, math.ceil(need / dice.uniform(0.2, 0.45)))) for need in needs)
