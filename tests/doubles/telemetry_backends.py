"""A Jaeger, a Tempo and a Loki that answer as documented: limits, missing things, errors, who may ask.

Traces are OTLP/JSON spans given by the tests; each server keeps what it is given and gives the first N that
it finds, in an order of its own, as the real ones do.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.doubles.serving import Answered, Asked, serving

Json = dict[str, Any]
TENANT = "shop"
_NS = 1_000_000_000


def span(trace: int, number: int, service: str, at: float, parent: int | None = None) -> Json:
    """Make one OTLP/JSON span, with its service beside it."""
    made = {
        "traceId": f"{trace:032x}",
        "spanId": f"{number:016x}",
        "name": f"GET /{service}",
        "kind": 2,
        "startTimeUnixNano": str(round(at * _NS)),
        "endTimeUnixNano": str(round((at + 0.05) * _NS)),
        "status": {"code": 1},
        "service": service,
    }
    return made | ({"parentSpanId": f"{parent:016x}"} if parent is not None else {})


def otlp(spans: Sequence[Json]) -> list[Json]:
    """Make the ``resourceSpans`` of some spans."""
    services = dict.fromkeys(each["service"] for each in spans)
    return [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
            "scopeSpans": [
                {
                    "spans": [
                        {k: v for k, v in s.items() if k != "service"}
                        for s in spans
                        if s["service"] == service
                    ]
                }
            ],
        }
        for service in services
    ]


def _start(made: Json) -> float:
    return int(made["startTimeUnixNano"]) / _NS


@dataclass
class Kept:
    """What all three servers have: spans or lines, who must ask, and what was asked."""

    spans: list[Json] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    token: str = ""

    def refusal(self, asked: Asked) -> Answered | None:
        """Say no to who may not ask, and where a test wants a failure."""
        self.asked.append(asked)
        if self.failures:
            return Answered(self.failures.pop(0), {"error": "made to fail"})
        if self.token and asked.headers.get("authorization") != f"Bearer {self.token}":
            return Answered(401, b"no org id", {"Content-Type": "text/plain"})
        return None

    def traces(self) -> dict[str, list[Json]]:
        found: dict[str, list[Json]] = {}
        for made in self.spans:
            found.setdefault(made["traceId"], []).append(made)
        return found


@dataclass
class JaegerDouble(Kept):
    """Jaeger's query service; ``v3`` is whether it has the newer API, ``legacy`` whether the older search."""

    v3: bool = True
    legacy: bool = True

    def answer(self, asked: Asked) -> Answered:
        if no := self.refusal(asked):
            return no
        if asked.path.startswith("/api/v3/"):
            return self._new(asked) if self.v3 else Answered(404, b"404 page not found")
        if self.legacy and asked.path in {"/api/services", "/api/traces"}:
            return self._old(asked)
        return Answered(404, b"404 page not found")

    def _new(self, asked: Asked) -> Answered:
        if asked.path == "/api/v3/services":
            return Answered(200, {"services": sorted({made["service"] for made in self.spans})})
        if asked.path != "/api/v3/traces":
            return Answered(404, {"error": {"httpCode": 404, "message": "not found"}})
        needed = {"query.startTimeMin", "query.startTimeMax"}
        if not needed <= set(asked.query):
            says = "query.startTimeMin and query.startTimeMax are required"
            return Answered(400, {"error": {"httpCode": 400, "message": says}})
        low, high = (
            datetime.fromisoformat(asked.query[name]).timestamp() for name in sorted(needed, reverse=True)
        )
        found = self._found(asked.query["query.serviceName"], high, low, asked.query["query.searchDepth"])
        if not found:
            return Answered(404, {"error": {"httpCode": 404, "message": "No traces found"}})
        return Answered(200, {"result": {"resourceSpans": otlp([s for trace in found for s in trace])}})

    def _found(self, service: str, low: float, high: float, limit: str) -> list[list[Json]]:
        low, high = min(low, high), max(low, high)
        found = [
            trace
            for trace in self.traces().values()
            if any(s["service"] == service and low <= _start(s) <= high for s in trace)
        ]
        return found[: int(limit)]

    def _old(self, asked: Asked) -> Answered:
        if asked.path == "/api/services":
            return Answered(200, {"data": sorted({made["service"] for made in self.spans}), "total": 0})
        low, high = (int(asked.query[name]) / 1e6 for name in ("start", "end"))
        found = self._found(asked.query["service"], low, high, asked.query.get("limit", "20"))
        return Answered(200, {"data": [_legacy(trace) for trace in found], "errors": None})


def _legacy(trace: Sequence[Json]) -> Json:
    services = list(dict.fromkeys(each["service"] for each in trace))
    return {
        "traceID": trace[0]["traceId"],
        "processes": {f"p{n}": {"serviceName": name, "tags": []} for n, name in enumerate(services)},
        "spans": [
            {
                "traceID": each["traceId"],
                "spanID": each["spanId"],
                "operationName": each["name"],
                "references": [
                    {"refType": "CHILD_OF", "traceID": each["traceId"], "spanID": each["parentSpanId"]}
                ]
                if "parentSpanId" in each
                else [],
                "startTime": int(each["startTimeUnixNano"]) // 1000,
                "duration": 50_000,
                "tags": [{"key": "span.kind", "type": "string", "value": "server"}],
                "processID": f"p{services.index(each['service'])}",
            }
            for each in trace
        ],
    }


@dataclass
class TempoDouble(Kept):
    """Tempo; ``now`` is its clock, ``v2`` whether it has the newer address of a trace."""

    now: float = 0.0
    v2: bool = True
    partial: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)

    def answer(self, asked: Asked) -> Answered:
        if no := self.refusal(asked):
            return no
        if asked.path == "/api/status/buildinfo":
            return Answered(200, {"version": "v3.0.2", "goVersion": "go1.26"})
        if asked.path == "/api/search":
            return self._search(asked.query)
        for prefix in ("/api/v2/traces/", "/api/traces/"):
            if asked.path.startswith(prefix):
                return self._trace(asked.path.removeprefix(prefix), new=prefix == "/api/v2/traces/")
        return Answered(404, b"404 page not found", {"Content-Type": "text/plain"})

    def _search(self, query: Mapping[str, str]) -> Answered:
        start, end = int(query["start"]), int(query["end"])
        if end <= start:
            return Answered(400, b"http parameter start must be before end", {"Content-Type": "text/plain"})
        seen_until = self.now - 30.0
        hits = [
            {"traceID": trace.lstrip("0"), "rootServiceName": spans[0]["service"], "durationMs": 50}
            for trace, spans in self.traces().items()
            if any(start <= _start(s) < end and _start(s) <= seen_until for s in spans)
        ]
        return Answered(200, {"traces": hits[: int(query.get("limit", "20"))], "metrics": {}})

    def _trace(self, identity: str, *, new: bool) -> Answered:
        trace = identity.rjust(32, "0")
        spans = self.traces().get(trace)
        if spans is None or trace in self.gone or (new and not self.v2):
            return Answered(404, b"trace not found", {"Content-Type": "text/plain"})
        batches = otlp([_in_base64(each) for each in spans])
        if not new:
            return Answered(200, {"batches": batches})
        status = {"status": "PARTIAL", "message": "trace exceeds max size"} if trace in self.partial else {}
        return Answered(200, {"trace": {"resourceSpans": batches}, **status})


def _in_base64(made: Json) -> Json:
    """Tempo writes protobuf's own JSON: ids are base64."""
    names = [name for name in ("traceId", "spanId", "parentSpanId") if name in made]
    return made | {name: base64.b64encode(bytes.fromhex(made[name])).decode() for name in names}


@dataclass
class LokiDouble(Kept):
    """Loki; a line is (labels, seconds, text, structured metadata)."""

    lines: list[tuple[dict[str, str], float, str, dict[str, str]]] = field(default_factory=list)
    most: int = 5_000

    def answer(self, asked: Asked) -> Answered:
        if no := self.refusal(asked):
            return no
        if asked.headers.get("x-scope-orgid") != TENANT:
            return Answered(401, b"no org id\n", {"Content-Type": "text/plain"})
        if asked.path == "/loki/api/v1/status/buildinfo":
            return Answered(200, {"version": "3.5.0"})
        if asked.path != "/loki/api/v1/query_range":
            return Answered(404, b"404 page not found", {"Content-Type": "text/plain"})
        limit = int(asked.query.get("limit", "100"))
        if limit > self.most:
            says = f"max entries limit per query exceeded, limit > max_entries_limit ({limit} > {self.most})"
            return Answered(400, says.encode(), {"Content-Type": "text/plain"})
        if not asked.query["query"].startswith("{"):
            return Answered(
                400, b"parse error at line 1, col 1: syntax error", {"Content-Type": "text/plain"}
            )
        return Answered(200, {"status": "success", "data": self._found(asked.query, limit)})

    def _found(self, query: Mapping[str, str], limit: int) -> Json:
        start, end = int(query["start"]), int(query["end"])
        newest_first = query.get("direction", "backward") == "backward"
        found = sorted(
            (line for line in self.lines if start <= round(line[1] * _NS) < end),
            key=lambda line: line[1],
            reverse=newest_first,
        )[:limit]
        streams: dict[tuple[tuple[str, str], ...], list[list[str]]] = {}
        for labels, at, text, metadata in found:
            streams.setdefault(tuple(sorted((labels | metadata).items())), []).append(
                [str(round(at * _NS)), text]
            )
        return {
            "resultType": "streams",
            "result": [{"stream": dict(labels), "values": values} for labels, values in streams.items()],
        }


@contextmanager
def running(double: JaegerDouble | TempoDouble | LokiDouble) -> Iterator[str]:
    """Run one of them on a free port; gives the address."""
    with serving(double.answer) as url:
        yield url
