"""The ways in which a shop can be broken from outside.

A fault is one YAML file (``fault.schema.json``): a kind, the service that is truly to blame, and its
parameters. *Commits* (``bad_config``, ``bad_prompt``) change a file in the shop's configuration repository
and put it into effect; they stay until the commit is reverted and the service reloaded. All others live in
the service's process and die with it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from demo.documents import Problem, Written, read_document
from demo.topology import Milliseconds, Name, Topology

SHIPPED = Path(__file__).parent / "faults"
Share = Annotated[float, Field(gt=0, le=1)]


class PoolSize(Written):
    """Too few workers; leave the queue and the reset time as they are unless given."""

    setting: Literal["pool_size"]
    size: Annotated[int, Field(ge=1)] = 1
    queue: Annotated[int, Field(ge=0)] | None = None
    recycle_ms: Annotated[float, Field(ge=0, le=10_000)] | None = None


class Timeout(Written):
    """No time to answer for those it calls (all of them, or one)."""

    setting: Literal["timeout"]
    upstream: Name | None = None
    timeout_ms: Milliseconds = 5


class WrongUpstream(Written):
    """Calls to ``upstream`` go to ``address`` instead: nobody of that name, or another service."""

    setting: Literal["wrong_upstream"]
    upstream: Name
    address: Name | None = None

    @property
    def goes_to(self) -> str:
        return self.address or f"{self.upstream}-old"


class BadConfig(Written):
    """A commit that changes a setting of the service for the worse."""

    kind: Literal["bad_config"]
    service: Name
    change: Annotated[PoolSize | Timeout | WrongUpstream, Field(discriminator="setting")]
    message: str = "Adjust settings of {service}"


class BadPrompt(Written):
    """A commit that words an agent's instructions so that the model forgets the answer's schema."""

    kind: Literal["bad_prompt"]
    service: Name
    instructions: str = (
        "You are a warm, talkative companion. Answer in flowing prose, at length, with anecdotes."
    )
    message: str = "Give {service} a friendlier voice"


class Latency(Written):
    """The service's own work takes longer."""

    kind: Literal["latency"]
    service: Name
    extra_ms: Milliseconds = 400
    share: Share = 1.0


class Errors(Written):
    """The service's own work fails, as an exception of type ``error``."""

    kind: Literal["errors"]
    service: Name
    share: Share = 0.6
    error: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.]*$")] = "StorageUnavailable"
    message: str = "the storage engine did not answer"


class CpuHog(Written):
    """The service's process burns this share of one core in bursts, and gets nothing else done meanwhile."""

    kind: Literal["cpu_hog"]
    service: Name
    share: Annotated[float, Field(gt=0, le=0.95)] = 0.85
    burst_ms: Annotated[float, Field(ge=1, le=1000)] = 120


class MemoryLeak(Written):
    """The process grows; the nearer it is to its limit, the longer it stops to look for memory."""

    kind: Literal["memory_leak"]
    service: Name
    mb_per_second: Annotated[float, Field(gt=0, le=100)] = 12
    pause_ms: Annotated[float, Field(ge=0, le=5000)] = 800


class Dead(Written):
    """The process is killed and is not started again by itself."""

    kind: Literal["dead"]
    service: Name


class SlowPeer(Written):
    """``service`` becomes so slow that the pool of ``caller``, which waits for it, runs dry."""

    kind: Literal["slow_peer_exhausts_pool"]
    service: Name
    caller: Name
    delay_ms: Milliseconds = 2500


Commit = BadConfig | BadPrompt
Ailment = Latency | Errors | CpuHog | MemoryLeak | SlowPeer
Fault = Annotated[Commit | Ailment | Dead, Field(discriminator="kind")]

FAULT: TypeAdapter[Commit | Ailment | Dead] = TypeAdapter(Fault)
AILMENT: TypeAdapter[Ailment] = TypeAdapter(Annotated[Ailment, Field(discriminator="kind")])


def read_fault(path: Path) -> Commit | Ailment | Dead:
    """Read a fault file; raises ``BadDocument`` with file, line and reason of every problem."""
    return read_document(path, FAULT)


def shipped_faults() -> dict[str, Path]:
    """The faults that come with Aitia, by name."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.yaml"))}


def check_fault(fault: Commit | Ailment | Dead, topology: Topology) -> Iterator[Problem]:
    """What of a fault does not fit a shop."""
    if fault.service not in topology.names:
        known = ", ".join(topology.names)
        yield Problem(
            ("service",), f"the shop '{topology.name}' has no service '{fault.service}' (it has {known})"
        )
    elif isinstance(fault, BadPrompt) and topology.service(fault.service).kind != "agent":
        yield Problem(("service",), f"'{fault.service}' is not an agent: it has no prompt")
    elif isinstance(fault, SlowPeer) and fault.service not in _called_by(topology, fault.caller):
        yield Problem(("caller",), f"'{fault.caller}' does not call '{fault.service}'")
    elif isinstance(fault, BadConfig):
        yield from _check_change(fault, topology)


def _check_change(fault: BadConfig, topology: Topology) -> Iterator[Problem]:
    called = _called_by(topology, fault.service)
    upstream = None if isinstance(fault.change, PoolSize) else fault.change.upstream
    if upstream is not None and upstream not in called:
        yield Problem(("change", "upstream"), f"'{fault.service}' does not call '{upstream}'")
    elif isinstance(fault.change, Timeout) and not called:
        yield Problem(("change",), f"'{fault.service}' calls nobody: it has no timeout to change")


def _called_by(topology: Topology, name: str) -> frozenset[str]:
    if name not in topology.names:
        return frozenset()
    return frozenset(call.to for op in topology.service(name).operations for call in op.calls)
