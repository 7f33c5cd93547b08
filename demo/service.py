"""One service of the shop, whatever carries its requests (``service_process`` does).

A request gets a SERVER span, waits for a worker of the pool (a span of its own, so that waiting is this
service's time and nobody else's), and is then served by what the service is: an ordinary one, an agent, or a
model. Configuration is read from the repository at start and at each reload; requests inside a reload end
under the one they began with.
"""

import asyncio
import logging
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from demo import agent, model, visit
from demo.ailments import Ailments
from demo.calls import Caller, Reply
from demo.config_repository import ConfigRepository, repository_name
from demo.configuration import Prompt, ServiceSettings, files_of, parse_prompt, parse_settings
from demo.failures import RequestFailed, UnknownOperation, record_failure, telling_span
from demo.gauges import MEGABYTE, CpuUtilization, Reading, resident_bytes
from demo.metrics_page import UNKNOWN, MetricsPage
from demo.pool import Pool
from demo.telemetry import Gauge, Generation, LogBridge, OtlpTarget, open_generation, resource_of
from demo.topology import Operation, ServiceDesign, Topology
from demo.visit import Visit

OK = 200
INTERNAL_ERROR = 500
_LONG_WAIT = 0.1
_LAST_REQUESTS = 30.0
_LOOK_AGAIN = 0.05
_GOODBYE_SECONDS = 1.5
_PROPAGATOR = TraceContextTextMapPropagator()
_log = logging.getLogger("shop.service")


@dataclass(frozen=True)
class Running:
    """One revision of the configuration, and the telemetry that speaks for it."""

    revision: str
    settings: ServiceSettings
    prompt: Prompt | None
    generation: Generation


@dataclass(frozen=True)
class World:
    """What is around a service: its configuration, the others, and who listens to its telemetry."""

    repository: ConfigRepository
    http: httpx.AsyncClient
    ports: Mapping[str, int]
    target: OtlpTarget | None


class Service:
    """A service of a topology, run as the repository says."""

    def __init__(self, topology: Topology, name: str, world: World) -> None:
        self.design: ServiceDesign = topology.service(name)
        self._shop = topology.name
        self._kinds: dict[str, str] = {service.name: service.kind for service in topology.services}
        self._operations = {operation.name: operation for operation in self.design.operations}
        self._world = world
        self._dice = random.Random(f"{topology.load.seed}/{name}")
        self._caller = Caller(world.http, world.ports, logging.getLogger("shop.calls"))
        self.pool = Pool(self.design.pool)
        self.metrics = MetricsPage(self.pool)
        self.ailments = Ailments(self.design.memory_limit_mb, self._dice)
        self.running = self._start(*self._read())
        self._bridge = LogBridge(self.running.generation)
        self._retiring: set[asyncio.Task[None]] = set()

    async def reload(self) -> None:
        """Put what is committed into effect; raises ``ShopError`` and stays as it was."""
        read = await asyncio.to_thread(self._read)
        old, self.running = self.running.generation, self._start(*read)
        self._bridge.generation = self.running.generation
        task = asyncio.create_task(_retire(old))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)
        _log.info("configuration %s is in effect", self.running.revision[:10])

    def listen_to_logs(self) -> None:
        """Send what the shop's own loggers say as telemetry."""
        shop = logging.getLogger("shop")
        shop.setLevel(logging.INFO)
        shop.propagate = False
        shop.addHandler(self._bridge)

    async def close(self) -> None:
        """Send the telemetry that is left."""
        await asyncio.to_thread(self.running.generation.close, _GOODBYE_SECONDS)

    async def handle(self, name: str, headers: Mapping[str, str], body: Reply) -> tuple[int, Reply]:
        """Serve one request: the HTTP status and the answer."""
        began = time.perf_counter()
        status, reply = await self._handle(name, headers, body)
        known = name if name in self._operations else UNKNOWN
        self.metrics.answered(known, status, time.perf_counter() - began)
        return status, reply

    async def _handle(self, name: str, headers: Mapping[str, str], body: Reply) -> tuple[int, Reply]:
        running = self.running
        running.generation.in_flight += 1
        try:
            with running.generation.tracer.start_as_current_span(
                f"POST /{name}" if name in self._operations else "POST",
                context=_PROPAGATOR.extract(headers),
                kind=SpanKind.SERVER,
                attributes={"http.request.method": "POST", "url.path": f"/{name}", "url.scheme": "http"},
            ) as span:
                return await self._answer(running, span, name, body)
        finally:
            running.generation.in_flight -= 1

    async def _answer(self, running: Running, span: Span, name: str, body: Reply) -> tuple[int, Reply]:
        began = time.perf_counter()
        try:
            operation = self._operation(name, span)
            await self._take_worker(running)
            try:
                reply = await self._serve(self._visit(running, operation, body))
            finally:
                self.pool.give_back()
        except RequestFailed as failure:
            span.set_attribute("http.response.status_code", failure.status)
            if failure.status >= INTERNAL_ERROR:
                record_failure(span, failure)
                _log.error("%s failed: %s: %s", name, failure.error_type, failure)
            return failure.status, {"error": failure.error_type, "message": str(failure)}
        span.set_attribute("http.response.status_code", OK)
        _log.info("%s done in %.0f ms", name, (time.perf_counter() - began) * 1000)
        return OK, reply

    def _operation(self, name: str, span: Span) -> Operation:
        if name not in self._operations:
            _log.warning("there is no operation %s here", name)
            raise UnknownOperation(f"{self.design.name} has no operation {name}")
        span.set_attribute("http.route", f"/{name}")
        return self._operations[name]

    async def _take_worker(self, running: Running) -> None:
        asked = time.perf_counter()
        with telling_span(running.generation.tracer, "wait for worker"):
            await self.pool.take()
        waited = time.perf_counter() - asked
        if waited > _LONG_WAIT:
            limits, waiting = self.pool.limits, self.pool.pending
            _log.warning("waited %.0f ms for one of %d workers, %d wait", waited * 1000, limits.size, waiting)

    async def _serve(self, request: Visit) -> Reply:
        match self.design.kind:
            case "agent":
                return await agent.converse(request, self._kinds)
            case "model":
                return await model.chat(request)
            case _:
                return await visit.serve(request)

    def _visit(self, running: Running, operation: Operation, body: Reply) -> Visit:
        return Visit(
            service=self.design,
            operation=operation,
            settings=running.settings,
            prompt=running.prompt,
            tracer=running.generation.tracer,
            caller=self._caller,
            ailments=self.ailments,
            dice=self._dice,
            body=body,
        )

    def _read(self) -> tuple[str, ServiceSettings, Prompt | None]:
        repository, files = self._world.repository, files_of(self.design)
        settings, *prompts = files
        return (
            repository.last_change(files),
            parse_settings(repository.read(settings), settings),
            parse_prompt(repository.read(prompts[0]), prompts[0]) if prompts else None,
        )

    def _start(self, revision: str, settings: ServiceSettings, prompt: Prompt | None) -> Running:
        self.pool.resize(settings.pool)
        self.ailments.memory_limit_mb = settings.memory_limit_mb
        resource = resource_of(self.design.name, revision, repository_name(self._shop))
        generation = open_generation(resource, self._world.target, self._gauges())
        return Running(revision, settings, prompt, generation)

    def _gauges(self) -> list[Gauge]:
        limit = self.ailments.memory_limit_mb * MEGABYTE
        return [
            CpuUtilization(),
            Reading("process.memory.usage", "By", resident_bytes),
            Reading("process.memory.limit", "By", lambda: limit),
            Reading("pool.in_use", "{worker}", lambda: self.pool.in_use),
            Reading("pool.limit", "{worker}", lambda: self.pool.limits.size),
            Reading("pool.pending", "{request}", lambda: self.pool.pending),
        ]


async def _retire(generation: Generation) -> None:
    """Close a generation once the last request that writes to it has ended."""
    deadline = time.monotonic() + _LAST_REQUESTS
    while generation.in_flight and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_AGAIN)
    await asyncio.to_thread(generation.close, _LAST_REQUESTS)
