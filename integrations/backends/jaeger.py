"""Jaeger's query service: api_v3 where it is there, else the older JSON that its own pages used.

An empty search is answered with 404 and is no error. A search is for one service and gives at most so many
traces, so full answers are narrowed; the traces come whole, so the same one may come for several services,
and the store keeps each span once. Source: jaegertracing.io, "APIs".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import msgspec
from pydantic import Field

from causal.errors import NotFound
from causal.evidence import Window
from integrations.arrow import ArrowBatch, concat, distinct_spans, within
from integrations.backends.narrowing import narrowed
from integrations.backends.source import Pulled
from integrations.backends.wire import Backend, ask, read_as
from integrations.jaeger import decode_jaeger

_MICRO = 1_000_000


class JaegerSettings(Backend):
    """A Jaeger; ``services`` are all that it knows where none are named, ``limit`` is traces a search."""

    services: tuple[str, ...] = ()
    limit: int = Field(default=500, ge=1, le=10_000)


class _Services(msgspec.Struct):
    services: list[str] | None = None
    data: list[str] | None = None


@dataclass(frozen=True)
class Jaeger:
    """An `integrations.backends.source.TelemetrySource` of traces."""

    settings: JaegerSettings
    name: str = "jaeger"
    settles: float = 5.0

    def pull(self, window: Window) -> Pulled:
        parts = [self._of_service(service, window) for service in self._services()]
        gaps = tuple(gap for _, gap in parts if gap)
        rows = concat(batch for batch, _ in parts)
        return Pulled(within(ArrowBatch(traces=distinct_spans(rows.traces)), window), gaps)

    def ping(self) -> str:
        """Ask which services it knows, and by which of its two interfaces."""
        known = self._services()
        return f"Jaeger by {'api_v3' if self._is_v3 else 'the older API'}, {len(known)} services"

    @cached_property
    def _is_v3(self) -> bool:
        try:
            ask(self.settings, "/api/v3/services")
        except NotFound:
            return False
        return True

    def _services(self) -> list[str]:
        if self.settings.services:
            return list(self.settings.services)
        path = "/api/v3/services" if self._is_v3 else "/api/services"
        told: _Services = read_as(_Services, ask(self.settings, path), self.name)
        return sorted(told.services or told.data or [])

    def _of_service(self, service: str, window: Window) -> tuple[ArrowBatch, str]:
        """The spans of all traces of a service, and what is missing of them."""
        found: list[ArrowBatch] = []
        cut = 0

        def search(narrow: Window) -> list[str]:
            rows = self._search(service, narrow)
            traces: list[str] = rows.traces["trace_id"].unique().to_pylist()
            if len(traces) < self.settings.limit or narrow.seconds <= 1.0:
                found.append(rows)
            return traces

        for _, _, whole in narrowed(window, self.settings.limit, search):
            cut += not whole
        gap = f"{self.name}: {service} has more traces a second than were read" if cut else ""
        return concat(found), gap

    def _search(self, service: str, window: Window) -> ArrowBatch:
        path, params = (
            ("/api/v3/traces", _new_params(service, window, self.settings.limit))
            if self._is_v3
            else ("/api/traces", _old_params(service, window, self.settings.limit))
        )
        try:
            body = ask(self.settings, path, params)
        except NotFound:
            return ArrowBatch()
        return concat(decode_jaeger(part).rows for part in _documents(body))


def _new_params(service: str, window: Window, limit: int) -> Mapping[str, str]:
    return {
        "query.serviceName": service,
        "query.startTimeMin": _rfc3339(window.start),
        "query.startTimeMax": _rfc3339(window.end),
        "query.searchDepth": str(limit),
    }


def _old_params(service: str, window: Window, limit: int) -> Mapping[str, str]:
    return {
        "service": service,
        "start": str(round(window.start * _MICRO)),
        "end": str(round(window.end * _MICRO)),
        "limit": str(limit),
    }


def _rfc3339(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _documents(body: bytes) -> Iterable[bytes]:
    """The JSON documents of an answer: a gateway may stream one a line."""
    lines = [line for line in body.splitlines() if line.strip()]
    streamed = len(lines) > 1 and all(line.startswith(b'{"result"') for line in lines)
    return lines if streamed else [body]
