"""The customers: ``python -m demo.load HOME SHOP PARENT``.

Open loop: people come at random times (Poisson, from the topology's seed) whether or not those before them
were served, so a slow shop gets fuller and not quieter. The customers carry no instrumentation: traces begin
at the shop's door. How they fare is written to ``load.json`` every other second.
"""

import asyncio
import os
import random
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from demo.calls import open_http
from demo.documents import Written
from demo.places import ShopFolder, write_json, write_text
from demo.plan import read_plan, read_shop
from demo.processes import die_with
from demo.telemetry import quiet_exporters
from demo.topology import Entry

_PATIENCE = 10.0
_WINDOW = 10.0
_REPORT_SECONDS = 0.5
_CROWD = 500  # more customers than this inside at once go away again
_ERROR = 400


class Fare(Written):
    """How the customers of one entry fared in the last ten seconds; times in milliseconds."""

    service: str
    operation: str
    requests: int
    failed: int
    p50_ms: float | None = None
    p95_ms: float | None = None


@dataclass
class Queue:
    """The customers of one entry."""

    entry: Entry
    url: str
    dice: random.Random
    inside: set[asyncio.Task[None]] = field(default_factory=set)
    visits: deque[tuple[float, float, bool]] = field(default_factory=deque)  # when it ended, seconds, served

    async def keep_coming(self, http: httpx.AsyncClient) -> None:
        """Send customers for ever; each arrival counts from the one before, so that none drift away."""
        due = time.monotonic()
        while True:
            due += self.dice.expovariate(self.entry.per_second)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if len(self.inside) < _CROWD:
                task = asyncio.create_task(self._visit(http))
                self.inside.add(task)
                task.add_done_callback(self.inside.discard)

    async def _visit(self, http: httpx.AsyncClient) -> None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(_PATIENCE):
                served = (await http.post(self.url, json={})).status_code < _ERROR
        except (TimeoutError, httpx.TransportError):
            served = False
        ended = time.monotonic()
        self.visits.append((ended, ended - began, served))

    def fare(self) -> Fare:
        """The last ten seconds."""
        since = time.monotonic() - _WINDOW
        while self.visits and self.visits[0][0] < since:
            self.visits.popleft()
        times = sorted(seconds * 1000 for _, seconds, _ in self.visits)
        return Fare(
            service=self.entry.service,
            operation=self.entry.operation,
            requests=len(times),
            failed=sum(not served for _, _, served in self.visits),
            p50_ms=round(times[len(times) // 2], 1) if times else None,
            p95_ms=round(times[int(len(times) * 0.95)], 1) if times else None,
        )


async def run(folder: ShopFolder) -> None:
    """Send customers until killed."""
    topology, ports = read_shop(folder), read_plan(folder).ports
    queues = [
        Queue(
            entry,
            f"http://127.0.0.1:{ports[entry.service]}/{entry.operation}",
            random.Random(f"{topology.load.seed}/{entry.service}/{entry.operation}"),
        )
        for entry in topology.load.entries
    ]
    async with open_http() as http, asyncio.TaskGroup() as group:
        for queue in queues:
            group.create_task(queue.keep_coming(http))
        group.create_task(_report(folder, queues))


async def _report(folder: ShopFolder, queues: list[Queue]) -> None:
    while True:
        await asyncio.sleep(_REPORT_SECONDS)
        write_json(folder.load, [queue.fare().model_dump() for queue in queues])


def main() -> None:
    """Start as the shopkeeper starts it."""
    home, shop, parent = sys.argv[1:]
    die_with(int(parent))
    quiet_exporters()
    folder = ShopFolder(Path(home), shop)
    write_text(folder.pid("load"), f"{os.getpid()}\n")
    asyncio.run(run(folder))


if __name__ == "__main__":
    main()
