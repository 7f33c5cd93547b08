"""One request as a service sees it, and what an ordinary service does with it: work, then calls."""

import asyncio
import itertools
import math
import random
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.trace import Tracer

from demo.ailments import Ailments
from demo.calls import Caller, Order, Reply, Shape
from demo.configuration import Prompt, ServiceSettings
from demo.failures import telling_span
from demo.topology import Call, Operation, ServiceDesign, Work


@dataclass(frozen=True)
class Visit:
    """A request, with all that is needed to serve it under the configuration of the moment it came in."""

    service: ServiceDesign
    operation: Operation
    settings: ServiceSettings
    prompt: Prompt | None
    tracer: Tracer
    caller: Caller
    ailments: Ailments
    dice: random.Random
    body: Reply

    async def work(self, scale: float = 1.0) -> None:
        """The service's own work, as a span; raises ``RequestFailed`` if something ails the process."""
        with telling_span(self.tracer, f"{self.operation.name} work"):
            await self.ailments.trouble(self.operation.name)
            await asyncio.sleep(seconds(self.operation.work, self.dice) * scale)

    async def call(self, call: Call, body: Reply | None = None, shape: Shape | None = None) -> Reply:
        """Make one call with the settings it has at the moment."""
        settings = self.settings.calls[self.operation.name][f"{call.to}/{call.operation}"]
        order = Order(call, settings, body or {}, shape or Shape(f"POST /{call.operation}"))
        return await self.caller.call(self.tracer, order)

    def wanted(self, calls: Sequence[Call]) -> list[Call]:
        """The calls that this very request makes, each as often as it makes it."""
        return [call for call in calls if self.dice.random() < call.share for _ in range(call.fan_out)]


async def serve(visit: Visit) -> Reply:
    """What an ordinary service or tool does: its work, then its calls; parallel neighbours together."""
    await visit.work()
    for together, calls in itertools.groupby(visit.wanted(visit.operation.calls), lambda call: call.parallel):
        if together:
            await _all_of([visit.call(call) for call in calls])
        else:
            for call in calls:
                await visit.call(call)
    return {"service": visit.service.name, "did": visit.operation.name}


async def _all_of(calls: Sequence[Coroutine[Any, Any, Reply]]) -> None:
    """Wait for every call, also when one failed already: nobody hangs up on the other callees."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer


def seconds(work: Work, dice: random.Random) -> float:
    """Draw a time of work: log-normal with the mean and spread given."""
    if work.mean_ms == 0:
        return 0.0
    return dice.lognormvariate(math.log(work.mean_ms / 1000) - work.spread**2 / 2, work.spread)
