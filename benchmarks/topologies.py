"""Shops that nobody drew: seeded topologies of seven shapes, with neutral names and varied numbers.

A shape says who calls whom, by number; everything else is drawn. Names say nothing about what a service is,
so that no engine can guess from them. A service has one or two operations, each making some of the service's
calls; pools are sized from Little's law with room to spare, and the load is what two cores can carry. The
same seed and number give the same shop.
"""

import itertools
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from demo.forecast import arrivals, workers_needed
from demo.topology import Call, Entry, Kind, Load, Operation, PoolLimits, ServiceDesign, Topology, Work

_WORDS = """
amber aspen basil beryl birch bramble cedar clover cobalt coral cypress dahlia delta ember fern
fjord flint garnet ginger harbor hazel heron indigo iris ivory jade jasper juniper kestrel lagoon
larch lilac linden lotus maple marble meadow nectar nettle oak ochre olive onyx opal orchid osprey
pebble pine poplar quartz raven reed ridge robin rowan saffron sage sierra slate sorrel sparrow
spruce summit tamarind teal thistle tundra umber velvet violet walnut willow wren yarrow zephyr
"""
_VERBS = """
accept arrange collect compare compose count deliver describe examine explain fetch find gather hold
inspect keep list match measure merge note offer pick prepare present rank read record release
render resolve review select settle sort store suggest tally track weigh
"""
WORDS, VERBS = _WORDS.split(), _VERBS.split()

_REQUESTS = 55.0  # per second, over all services: what half of two cores can carry
_CUSTOMERS = (5.0, 14.0)
_OFTEN, _MOSTLY = 0.5, 0.7


@dataclass(frozen=True)
class Edge:
    """One service calls another, by number."""

    caller: int
    callee: int
    parallel: bool = False
    retries: int = 0


@dataclass(frozen=True)
class Shape:
    """Who calls whom; ``doors`` are where customers walk in, every service not in ``kinds`` is ordinary."""

    size: int
    edges: tuple[Edge, ...]
    doors: tuple[int, ...] = (0,)
    kinds: dict[int, Kind] = field(default_factory=dict)


def chain(dice: random.Random) -> Shape:
    """One behind the other."""
    size = dice.randint(4, 7)
    return Shape(size, tuple(Edge(at, at + 1) for at in range(size - 1)))


def star(dice: random.Random) -> Shape:
    """One in the middle, all others around it."""
    size = dice.randint(5, 8)
    return Shape(size, tuple(Edge(0, at) for at in range(1, size)))


def layered(dice: random.Random) -> Shape:
    """Two doors, a middle layer, a back layer; each calls one to three of the next layer."""
    layers = [[0, 1], list(range(2, 2 + dice.randint(2, 3)))]
    layers.append(list(range(layers[1][-1] + 1, layers[1][-1] + 1 + dice.randint(2, 4))))
    edges = []
    for upper, lower in itertools.pairwise(layers):
        called = {(dice.choice(upper), callee) for callee in lower}
        called |= {(caller, dice.choice(lower)) for caller in upper}
        called |= {(caller, dice.choice(lower)) for caller in upper if dice.random() < _OFTEN}
        edges += [Edge(caller, callee) for caller, callee in sorted(called)]
    return Shape(layers[-1][-1] + 1, tuple(edges), doors=(0, 1))


def diamond(dice: random.Random) -> Shape:
    """Several branches that meet again in one backend, which may have a store of its own."""
    branches = list(range(1, 1 + dice.randint(2, 4)))
    shared = branches[-1] + 1
    edges = [Edge(0, branch) for branch in branches] + [Edge(branch, shared) for branch in branches]
    if dice.random() < _MOSTLY:
        edges.append(Edge(shared, shared + 1))
        shared += 1
    return Shape(shared + 1, tuple(edges))


def agent(dice: random.Random) -> Shape:
    """A deep chain that ends in an agent with its model and tools, beside an ordinary branch."""
    depth = dice.randint(2, 3)
    thinker, model, tools = depth, depth + 1, dice.randint(1, 3)
    first = model + 1
    edges = [Edge(at, at + 1) for at in range(depth)]
    edges += [Edge(thinker, model), *(Edge(thinker, first + nth) for nth in range(tools))]
    size = first + tools
    edges += [Edge(first, size), Edge(depth - 1, size + 1), Edge(size + 1, size)]
    kinds: dict[int, Kind] = {thinker: "agent", model: "model"}
    kinds |= {first + nth: "tool" for nth in range(tools)}
    return Shape(size + 2, tuple(edges), kinds=kinds)


def fan_out(dice: random.Random) -> Shape:
    """One door that asks many at once; a few of them ask one more."""
    wide = dice.randint(4, 6)
    edges = [Edge(0, at, parallel=True) for at in range(1, wide + 1)]
    behind = dice.randint(1, 2)
    for nth in range(behind):
        edges += [Edge(at, wide + 1 + nth) for at in range(1 + 2 * nth, min(3 + 2 * nth, wide + 1))]
    return Shape(wide + 1 + behind, tuple(edges))


def retries(dice: random.Random) -> Shape:
    """A tree whose callers try again, so that trouble below becomes traffic above it."""
    middle = dice.randint(2, 3)
    edges = [Edge(0, at, retries=dice.randint(1, 2)) for at in range(1, middle + 1)]
    for nth, at in enumerate(range(1, middle + 1)):
        edges.append(Edge(at, middle + 1 + nth, retries=dice.randint(1, 3)))
    edges.append(Edge(1, middle + 2, retries=1))
    return Shape(2 * middle + 1, tuple(edges))


SHAPES: tuple[Callable[[random.Random], Shape], ...] = (
    chain,
    star,
    layered,
    diamond,
    agent,
    fan_out,
    retries,
)


def generate(seed: int, count: int) -> tuple[Topology, ...]:
    """So many shops, the shapes in turn."""
    return tuple(draw(seed, number) for number in range(count))


def draw(seed: int, number: int) -> Topology:
    """The shop of that number under that seed."""
    shape = SHAPES[number % len(SHAPES)]
    dice = random.Random(f"{seed}/{number}/{shape.__name__}")
    name = f"{shape.__name__.replace('_', '-')}-s{seed}-{number:02}"
    return _sized(_dressed(shape(dice), name, dice), dice)


def _dressed(shape: Shape, name: str, dice: random.Random) -> Topology:
    """Names, operations, work and calls; pools and load come after, when the demand is known."""
    names = dice.sample(WORDS, shape.size)
    verbs = dice.sample(VERBS, 2 * shape.size)
    offers = [
        verbs[2 * at : 2 * at + (1 if at in shape.kinds else dice.choice((1, 1, 2)))]
        for at in range(shape.size)
    ]
    services = tuple(
        ServiceDesign(
            name=names[at],
            kind=shape.kinds.get(at, "service"),
            memory_limit_mb=dice.choice((192, 224, 256)),
            operations=tuple(
                Operation(
                    name=verb,
                    work=_work(shape.kinds.get(at, "service"), dice),
                    calls=_calls(shape, at, nth, names=names, offers=offers, dice=dice),
                )
                for nth, verb in enumerate(offers[at])
            ),
        )
        for at in range(shape.size)
    )
    entries = tuple(
        Entry(service=names[door], operation=verb, per_second=dice.uniform(1.0, 3.0))
        for door in shape.doors
        for verb in offers[door]
    )
    load = Load(seed=dice.randint(1, 9999), entries=entries)
    return Topology(name=name, load=load.scaled(dice.uniform(*_CUSTOMERS)), services=_used(services, entries))


def _work(kind: Kind, dice: random.Random) -> Work:
    low, high = (50.0, 110.0) if kind == "model" else (4.0, 36.0)
    mean = math.exp(dice.uniform(math.log(low), math.log(high)))
    return Work(mean_ms=round(mean, 1), spread=round(dice.uniform(0.15, 0.45), 2))


def _calls(
    shape: Shape,
    at: int,
    nth: int,
    *,
    names: Sequence[str],
    offers: Sequence[Sequence[str]],
    dice: random.Random,
) -> tuple[Call, ...]:
    """The calls of one operation: the first makes all of its service's, a second one some of them."""
    edges = [edge for edge in shape.edges if edge.caller == at]
    if nth and edges:
        edges = sorted(dice.sample(edges, dice.randint(1, len(edges))), key=lambda edge: edge.callee)
    return tuple(_call(edge, shape, names=names, offers=offers, dice=dice) for edge in edges)


def _call(
    edge: Edge, shape: Shape, *, names: Sequence[str], offers: Sequence[Sequence[str]], dice: random.Random
) -> Call:
    to_model = shape.kinds.get(edge.callee) == "model"
    return Call(
        to=names[edge.callee],
        operation=dice.choice(offers[edge.callee]),
        share=1.0 if to_model else dice.choice((1.0, 1.0, 1.0, 0.8, 0.6)),
        fan_out=1 if to_model else dice.choice((1, 1, 1, 1, 2)),
        timeout_ms=dice.choice((1500, 2000, 2500, 3000, 4000)),
        retries=edge.retries,
        parallel=edge.parallel,
    )


def _used(services: Sequence[ServiceDesign], entries: Sequence[Entry]) -> tuple[ServiceDesign, ...]:
    """The services without the operations that nobody asks for, and without services that have none left."""
    operations = {(s.name, op.name): op for s in services for op in s.operations}
    asked = {(entry.service, entry.operation) for entry in entries}
    waiting = sorted(asked)
    while waiting:
        found = {call.route for call in operations[waiting.pop()].calls} - asked
        asked |= found
        waiting += sorted(found)
    kept = [
        s.model_copy(update={"operations": tuple(o for o in s.operations if (s.name, o.name) in asked)})
        for s in services
    ]
    return tuple(service for service in kept if service.operations)


def _sized(topology: Topology, dice: random.Random) -> Topology:
    """The same shop with a load that the machine carries, and pools with room to spare."""
    customers = math.fsum(entry.per_second for entry in topology.load.entries)
    busy = math.fsum(arrivals(topology).values())
    load = topology.load.scaled(round(customers * min(1.0, _REQUESTS / busy), 2))
    recycled = {service.name: float(dice.choice((20, 50, 100, 150, 200))) for service in topology.services}
    idle = topology.model_copy(update={"load": load, "services": _pooled(topology, {}, recycled)})
    needed = {name: need * dice.uniform(2.0, 4.0) for name, need in workers_needed(idle).items()}
    return idle.model_copy(update={"services": _pooled(idle, needed, recycled)})


def _pooled(
    topology: Topology, needed: dict[str, float], recycled: dict[str, float]
) -> tuple[ServiceDesign, ...]:
    def pool(name: str) -> PoolLimits:
        size = math.ceil(needed.get(name, 0.0)) + 4
        return PoolLimits(size=size, queue=4 * size, recycle_ms=recycled[name])

    return tuple(service.model_copy(update={"pool": pool(service.name)}) for service in topology.services)
