"""What goes on in a system by itself: customers come, load drifts, jobs run by the clock, collectors pause.

Customers are a Poisson stream whose rate drifts like a day does, only faster, or so many people who ask
again when they have been answered: slow systems see fewer requests of the latter (Schroeder, Wierman,
Harchol-Balter, "Open versus closed", NSDI 2006).
"""

import math
from collections.abc import Generator
from typing import Any

from simpy import Event

from benchmarks.simulation.chance import happens
from benchmarks.simulation.design import Arrivals
from benchmarks.simulation.live import Instance, System
from benchmarks.simulation.running import customer

_STEP = 2.0
_PERIODS = (120.0, 600.0)
_CROWDED = 0.7
_COLLECTS_EVERY = 1.0
_RESTART = 8.0

Life = Generator[Event, Any, None]


def live(system: System) -> None:
    """Let customers come and background work begin."""
    period, phase = system.dice.uniform(*_PERIODS), system.dice.uniform(0.0, 2.0 * math.pi)
    for arrivals in system.design.arrivals:
        if arrivals.people:
            crowd(system, arrivals, arrivals.people)
        else:
            system.env.process(_stream(system, arrivals, (period, phase)))
    if happens(system.dice, 0.3):
        system.env.process(_job(system))
    if happens(system.dice, 0.5):
        system.env.process(_heartbeats(system))


def crowd(system: System, arrivals: Arrivals, people: int) -> None:
    """So many more people who ask, think, and ask again."""
    thinking = arrivals.people / arrivals.rate
    for _ in range(people):
        system.env.process(_person(system, arrivals, thinking))


def _stream(system: System, arrivals: Arrivals, wave: tuple[float, float]) -> Life:
    period, phase = wave
    while True:
        pace = 1.0 + system.design.drift * math.sin(2.0 * math.pi * system.env.now / period + phase)
        rate = arrivals.rate * pace * system.surges.get(arrivals.service, 1.0)
        wait = system.dice.expovariate(rate)
        yield system.env.timeout(min(wait, _STEP))
        if wait <= _STEP:
            system.env.process(customer(system, arrivals.service, arrivals.operation))


def _person(system: System, arrivals: Arrivals, thinking: float) -> Life:
    while True:
        yield system.env.timeout(system.dice.expovariate(1.0 / thinking))
        yield system.env.process(customer(system, arrivals.service, arrivals.operation))


def _job(system: System) -> Life:
    """Something that runs on one host now and then, and has to do with nothing."""
    host = system.dice.choice(system.hosts)
    process = host.join(1.0)
    every = system.dice.uniform(30.0, 90.0)
    while True:
        yield system.env.timeout(every)
        yield host.burst(process, system.dice.uniform(0.5, 3.0))


def _heartbeats(system: System) -> Life:
    """Lines that are written whatever happens."""
    every = system.dice.uniform(10.0, 40.0)
    while True:
        yield system.env.timeout(every)
        for service in system.services.values():
            for instance in service.instances if service.design.logs else ():
                if instance.up:
                    body = f"heartbeat: {system.dice.randint(1, 40)} tasks in table"
                    system.recorder.log(instance.place, system.env.now, ("info", body))


def collect_garbage(system: System, instance: Instance) -> Life:
    """Stop the world the longer, the fuller memory is; a process out of memory is killed and restarted."""
    while True:
        yield system.env.timeout(_COLLECTS_EVERY)
        design = instance.service.design
        full = (design.memory + instance.leaked) / design.memory_limit
        if full >= 1.0:
            yield from _killed(system, instance)
        elif full > _CROWDED and instance.up:
            yield from _paused(system, instance, (full - _CROWDED) / (1.0 - _CROWDED))


def _paused(system: System, instance: Instance, strain: float) -> Life:
    seconds = system.dice.uniform(0.2, 0.6) + 1.5 * strain
    instance.host.change(instance.process, 1.0, paused=True)
    yield system.env.timeout(seconds)
    if instance.up:
        instance.host.change(instance.process, 0.0, paused=False)
    if instance.service.design.logs:
        body = f"gc: paused {round(1000 * seconds)} ms, heap is {round(70 + 30 * strain)} percent full"
        system.recorder.log(instance.place, system.env.now, ("warn", body))


def _killed(system: System, instance: Instance) -> Life:
    instance.stop()
    yield system.env.timeout(_RESTART)
    instance.start()
    if instance.service.design.logs:
        system.recorder.log(instance.place, system.env.now, ("info", "started: ready to serve"))
