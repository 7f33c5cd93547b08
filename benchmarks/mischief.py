"""What to break in a shop: every kind of fault once, in a service where it makes sense and is felt.

A fault that cannot show would only teach that nothing was seen. So the numbers are drawn from what the shop
forecasts of itself: a timeout below what the callee needs, a pool below the demand, a delay that customers
notice; and nobody is broken whom customers hardly ever reach.
"""

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence

from demo.faults import (
    Ailment,
    BadConfig,
    BadPrompt,
    Commit,
    CpuHog,
    Dead,
    Errors,
    Latency,
    MemoryLeak,
    PoolSize,
    SlowPeer,
    Timeout,
    WrongUpstream,
)
from demo.forecast import arrivals, held_seconds, workers_needed
from demo.topology import Topology

Mischief = Commit | Ailment | Dead
Candidates = Callable[[Topology, random.Random], Iterator[Mischief]]

_LEAST_RATE = 1.0  # requests a second
_LEAST_VISITS = 0.15  # per customer
_OVERLOAD = 1.2
_ERRORS = ("StorageUnavailable", "LockTimeout", "QuotaExceeded", "ValueError", "KeyError", "DiskFull")


def rates(topology: Topology) -> dict[str, float]:
    """Requests a second of each service."""
    total = dict.fromkeys(topology.names, 0.0)
    for (service, _), rate in arrivals(topology).items():
        total[service] += rate
    return total


def felt(topology: Topology) -> list[str]:
    """The services that customers reach often enough to notice what is wrong with them."""
    customers = math.fsum(entry.per_second for entry in topology.load.entries)
    least = max(_LEAST_RATE, _LEAST_VISITS * customers)
    return [name for name, rate in rates(topology).items() if rate >= least]


def callees(topology: Topology, name: str) -> list[str]:
    """Whom a service calls."""
    return sorted({call.to for op in topology.service(name).operations for call in op.calls})


def _pool_size(topology: Topology, dice: random.Random) -> Iterator[Mischief]:
    rate, held = rates(topology), _held(topology)
    for name in felt(topology):
        wanted = dice.uniform(1.4, 2.5)  # workers needed, where there is one
        recycle = (wanted / rate[name] - held[name]) * 1000
        slower = recycle > topology.service(name).pool.recycle_ms
        change = PoolSize(
            setting="pool_size", size=1, recycle_ms=round(min(recycle, 5000.0)) if slower else None
        )
        yield BadConfig(kind="bad_config", service=name, change=change, message="Tune the pool of {service}")


def _timeout(topology: Topology, dice: random.Random) -> Iterator[Mischief]:
    held = _held(topology)
    for name in felt(topology):
        for upstream in _often_called(topology, name):
            limit = max(1.0, round(held[upstream] * 1000 * dice.uniform(0.3, 0.7), 1))
            change = Timeout(setting="timeout", upstream=upstream, timeout_ms=limit)
            yield BadConfig(kind="bad_config", service=name, change=change, message="Fail fast in {service}")


def _wrong_upstream(topology: Topology, dice: random.Random) -> Iterator[Mischief]:
    for name in felt(topology):
        for upstream in _often_called(topology, name):
            others = [other for other in topology.names if other not in (name, upstream)]
            address = dice.choice((None, f"{upstream}-v1", dice.choice(others)))
            change = WrongUpstream(setting="wrong_upstream", upstream=upstream, address=address)
            message = "Move the upstreams of {service}"
            yield BadConfig(kind="bad_config", service=name, change=change, message=message)


def _bad_prompt(topology: Topology, _: random.Random) -> Iterator[Mischief]:
    for name in felt(topology):
        if topology.service(name).kind == "agent":
            yield BadPrompt(kind="bad_prompt", service=name)


def _latency(topology: Topology, dice: random.Random) -> Iterator[Mischief]:
    held = _held(topology)
    slowest = max(held[entry.service] for entry in topology.load.entries)
    for name in felt(topology):
        extra = min(max(slowest * 1000 * dice.uniform(0.8, 3.0), 80.0), 1200.0)
        yield Latency(kind="latency", service=name, extra_ms=round(extra), share=dice.choice((1.0, 1.0, 0.6)))


def _errors(topology: Topology, dice: random.Random) -> Iterator[Mischief]:
    for name in felt(topology):
        share, error = round(dice.uniform(0.35, 0.9), 2), dice.choice(_ERRORS)
        message = f"{error} while working on the request"
        yield Errors(kind="errors", service=name, share=share, error=error, message=message)


def _cpu_hog(topology: Topology, dice: random.Random) -> Iterator[Mischief]:
    for name in felt(topology):
        yield CpuHog(
            kind="cpu_hog",
            service=name,
            share=round(dice.uniform(0.7, 0.92), 2),
            burst_ms=dice.choice((60, 120, 200)),
        )


def _memory_leak(topology: Topology, dice: random.Random) -> Iterator[Mischief]:
    for name in felt(topology):
        yield MemoryLeak(
            kind="memory_leak",
            service=name,
            mb_per_second=dice.choice((8, 12, 18)),
            pause_ms=dice.choice((600, 800, 1000)),
        )


def _dead(topology: Topology, _: random.Random) -> Iterator[Mischief]:
    doors = {entry.service for entry in topology.load.entries}
    for name in felt(topology):
        if name not in doors:  # a dead door leaves no telemetry at all: nobody but the customers knows
            yield Dead(kind="dead", service=name)


def _slow_peer(topology: Topology, dice: random.Random) -> Iterator[Mischief]:
    for caller in felt(topology):
        for name in callees(topology, caller):
            delay = round(dice.uniform(1500, 3500))
            needed = workers_needed(topology, {name: delay})[caller]
            if needed > _OVERLOAD * topology.service(caller).pool.size:
                yield SlowPeer(kind="slow_peer_exhausts_pool", service=name, caller=caller, delay_ms=delay)


KINDS: Mapping[str, Candidates] = {
    "bad_config_pool_size": _pool_size,
    "bad_config_timeout": _timeout,
    "bad_config_wrong_upstream": _wrong_upstream,
    "bad_prompt": _bad_prompt,
    "cpu_hog": _cpu_hog,
    "dead": _dead,
    "errors": _errors,
    "latency": _latency,
    "memory_leak": _memory_leak,
    "slow_peer_exhausts_pool": _slow_peer,
}
INDICATORS: Mapping[str, str] = {
    "bad_config_pool_size": "pool.pending",
    "cpu_hog": "process.cpu.utilization",
    "memory_leak": "process.memory.usage",
    "slow_peer_exhausts_pool": "pool.pending",
}


def kind_of(fault: Mischief) -> str:
    """The fault's name among `KINDS`."""
    return f"bad_config_{fault.change.setting}" if isinstance(fault, BadConfig) else fault.kind


def is_commit(fault: Mischief) -> bool:
    """Whether a fault is a change in the shop's repository."""
    return isinstance(fault, BadConfig | BadPrompt)


def choose(topology: Topology, seed: int, kinds: Sequence[str] = tuple(KINDS)) -> tuple[Mischief, ...]:
    """One fault of each kind that can show in this shop, in random order; the same seed, the same faults.

    The order and the choice of one kind do not depend on which other kinds are wanted.
    """
    chosen = []
    for kind in KINDS:
        dice = random.Random(f"{seed}/{topology.name}/{kind}")
        candidates = list(KINDS[kind](topology, dice))
        if candidates:
            chosen.append(dice.choice(candidates))
    random.Random(f"{seed}/{topology.name}").shuffle(chosen)
    return tuple(fault for fault in chosen if kind_of(fault) in kinds)


def _held(topology: Topology) -> dict[str, float]:
    """Mean seconds that a service holds a request, over its operations as often as they are asked."""
    held, rate = held_seconds(topology), arrivals(topology)
    busy = dict.fromkeys(topology.names, 0.0)
    for route, per_second in rate.items():
        busy[route[0]] += per_second * held[route]
    return {name: busy[name] / total if total else 0.0 for name, total in rates(topology).items()}


def _often_called(topology: Topology, caller: str) -> Iterator[str]:
    """Whom a service calls in at least a third of its requests."""
    rate, all_rates = arrivals(topology), rates(topology)
    for callee in callees(topology, caller):
        calls = math.fsum(
            rate.get((caller, op.name), 0.0) * call.share
            for op in topology.service(caller).operations
            for call in op.calls
            if call.to == callee
        )
        if calls >= all_rates[caller] / 3:
            yield callee
