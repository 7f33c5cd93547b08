"""A system while it runs: services, their instances, and what each instance has counted so far.

Everything that a fault may change is here and is plain state: the design in force, who is up, who hogs.
"""

import random
from dataclasses import dataclass, field

from simpy import Environment

from benchmarks.simulation.conventions import Conventions, Shown
from benchmarks.simulation.design import Design, Role, Service
from benchmarks.simulation.network import Network
from benchmarks.simulation.pool import Pool
from benchmarks.simulation.processor import Host, Process
from benchmarks.simulation.recorder import Place, Recorder

_ENDLESS = 1_000_000


@dataclass
class Counted:
    """What one instance saw since metrics were last read: seconds of answers, errors, seconds of calls."""

    seconds: list[float] = field(default_factory=list)
    errors: int = 0
    calls: dict[str, list[float]] = field(default_factory=dict)


@dataclass
class Instance:
    """One process of a service. ``up`` says whether it answers; ``deaf`` ones accept and never answer."""

    service: "Running"
    host: Host
    process: Process
    pool: Pool
    place: Place
    up: bool = True
    deaf: bool = False
    life: int = 0
    leaked: float = 0.0
    leaks: float = 0.0
    connections: dict[str, Pool] = field(default_factory=dict)
    counted: Counted = field(default_factory=Counted)

    @property
    def name(self) -> str:
        """The service's name."""
        return self.place.service

    def connection(self, to: str) -> Pool | None:
        """The pool of connections to another service; None where there is no limit."""
        size = self.service.design.connections.get(to)
        if size is None and to not in self.connections:
            return None
        pool = self.connections.get(to)
        if pool is None:
            pool = self.connections[to] = Pool(self.pool.env, size)
        return pool

    def stop(self) -> None:
        """The process is gone, with all that it was doing."""
        self.up, self.life = False, self.life + 1
        self.host.stop(self.process)
        self.pool.empty()
        for pool in self.connections.values():
            pool.empty()

    def start(self) -> None:
        """The process is there again, empty."""
        self.up, self.leaked = True, 0.0


@dataclass
class Running:
    """A service at work; ``design`` is the configuration and the code in force."""

    design: Service
    instances: list[Instance] = field(default_factory=list)
    topic: Pool | None = None
    next: int = 0
    canary: tuple[Service, int] | None = None

    def pick(self) -> Instance:
        """The instance whose turn it is."""
        self.next = (self.next + 1) % len(self.instances)
        return self.instances[self.next]

    def designed(self, instance: Instance) -> Service:
        """The design in force on one instance: a canary may run another."""
        if self.canary is not None and self.instances.index(instance) < self.canary[1]:
            return self.canary[0]
        return self.design


class System:
    """All of it: services, hosts, the network, and who writes things down."""

    def __init__(
        self, design: Design, conventions: Conventions, recorder: Recorder, dice: random.Random
    ) -> None:
        self.env = Environment()
        self.design = design
        self.conventions = conventions
        self.recorder = recorder
        self.dice = dice
        self.network = Network(dice, design.delay)
        self.hosts = [Host(self.env, cores) for cores in design.cores]
        self.services = {name: self._start(service) for name, service in design.services.items()}
        self.surges: dict[str, float] = {}

    def _start(self, design: Service) -> Running:
        topic = Pool(self.env, design.queue) if design.role is Role.WORKER else None
        running = Running(design, topic=topic)
        queue = design.queue if topic is None else _ENDLESS
        for number, at in enumerate(design.hosts):
            skews = self.conventions.skews
            name = (
                f"{design.name}-{self.dice.getrandbits(32):08x}-{number}"
                if self.conventions.instances
                else None
            )
            host = self.hosts[at]
            running.instances.append(
                Instance(
                    service=running,
                    host=host,
                    process=host.join(design.quota),
                    pool=Pool(self.env, design.workers, queue),
                    place=Place(design.name, name, skews[at] if at < len(skews) else 0.0),
                )
            )
        return running

    def shows(self, instance: Instance, kind: str) -> bool:
        """Whether such a span of this instance is recorded."""
        if not instance.service.design.spans:
            return False
        shown = self.conventions.shown
        if kind == "internal":
            return shown is Shown.INNER
        return kind not in ("client", "producer") or shown is not Shown.SERVER

    def redesign(self, service: Service) -> None:
        """Put another design of a service in force, as a reload would."""
        running = self.services[service.name]
        running.design = service
        for instance in running.instances:
            instance.pool.queue = service.queue if running.topic is None else _ENDLESS
            instance.process.quota = service.quota
            instance.pool.resize(service.workers)
            for to, pool in instance.connections.items():
                pool.resize(service.connections.get(to))
