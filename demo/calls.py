"""Calls from one service to another: a CLIENT span for every attempt, a deadline, retries.

Where a call goes is settled by configuration, not by the topology: a name that nobody answers to fails as a
name that does not resolve would. A caller that waited long enough hangs up; whether the callee goes on
working is the callee's affair.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from demo.configuration import CallSettings
from demo.failures import RequestFailed, UpstreamFailed, UpstreamTimeout
from demo.topology import Call

_BACKOFF_SECONDS = 0.02
_PROPAGATOR = TraceContextTextMapPropagator()

Reply = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """How a call's spans look beyond the usual; ``on_reply`` reads the answer into the span."""

    name: str
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    on_reply: Callable[[Span, Reply], None] = lambda _span, _reply: None


@dataclass(frozen=True)
class Order:
    """One call to be made: to whom, how patiently, with what, and how its spans look."""

    call: Call
    settings: CallSettings
    body: Reply
    shape: Shape


@dataclass(frozen=True)
class Caller:
    """One service's way of calling others; ``ports`` are those of the services by name."""

    http: httpx.AsyncClient
    ports: Mapping[str, int]
    log: logging.Logger

    async def call(self, tracer: Tracer, order: Order) -> Reply:
        """Make a call; raises ``UpstreamFailed`` or ``UpstreamTimeout`` of the last try."""
        for attempt in range(order.settings.retries):
            try:
                return await self._attempt(tracer, order, attempt)
            except (UpstreamFailed, UpstreamTimeout):
                await asyncio.sleep(_BACKOFF_SECONDS)
        return await self._attempt(tracer, order, order.settings.retries)

    async def _attempt(self, tracer: Tracer, order: Order, attempt: int) -> Reply:
        with tracer.start_as_current_span(
            order.shape.name,
            kind=SpanKind.CLIENT,
            attributes=self._attributes(order, attempt),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                return await self._ask(order, span)
            except (UpstreamFailed, UpstreamTimeout) as failure:
                self.log.warning(
                    "attempt %d of %d failed: %s", attempt + 1, order.settings.retries + 1, failure
                )
                raise

    async def _ask(self, order: Order, span: Span) -> Reply:
        try:
            response = await self._send(order)
        except RequestFailed as failure:
            _mark(span, failure.error_type, str(failure))
            raise
        span.set_attribute("http.response.status_code", response.status_code)
        if response.status_code >= httpx.codes.BAD_REQUEST:
            says = f"{order.settings.address} answered {response.status_code} to {order.call.operation}"
            _mark(span, str(response.status_code), says)
            raise UpstreamFailed(says)
        reply: Reply = response.json()
        order.shape.on_reply(span, reply)
        return reply

    def _attributes(self, order: Order, attempt: int) -> dict[str, AttributeValue]:
        address = order.settings.address
        said: dict[str, AttributeValue] = {
            "http.request.method": "POST",
            "http.route": f"/{order.call.operation}",
            "server.address": address,
        }
        if address in self.ports:
            said["server.port"] = self.ports[address]
        if attempt:
            said["http.request.resend_count"] = attempt
        return said | dict(order.shape.attributes)

    async def _send(self, order: Order) -> httpx.Response:
        address, operation = order.settings.address, order.call.operation
        if address not in self.ports:
            raise UpstreamFailed(f"cannot reach {address}: name or service not known", "ConnectError")
        headers: dict[str, str] = {}
        _PROPAGATOR.inject(headers)
        url = f"http://127.0.0.1:{self.ports[address]}/{operation}"
        try:
            async with asyncio.timeout(order.settings.timeout_ms / 1000):
                return await self.http.post(url, json=order.body, headers=headers)
        except TimeoutError as late:
            says = f"{address} did not answer {operation} within {order.settings.timeout_ms:g} ms"
            raise UpstreamTimeout(says, "TimeoutError") from late
        except httpx.TransportError as broken:
            raise UpstreamFailed(f"cannot reach {address}: {broken}", type(broken).__name__) from broken


def _mark(span: Span, error_type: str, says: str) -> None:
    span.set_attribute("error.type", error_type)
    span.set_status(Status(StatusCode.ERROR, says))


def open_http() -> httpx.AsyncClient:
    """A client for calls inside the shop: connections are kept, and the environment's proxies ignored."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=20)
    return httpx.AsyncClient(timeout=None, limits=limits, trust_env=False)  # noqa: S113 -- each call has its own
