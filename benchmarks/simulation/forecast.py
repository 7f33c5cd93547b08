"""What a design will have to bear, before it runs: visits, times, workers, cores.

Visits go down the graph of calls, times come up it; workers needed are arrivals times the time that each is
held (Little's law). Calls always go to services drawn later, so one pass each way is enough.
"""

from collections import defaultdict
from dataclasses import dataclass

from benchmarks.simulation.design import Call, Design, Operation, Service

Asked = tuple[str, str]


@dataclass(frozen=True)
class Forecast:
    """Of each (service, operation): calls per second, and seconds that one is held."""

    rates: dict[Asked, float]
    held: dict[Asked, float]

    def rate(self, service: Service) -> float:
        """Calls per second of a service."""
        return sum(self.rates.get((service.name, each.name), 0.0) for each in service.operations)

    def demand(self, service: Service) -> float:
        """Workers that it needs on average, all instances together."""
        asked = [(service.name, each.name) for each in service.operations]
        return sum(self.rates.get(each, 0.0) * self.held.get(each, 0.0) for each in asked)

    def mean_held(self, service: Service) -> float:
        """Seconds that a usual request is held."""
        rate = self.rate(service)
        return self.demand(service) / rate if rate else 0.0


def forecast(design: Design) -> Forecast:
    """Forecast the load of every operation."""
    order = list(design.services)
    rates: dict[Asked, float] = defaultdict(float)
    for each in design.arrivals:
        rates[each.service, each.operation] += each.rate
    for service in map(design.services.__getitem__, order):
        for operation in service.operations:
            rate = rates[service.name, operation.name]
            for call, share in calls_of(design, operation):
                rates[call.to, call.operation] += rate * share
    held: dict[Asked, float] = {}
    for service in map(design.services.__getitem__, reversed(order)):
        for operation in service.operations:
            held[service.name, operation.name] = _held(design, operation, held)
    return Forecast(dict(rates), held)


def calls_of(design: Design, operation: Operation) -> list[tuple[Call, float]]:
    """The calls of an operation, and how many of each a request makes on average."""
    made = []
    for call in operation.calls:
        share = call.chance * call.times
        if call.cached_by:
            hits = design.services[call.cached_by].hits
            own = operation in design.services[call.cached_by].operations
            if not own:
                made.append((Call(to=call.cached_by, operation="entries"), share))
            share *= 1.0 - hits
        made.append((call, share))
    agent = operation.agent
    if agent is not None:
        turns = agent.turns * (1.0 + agent.invalid)
        made.append((agent.model, turns))
        made += [(tool, (turns - 1.0) / len(agent.tools)) for tool in agent.tools]
    return made


def _held(design: Design, operation: Operation, held: dict[Asked, float]) -> float:
    own = sum(work.cpu + work.wait for work in (operation.before, operation.after))
    waits = (
        share * (held.get((call.to, call.operation), 0.0) + 2.0 * design.delay)
        for call, share in calls_of(design, operation)
        if call.way != "queue"
    )
    return own + sum(waits)
