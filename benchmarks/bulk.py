"""An incident of any size, drawn straight into columns: what the engine's speed is measured on.

Nothing runs here. Services lie in layers, each operation calls some operations of the layer below, so a
request is a tree three to twelve services deep; times are added up from the leaves to the root, all requests
of one kind at once. One service is slow in the incident, a few requests fail in any case, every third span
writes a log line, every service sends five metrics each ten seconds. The same seed gives the same columns.
It is a yardstick for cost, too plain to say how often the engine is right.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from causal.evidence import Alert, Symptom, Window
from causal.telemetry import (
    MISSING,
    Batch,
    Codes,
    Column,
    Flags,
    Floats,
    Ints,
    Logs,
    Metrics,
    SpanKind,
    Spans,
    Status,
    Telemetry,
)

T0 = 1_700_000_000
QUIET, UNWELL = 600, 300  # s
METRICS = (
    "process.cpu.utilization",
    "process.memory.usage",
    "process.memory.limit",
    "db.client.connection.count",
    "http.server.active_requests",
)
_SECOND = 1_000_000_000
_SHALLOW, _DEEP, _SMALL, _LARGE = 3, 12, 10, 2000
_OPERATIONS = (2, 5)
_SIDEWAYS = 0.15
_MOST_NODES = 60
_MOST_IDS = 256
_ALWAYS = 0.7
_STRAY_ERRORS = 5e-4
_SLOWER = 0.25  # s
_STEP = 10
_LINE_EVERY = 3
_UNIQUE = 0.1
_LEVELS = ("INFO", "WARN", "ERROR")
_SAYS = (
    "handled request {} for {} in {} ms",
    "cache holds {} entries after {}",
    "row {} written by worker {}",
    "retrying {} once, attempt {} of 3",
)


@dataclass(frozen=True)
class Call:
    """One operation calls another, by number, with a chance that it does."""

    callee: int
    chance: float


@dataclass(frozen=True, eq=False)
class System:
    """Services and their operations; ``service`` is the one of each operation, ``work`` its usual seconds."""

    services: int
    service: Ints
    work: Floats
    calls: tuple[tuple[Call, ...], ...]
    doors: Ints

    def tree(self, door: int) -> list[tuple[int, int, float]]:
        """The calls of one kind of request, callers first: (place of the caller, operation, chance)."""
        nodes = [(MISSING, door, 1.0)]
        for place, (_, operation, _) in enumerate(nodes):
            if len(nodes) < _MOST_NODES:
                nodes += [(place, call.callee, call.chance) for call in self.calls[operation]]
        return nodes


@dataclass(frozen=True, eq=False)
class Load:
    """What runs through a system in one window; ``slow`` is the service that is slow, -1 for none."""

    start: int
    seconds: int
    spans: int
    slow: int = MISSING


@dataclass(frozen=True, eq=False)
class Incident:
    """An alert, its telemetry, and the name of the service that is to blame."""

    alert: Alert
    telemetry: Telemetry
    culprit: str


def incident(services: int, spans: int, *, seed: int = 0, unwell: float = 1 / 3) -> Incident:
    """About so many spans over so many services, the share ``unwell`` of them in the incident window."""
    dice = np.random.default_rng([seed, services, spans])
    system = _system(services, dice)
    culprit, door = _culprit(system, dice)
    loads = (
        Load(T0, QUIET, round(spans * (1 - unwell))),
        Load(T0 + QUIET, UNWELL, round(spans * unwell), culprit),
    )
    telemetry = _telemetry(system, loads, dice)
    alert = Alert(
        fingerprint="5ca1e" + "0" * 59,
        symptom=Symptom(service=_name(door), signal="latency"),
        raised_at=float(T0 + QUIET + 60),
        began_at=float(T0 + QUIET),
    )
    return Incident(alert, telemetry, _name(culprit))


def _telemetry(system: System, loads: tuple[Load, Load], dice: np.random.Generator) -> Telemetry:
    """Both windows from one pair of tables, so that they share their dictionaries."""
    quiet, unwell = (Window(start=float(load.start), end=float(load.start + load.seconds)) for load in loads)
    spans = _spans(system, _joined([part for load in loads for part in _drawn(system, load, dice)]), dice)
    metrics, logs = _metrics(system, quiet.start, unwell.end, dice), _logs(spans, dice)
    first = _requests_of(spans)
    late = spans.start_ns[first] >= unwell.start * _SECOND
    late_logs, late_metrics = logs.time_ns >= unwell.start * _SECOND, metrics.time >= unwell.start
    return Telemetry(
        baseline=quiet,
        window=unwell,
        quiet=Batch(spans.take(~late), metrics.take(~late_metrics), logs.take(~late_logs)),
        incident=Batch(spans.take(late), metrics.take(late_metrics), logs.take(late_logs)),
        digest=f"{system.services} services, {len(spans)} spans",
    )


def _requests_of(spans: Spans) -> Ints:
    """The first span of each span's request; rows are in order of time."""
    _, first = np.unique(spans.trace.codes, return_index=True)
    return first[spans.trace.codes].astype(np.int64)


def layers(services: int) -> int:
    """How many services deep requests go: three for ten services, twelve for two thousand."""
    share = log(max(services, _SMALL) / _SMALL) / log(_LARGE / _SMALL)
    return min(_DEEP, round(_SHALLOW + share * (_DEEP - _SHALLOW)))


def _name(service: int) -> str:
    return f"service-{service:04d}"


def _system(services: int, dice: np.random.Generator) -> System:
    """Every operation has a caller in the layer above, some have a second one."""
    layer = np.sort(np.arange(services) % layers(services))
    service = np.repeat(np.arange(services), dice.integers(*_OPERATIONS, size=services))
    calls: list[list[Call]] = [[] for _ in service]
    for operation in np.flatnonzero(layer[service] > 0):
        above = np.flatnonzero(layer[service] == layer[service[operation]] - 1)
        for caller in dice.choice(above, 1 + int(dice.random() < _SIDEWAYS)):
            chance = 1.0 if dice.random() < _ALWAYS else float(dice.uniform(0.3, 0.95))
            calls[caller].append(Call(int(operation), chance))
    return System(
        services,
        service,
        np.exp(dice.normal(log(0.004), 0.7, size=len(service))),
        tuple(map(tuple, calls)),
        np.flatnonzero(layer[service] == 0),
    )


def _culprit(system: System, dice: np.random.Generator) -> tuple[int, int]:
    """A service that many requests run through, but no door, and the door that waits for it most."""
    reached = np.zeros((len(system.doors), system.services))
    for row, door in enumerate(system.doors):
        for _, operation, chance in system.tree(int(door)):
            reached[row, system.service[operation]] += chance
    reached[:, system.service[system.doors]] = 0.0
    heaviest = np.argsort(-reached.sum(axis=0), kind="stable")[: max(1, system.services // 5)]
    culprit = int(dice.choice(heaviest))
    return culprit, int(system.service[system.doors[np.argmax(reached[:, culprit])]])


@dataclass(frozen=True, eq=False)
class _Drawn:
    """Spans before they are sorted: the request of each, and its numbers."""

    request: Ints
    parent: Ints
    span: Ints
    operation: Ints
    callee: Ints
    kind: Ints
    start: Floats
    seconds: Floats
    failed: Flags


def _drawn(system: System, load: Load, dice: np.random.Generator) -> Iterator[_Drawn]:
    """All requests of one window, one kind of request after the other."""
    trees = [system.tree(int(door)) for door in system.doors]
    weight = np.exp(np.random.default_rng(len(trees)).normal(0.0, 0.7, size=len(trees)))
    spans = np.array([2.0 * _expected(tree) - 1.0 for tree in trees])
    for tree, n in zip(trees, dice.poisson(load.spans * weight / (weight @ spans)), strict=True):
        if n:
            yield _requests(system, tree, load, int(n), dice)


def _expected(tree: Sequence[tuple[int, int, float]]) -> float:
    seen: list[float] = []
    for caller, _, chance in tree:
        seen.append(chance * (seen[caller] if caller >= 0 else 1.0))
    return sum(seen)


def _requests(
    system: System, tree: Sequence[tuple[int, int, float]], load: Load, n: int, dice: np.random.Generator
) -> _Drawn:
    """All requests of one kind: a row a call, a column a request; spans 2c (client) and 2c + 1 (server)."""
    caller, operation = np.array([node[0] for node in tree]), np.array([node[1] for node in tree])
    shape = len(tree), n
    own = system.work[operation][:, None] * np.exp(dice.normal(0.0, 0.4, size=shape))
    slow = (system.service[operation] == load.slow)[:, None]
    own = own + slow * _SLOWER * np.exp(dice.normal(0.0, 0.3, size=shape))
    made = dice.random(shape) < np.array([node[2] for node in tree])[:, None]
    failed = dice.random(shape) < _STRAY_ERRORS
    for place in range(1, len(tree)):
        made[place] &= made[caller[place]]
    gap = 0.0005 * np.exp(dice.normal(0.0, 0.5, size=shape))
    took, begun = own.copy(), np.zeros(shape)
    for place in range(len(tree) - 1, 0, -1):  # leaves first: what is made is waited for
        begun[place] = took[caller[place]]
        took[caller[place]] += np.where(made[place], took[place] + 2 * gap[place], 0.0)
        failed[caller[place]] |= failed[place] & made[place]
    start = np.empty(shape)
    start[0] = load.start + dice.uniform(0.0, load.seconds, size=n)
    for place in range(1, len(tree)):
        start[place] = start[caller[place]] + begun[place] + gap[place]
    inside = np.nonzero(made)
    outside = tuple(axis[inside[0] > 0] for axis in inside)
    (where, request), (callee, asked) = inside, outside
    return _Drawn(
        request=np.concatenate([request, asked]),
        span=np.concatenate([2 * where + 1, 2 * callee]),
        parent=np.concatenate([np.where(where > 0, 2 * where, MISSING), 2 * caller[callee] + 1]),
        operation=np.concatenate([operation[where], operation[caller[callee]]]),
        callee=np.concatenate([operation[where], operation[callee]]),
        kind=np.repeat([SpanKind.SERVER, SpanKind.CLIENT], [len(where), len(callee)]),
        start=np.concatenate([start[inside], start[outside] - gap[outside]]),
        seconds=np.concatenate([took[inside], took[outside] + 2 * gap[outside]]),
        failed=np.concatenate([failed[inside], failed[outside]]),
    )


def _joined(parts: Sequence[_Drawn]) -> _Drawn:
    """All of them in order of time, their requests numbered through."""
    first = np.cumsum([0, *(int(part.request.max()) + 1 for part in parts)])
    whole = {name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])}
    whole["request"] += np.repeat(first[:-1], [len(part.request) for part in parts])
    order = np.argsort(whole["start"], kind="stable")
    return _Drawn(**{name: values[order] for name, values in whole.items()})


def _spans(system: System, drawn: _Drawn, dice: np.random.Generator) -> Spans:
    service, size, many = system.service[drawn.operation], len(system.service), len(drawn.request)
    operation = np.where(drawn.kind == SpanKind.CLIENT, drawn.callee + size, drawn.operation)
    names = [*(f"POST /{at}" for at in range(size)), *(f"call {at}" for at in range(size))]
    trace, number = np.unique(drawn.request, return_inverse=True)
    spans = drawn.request * _MOST_IDS
    both = np.concatenate([spans + drawn.span, spans + np.where(drawn.parent < 0, 0, drawn.parent)])
    _, ids = np.unique(both, return_inverse=True)
    return Spans(
        trace=Column(_codes(number), tuple(f"{one:032x}" for one in trace.tolist())),
        span=ids[:many].astype(np.int64),
        parent=np.where(drawn.parent < 0, MISSING, ids[many:]).astype(np.int64),
        service=Column(_codes(service), tuple(_name(at) for at in range(system.services))),
        instance=Column(_codes(service), tuple(f"{_name(at)}-0" for at in range(system.services))),
        operation=Column(_codes(operation), tuple(names)),
        kind=drawn.kind.astype(np.int8),
        start_ns=(drawn.start * _SECOND).astype(np.int64),
        duration_ns=(drawn.seconds * _SECOND).astype(np.int64),
        status=np.where(drawn.failed, Status.ERROR, Status.UNSET).astype(np.int8),
        status_code=Column(_codes(drawn.failed), ("200", "500")),
        attributes=_attributes(system, operation, dice),
    )


def _codes(values: Ints | Flags) -> Codes:
    return np.asarray(values, dtype=np.int32)


def _attributes(system: System, of: Ints, dice: np.random.Generator) -> Column:
    """Routes and addresses; a tenth of the spans carry something that no other span does."""
    size = len(system.service)
    usual = [json.dumps({"http.route": f"/{at}"}) for at in range(size)]
    usual += [json.dumps({"server.address": _name(int(at))}) for at in system.service]
    alone = dice.random(len(of)) < _UNIQUE
    codes = np.where(alone, 2 * size - 1 + np.cumsum(alone), of)
    own = (json.dumps({"enduser.id": f"customer-{at}"}) for at in range(int(alone.sum())))
    return Column(_codes(codes), (*usual, *own))


def _metrics(system: System, start: float, end: float, dice: np.random.Generator) -> Metrics:
    moments = np.arange(start, end, _STEP)
    shape = len(moments), system.services, len(METRICS)
    level = np.array([0.2, 4e8, 1e9, 8.0, 5.0]) * np.exp(dice.normal(0.0, 0.1, size=shape))
    level[:, :, 2] = 1e9
    at, service, metric = (axis.ravel() for axis in np.indices(shape))
    names = tuple(_name(one) for one in range(system.services))
    return Metrics(
        time=moments[at],
        service=Column(_codes(service), names),
        instance=Column(_codes(service), tuple(f"{name}-0" for name in names)),
        metric=Column(_codes(metric), METRICS),
        value=level.ravel(),
    )


def _logs(spans: Spans, dice: np.random.Generator) -> Logs:
    """A line for every third span; most lines hold numbers of their own."""
    rows = np.flatnonzero(dice.random(len(spans)) < 1 / _LINE_EVERY)
    says = spans.operation.codes[rows] % len(_SAYS)
    bodies = Column.of(_bodies(says, dice))
    severity = np.where(spans.status[rows] == Status.ERROR, 2, says == len(_SAYS) - 1)
    return Logs(
        time_ns=spans.start_ns[rows],
        service=spans.service.take(rows),
        instance=spans.instance.take(rows),
        severity=Column(_codes(severity), _LEVELS),
        trace=spans.trace.take(rows),
        body=bodies,
    )


def _bodies(says: Codes, dice: np.random.Generator) -> Iterator[str]:
    numbers = dice.integers(0, 1000, size=(len(says), 3)).tolist()
    for which, values in zip(says.tolist(), numbers, strict=True):
        yield _SAYS[which].format(*values)
