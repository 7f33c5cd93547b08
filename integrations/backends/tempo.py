"""Grafana Tempo: a search for trace ids, then each trace by its id.

A search gives the first N that it finds, so full answers are narrowed. The last half minute cannot be
searched (``query_end_cutoff``), so a window that reaches into it is told as a gap; a live incident wants OTLP
straight into Aitia. A trace may come PARTIAL; that is told too. Source: grafana.com, "Tempo HTTP API".
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec
from pydantic import Field

from causal.errors import NotFound, Unavailable
from causal.evidence import Window
from integrations.arrow import ArrowBatch, concat, within
from integrations.backends.narrowing import narrowed
from integrations.backends.source import Pulled
from integrations.backends.wire import Backend, ask, read_as
from integrations.otlp_json import ExportTraces, ResourceSpans
from integrations.otlp_spans import span_rows
from integrations.otlp_values import Rejections

BLIND_SECONDS = 30.0


class TempoSettings(Backend):
    """A Tempo; ``query`` is the TraceQL that selects traces, ``limit`` how many one search may give."""

    query: str = "{}"
    limit: int = Field(default=500, ge=1, le=100_000)
    most_traces: int = Field(default=5_000, ge=1)


class _Hit(msgspec.Struct, rename={"trace_id": "traceID"}):
    trace_id: str


class _Search(msgspec.Struct):
    traces: list[_Hit] | None = None


class _OldTrace(msgspec.Struct):
    batches: list[ResourceSpans] | None = None


class _Trace(msgspec.Struct):
    trace: ExportTraces | None = None
    status: str = ""
    message: str = ""


class _Version(msgspec.Struct):
    version: str = "of unknown version"


@dataclass(frozen=True)
class Tempo:
    """An `integrations.backends.source.TelemetrySource` of traces."""

    settings: TempoSettings
    name: str = "tempo"
    settles: float = BLIND_SECONDS
    clock: Callable[[], float] = time.time

    def pull(self, window: Window) -> Pulled:
        gaps: list[str] = []
        seen_until = self.clock() - BLIND_SECONDS
        if window.end > seen_until:
            gaps.append(f"{self.name}: the last {BLIND_SECONDS:g} s can not be searched yet")
        if window.start >= seen_until:
            return Pulled(gaps=tuple(gaps))
        ids, whole = self._found(Window(start=window.start, end=min(window.end, seen_until)))
        if not whole:
            gaps.append(f"{self.name}: there are more traces than were read ({len(ids)})")
        return self._traces(ids, window, gaps)

    def ping(self) -> str:
        """Ask which version it is."""
        body = ask(self.settings, "/api/status/buildinfo")
        return f"Tempo {read_as(_Version, body, self.name).version}"

    def _found(self, window: Window) -> tuple[list[str], bool]:
        """Ids of the traces of a window, each once, and whether these are all."""
        ids: dict[str, None] = {}
        for _, hits, whole in narrowed(window, self.settings.limit, self._search):
            ids |= dict.fromkeys(hit.trace_id for hit in hits)
            if not whole or len(ids) > self.settings.most_traces:
                return list(ids)[: self.settings.most_traces], False
        return list(ids), True

    def _search(self, window: Window) -> list[_Hit]:
        # Both ends are whole seconds; the end is not included.
        params = {
            "q": self.settings.query,
            "start": str(math.floor(window.start)),
            "end": str(max(math.ceil(window.end), math.floor(window.start) + 1)),
            "limit": str(self.settings.limit),
            "spss": "1",
        }
        found: _Search = read_as(_Search, ask(self.settings, "/api/search", params), self.name)
        return found.traces or []

    def _traces(self, ids: Iterable[str], window: Window, gaps: list[str]) -> Pulled:
        batches, rejected, lost, partial = [], Rejections(), 0, 0
        for identity in ids:
            try:
                trace, is_whole = self._trace(identity)
            except (NotFound, Unavailable):  # one trace that is gone leaves the others
                lost += 1
                continue
            partial += not is_whole
            batches.append(ArrowBatch(traces=span_rows(trace, rejected)))
        gaps += [f"{self.name}: {lost} traces were found and could not be read"] if lost else []
        gaps += [f"{self.name}: {partial} traces are not whole"] if partial else []
        gaps += [f"{self.name}: {rejected.message}"] if rejected.count else []
        return Pulled(within(concat(batches), window), tuple(gaps))

    def _trace(self, identity: str) -> tuple[ExportTraces, bool]:
        """Read one trace, and whether it is whole; a Tempo before 2.6 has the older address alone."""
        try:
            body = ask(self.settings, f"/api/v2/traces/{identity}")
        except NotFound:
            old: _OldTrace = read_as(_OldTrace, ask(self.settings, f"/api/traces/{identity}"), self.name)
            return ExportTraces(old.batches), True
        told: _Trace = read_as(_Trace, body, self.name)
        return told.trace or ExportTraces(None), told.status != "PARTIAL"
