"""What a simulated system is: services, their operations, and whom these call.

Values only. A change of configuration or of code is a new value in the place of an old one, made while the
system runs, so that a fault of that kind does nothing that the changed setting would not do by itself.
Times are seconds, rates are per second, shares lie between 0 and 1.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self


class Role(StrEnum):
    """What a service is to the others; nothing in its telemetry says so."""

    DOOR = "door"
    BALANCER = "balancer"
    ORDINARY = "ordinary"
    STORE = "store"
    CACHE = "cache"
    EXTERNAL = "external"
    WORKER = "worker"
    AGENT = "agent"
    MODEL = "model"
    TOOL = "tool"


class Way(StrEnum):
    """How a call travels: answered at once, through a queue, or through a queue with an answer awaited."""

    DIRECT = "direct"
    QUEUE = "queue"
    QUEUE_REPLY = "queue_reply"


@dataclass(frozen=True)
class Work:
    """Time that a request needs: on a processor and waiting; ``spread`` is the sigma of its log."""

    cpu: float = 0.0
    wait: float = 0.0
    spread: float = 0.5


@dataclass(frozen=True)
class Call:
    """One operation asks another service.

    ``chance`` is how often a request comes to it and ``times`` how often it is then made, one after the other
    unless ``together``. Without ``timeout`` the caller waits for ever. A call that is not ``needed`` may fail
    without failing its caller. ``address`` is where the caller looks for the callee.
    """

    to: str
    operation: str
    chance: float = 1.0
    times: int = 1
    together: bool = False
    timeout: float | None = None
    retries: int = 0
    backoff: float = 0.05
    needed: bool = True
    way: Way = Way.DIRECT
    address: str = ""
    cached_by: str = ""


@dataclass(frozen=True)
class Agent:
    """How an agent works: turns of a model and tools until it is done, then a judgement of its answer."""

    model: Call
    tools: tuple[Call, ...]
    turns: float = 2.5
    tokens: float = 120.0
    invalid: float = 0.03
    good: float = 0.95
    model_name: str = "base-1"
    prompt: str = "v1"


@dataclass(frozen=True)
class Operation:
    """One thing a service can be asked for: work, calls, work. ``lines`` are the log lines on the way."""

    name: str
    before: Work
    after: Work = Work()
    calls: tuple[Call, ...] = ()
    failure: float = 0.0
    error: str = "ValueError"
    lines: tuple[str, ...] = ()
    agent: Agent | None = None


@dataclass(frozen=True)
class Service:
    """A service. ``workers`` are an instance's (None: any number); ``queue`` is how many may wait for one.

    ``quota`` is how many cores one instance may use; ``connections`` is how many calls to another service an
    instance can have open at once. ``hits`` is how often a cache knows the answer.
    """

    name: str
    role: Role
    operations: tuple[Operation, ...]
    hosts: tuple[int, ...] = (0,)
    workers: int | None = None
    queue: int = 100
    quota: float = 1.0
    connections: dict[str, int] = field(default_factory=dict)
    hits: float = 0.9
    memory: float = 200e6
    memory_limit: float = 600e6
    version: str = "v1"
    spans: bool = True
    metrics: bool = True
    logs: bool = True

    def operation(self, name: str) -> Operation | None:
        """The operation of that name, if it has one."""
        return next((each for each in self.operations if each.name == name), None)

    def with_operations(self, *operations: Operation) -> Self:
        """The same service with other operations."""
        return replace(self, operations=operations)


@dataclass(frozen=True)
class Arrivals:
    """Customers at one door; ``people`` is how many they are; if 0, they are a stream without end."""

    service: str
    operation: str
    rate: float
    people: int = 0


@dataclass(frozen=True)
class Design:
    """A system: services by name, cores of each host, delay of the network, customers, how load drifts."""

    name: str
    services: dict[str, Service]
    cores: tuple[float, ...]
    delay: float
    arrivals: tuple[Arrivals, ...]
    drift: float = 0.1
    patience: float = 30.0

    @property
    def rate(self) -> float:
        """Customers per second."""
        return sum(each.rate for each in self.arrivals)
