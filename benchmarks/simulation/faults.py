"""What can go wrong: each kind makes a plan from a system's design, or says that it cannot here.

A plan is drawn so that it can be felt at a door, by what the design forecasts, and then only changes what
such a fault would change: a setting, the code in force, a process, a link. What follows, follows.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from benchmarks.simulation.design import Call, Design, Operation, Role, Service, Way
from benchmarks.simulation.forecast import Forecast, forecast
from benchmarks.simulation.live import System

Act = Callable[[System], None]
_REACH = 0.25
_VISITS = 0.12  # requests a second, below which an incident holds too few of them


@dataclass(frozen=True)
class Cause:
    """Something that is truly to blame; ``role`` is its part in the fault, ``pod`` numbers an instance."""

    service: str
    role: str = "cause"
    pod: int | None = None


@dataclass(frozen=True)
class Plan:
    """What will happen: ``act`` does it.

    ``change`` is kind and title of what somebody changed, if anybody did. ``callers`` are the cause's: a
    single one cannot be told apart from it, and neither can all of a cause that nothing recorded names.
    What is not ``felt`` raises no alarm.
    """

    kind: str
    causes: tuple[Cause, ...]
    act: Act
    change: tuple[str, str] | None = None
    version: str = ""
    felt: bool = True
    callers: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scene:
    """A system before anything is wrong, and the dice."""

    design: Design
    dice: random.Random

    @cached_property
    def forecast(self) -> Forecast:
        """The load of every operation."""
        return forecast(self.design)

    @cached_property
    def waited_for(self) -> Forecast:
        """The load that customers wait for: what goes into a queue and is forgotten is left out."""
        services = {name: _waited_for(service) for name, service in self.design.services.items()}
        return forecast(replace(self.design, services=services))

    @cached_property
    def usual(self) -> float:
        """Seconds a customer usually waits."""
        held, rates = self.forecast.held, self.design.arrivals
        return sum(held[each.service, each.operation] * each.rate for each in rates) / self.design.rate

    def reach(self, service: Service) -> float:
        """How many of its requests one customer's request makes, of those that are waited for."""
        return self.waited_for.rate(service) / self.design.rate

    def felt(self, *roles: Role) -> list[Service]:
        """The services of some roles (any, if none are named) that customers would miss."""
        return [
            each
            for each in self.design.services.values()
            if (not roles or each.role in roles)
            and self.reach(each) >= _REACH
            and self.waited_for.rate(each) >= _VISITS
        ]

    def seen(self) -> list[Service]:
        """Those of the felt ones that show anything of themselves."""
        return [each for each in self.felt() if each.spans]

    def delay(self, service: Service) -> float:
        """Seconds more per request of a service that a customer would notice."""
        return max(self.dice.uniform(0.7, 4.0) * self.usual / min(self.reach(service), 3.0), 0.02)

    def calls(self) -> list[tuple[Service, Operation, Call]]:
        """The direct calls that customers would miss."""
        rates, whole = self.waited_for.rates, self.design.rate
        return [
            (service, operation, call)
            for service in self.felt()
            for operation in service.operations
            for call in operation.calls
            if call.way is Way.DIRECT
            and not call.cached_by
            and rates.get((service.name, operation.name), 0.0) * call.chance >= _REACH * whole
        ]

    def callers(self, name: str) -> tuple[str, ...]:
        """Who among the felt ones calls a service."""
        return tuple(
            each.name
            for each in self.felt()
            if any(name in (call.to, call.cached_by) for op in each.operations for call in op.calls)
        )

    def pick(self, candidates: Sequence[Any]) -> Any:
        """One of the candidates; None if there is none."""
        return self.dice.choice(candidates) if candidates else None


def _waited_for(service: Service) -> Service:
    operations = []
    for operation in service.operations:
        calls = tuple(call for call in operation.calls if call.way is not Way.QUEUE)
        operations.append(replace(operation, calls=calls))
    return service.with_operations(*operations)


def changed(service: Service, change: Callable[[Operation], Operation], **fields: Any) -> Act:
    """Put a service in force that differs in its operations and in some fields."""

    def act(system: System) -> None:
        now = system.services[service.name].design
        operations = tuple(change(operation) for operation in now.operations)
        system.redesign(replace(now, operations=operations, **fields))

    return act


def same(operation: Operation) -> Operation:
    """The operation as it is."""
    return operation


def slower(seconds: float, *, computing: bool) -> Callable[[Operation], Operation]:
    """Operations that take longer, on the processor or waiting."""

    def change(operation: Operation) -> Operation:
        work = operation.before
        longer = {"cpu": work.cpu + seconds} if computing else {"wait": work.wait + seconds}
        return replace(operation, before=replace(work, **longer))

    return change


def failing(share: float, error: str) -> Callable[[Operation], Operation]:
    """Operations of which a share fails by itself."""
    return lambda operation: replace(operation, failure=max(share, operation.failure), error=error)


def calling(old: Call, new: Call) -> Callable[[Operation], Operation]:
    """Operations that make one call in another way."""

    def change(operation: Operation) -> Operation:
        calls = tuple(new if call == old else call for call in operation.calls)
        return replace(operation, calls=calls)

    return change


def version(dice: random.Random) -> str:
    """A new version."""
    return f"{dice.getrandbits(40):010x}"
