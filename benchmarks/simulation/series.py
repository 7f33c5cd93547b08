"""Metrics: read off a running system at each interval, named and counted as its conventions have it.

A reader of real monitoring knows only such samples: use of processor and memory by instance, pools, and,
where there is a mesh or a library for it, rates and times by service and by edge.
"""

from collections.abc import Generator
from typing import Any

import numpy as np
from simpy import Event

from benchmarks.simulation.conventions import Gauges
from benchmarks.simulation.live import Counted, Instance, System

Row = tuple[int, str, str | None, str, float]
_NOISE = 0.01
_MEBI = 2.0**20


def read_regularly(system: System, rows: list[Row]) -> Generator[Event, Any, None]:
    """Read all metrics at every interval, into ``rows``."""
    interval = system.conventions.interval
    if not system.conventions.metrics:
        return
    while True:
        before = {id(each): _use(each) for service in system.services.values() for each in service.instances}
        nodes = [host.used for host in system.hosts]
        yield system.env.timeout(interval)
        at = round(system.recorder.epoch + system.env.now)
        for host in system.hosts:
            host.settle()
        for service in system.services.values():
            for instance in service.instances if service.design.metrics else ():
                if instance.up:
                    rows += _of_instance(system, instance, before[id(instance)], at)
        if system.conventions.hosts:
            rows += _of_hosts(system, nodes, at)


def _use(instance: Instance) -> tuple[float, float]:
    instance.host.settle()
    return instance.process.used, instance.pool.settle()[0]


def _of_instance(system: System, instance: Instance, before: tuple[float, float], at: int) -> list[Row]:
    conventions = system.conventions
    used, held = (now - then for now, then in zip(_use(instance), before, strict=True))
    values = _resources(system, instance, used / conventions.interval)
    design = instance.service.design
    if design.workers is not None:
        values |= _pool(system, instance, held / conventions.interval)
    counted, instance.counted = instance.counted, Counted()
    if conventions.rates:
        values |= _rates(conventions.gauges, counted, conventions.interval)
    if conventions.edges:
        values |= _edges(conventions.gauges, counted)
    return [(at, instance.name, instance.place.instance, name, value) for name, value in values.items()]


def _resources(system: System, instance: Instance, cores: float) -> dict[str, float]:
    design, dice = instance.service.design, system.dice
    cores = max(cores + dice.gauss(0.0, _NOISE * 0.3), 0.0) + 0.002
    memory = (design.memory + instance.leaked) * dice.lognormvariate(0.0, _NOISE)
    if system.conventions.gauges is Gauges.PERCENT:
        return {
            "CpuUsageRate(%)": 100.0 * cores / design.quota,
            "MemoryUsage(Mi)": memory / _MEBI,
            "MemoryUsageRate(%)": 100.0 * memory / design.memory_limit,
        }
    if system.conventions.gauges is Gauges.CONTAINER:
        return {"container_cpu_usage_cores": cores, "container_memory_working_set_bytes": memory}
    return {
        "process.cpu.utilization": cores,
        "process.memory.usage": memory,
        "process.memory.limit": design.memory_limit,
    }


def _pool(system: System, instance: Instance, busy: float) -> dict[str, float]:
    pool = instance.pool
    stem = {Gauges.OTEL: "pool.", Gauges.PERCENT: "ThreadPool", Gauges.CONTAINER: "http_threads_"}
    if system.conventions.gauges is Gauges.PERCENT:
        return {"ThreadsBusy": busy, "ThreadsMax": float(pool.size or 0)}
    start = stem[system.conventions.gauges]
    return {
        f"{start}in_use": busy,
        f"{start}limit": float(pool.size or 0),
        f"{start}pending": float(pool.waiting),
    }


def _rates(gauges: Gauges, counted: Counted, interval: int) -> dict[str, float]:
    number = len(counted.seconds)
    values = (
        {"Workload(Ops)": number / interval}
        if gauges is Gauges.PERCENT
        else {"requests_total_rate": number / interval}
    )
    if number:
        good = 1.0 - counted.errors / number
        p50, p90, p99 = np.quantile(counted.seconds, (0.5, 0.9, 0.99)).tolist()
        if gauges is Gauges.PERCENT:
            return values | {
                "SuccessRate(%)": 100.0 * good,
                "LatencyP50(ms)": 1e3 * p50,
                "LatencyP90(ms)": 1e3 * p90,
            }
        values |= {"error_rate": 1.0 - good, "latency_p50": p50, "latency_p90": p90, "latency_p99": p99}
    return values


def _edges(gauges: Gauges, counted: Counted) -> dict[str, float]:
    percent = gauges is Gauges.PERCENT
    stem = "EdgeSourceLatencyP50(s):" if percent else "client_latency_p50:"
    return {f"{stem}{to}": float(np.median(seconds)) for to, seconds in sorted(counted.calls.items())}


def _of_hosts(system: System, before: list[float], at: int) -> list[Row]:
    """A host's use, as its tenants' monitoring shows it: the same number for all of them."""
    rows: list[Row] = []
    for number, host in enumerate(system.hosts):
        used = (host.used - before[number]) / system.conventions.interval / host.cores
        percent = system.conventions.gauges is Gauges.PERCENT
        name, value = ("NodeCpuUsageRate(%)", 100.0 * used) if percent else ("host.cpu.utilization", used)
        if not percent:
            rows.append((at, f"node-{number}", None, name, value))
            continue
        tenants = [
            each for service in system.services.values() for each in service.instances if each.host is host
        ]
        rows += [
            (at, each.name, each.place.instance, name, value)
            for each in tenants
            if each.service.design.metrics
        ]
    return rows
