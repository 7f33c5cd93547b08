"""A Jaeger JSON export: `{"data": [{traceID, spans, processes}]}`, times in microseconds.

It is translated into the records of OTLP/JSON, so that one walk makes rows of both. What Jaeger keeps as
tags, OTLP has as fields: `span.kind`, `error`, `otel.status_code`; what it calls logs are events. The newer
API answers `{"result": {"resourceSpans": …}}`, which is OTLP/JSON already.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from causal.errors import MalformedTelemetry
from integrations.arrow import ArrowBatch
from integrations.otlp import Decoded
from integrations.otlp_json import (
    AnyValue,
    ExportTraces,
    KeyValue,
    Resource,
    ResourceSpans,
    ScopeSpans,
    Span,
    SpanEvent,
    SpanStatus,
    read_records,
)
from integrations.otlp_spans import span_rows
from integrations.otlp_values import Rejections, as_json

__all__ = ["decode_jaeger"]


class _Tag(msgspec.Struct):
    key: str = ""
    value: Any = None


class _Log(msgspec.Struct):
    fields: list[_Tag] | None = None


class _Reference(msgspec.Struct, rename={"ref_type": "refType", "span_id": "spanID"}):
    ref_type: str = ""
    span_id: str = ""


class _Process(msgspec.Struct, rename="camel"):
    service_name: str = ""
    tags: list[_Tag] | None = None


_SPAN_NAMES = {
    "trace_id": "traceID",
    "span_id": "spanID",
    "parent_span_id": "parentSpanID",
    "operation_name": "operationName",
    "start_time": "startTime",
    "process_id": "processID",
}


class _Span(msgspec.Struct, rename=_SPAN_NAMES):
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""
    operation_name: str = ""
    start_time: int = 0
    duration: int = 0
    process_id: str = ""
    process: _Process | None = None
    references: list[_Reference] | None = None
    tags: list[_Tag] | None = None
    logs: list[_Log] | None = None


class _Trace(msgspec.Struct):
    spans: list[_Span] | None = None
    processes: dict[str, _Process] | None = None


class _Export(msgspec.Struct):
    data: list[_Trace] | None = None
    result: ExportTraces | None = None


_decoder = msgspec.json.Decoder(_Export, strict=False)


def decode_jaeger(body: bytes) -> Decoded:
    """Decode an export of Jaeger's query service, of either API; MalformedTelemetry if it is neither."""
    export = read_records(body, _decoder)
    if export.data is None and export.result is None:
        raise MalformedTelemetry("holds neither 'data' nor 'result'", where="Jaeger JSON")
    request, rejected = export.result or _translated(export.data), Rejections()
    rows = ArrowBatch(traces=span_rows(request, rejected))
    return Decoded(rows, rejected.count, rejected.message)


def _translated(traces: Iterable[_Trace]) -> ExportTraces:
    resources = []
    for trace in traces:
        by_process: dict[str, list[_Span]] = {}
        for span in trace.spans or ():
            by_process.setdefault(span.process_id, []).append(span)
        for name, spans in by_process.items():
            process = (trace.processes or {}).get(name) or spans[0].process or _Process()
            resources.append(_resource(process, spans))
    return ExportTraces(resources)


def _resource(process: _Process, spans: Iterable[_Span]) -> ResourceSpans:
    service = _Tag("service.name", process.service_name)
    resource = Resource(_attributes([*(process.tags or ()), service]))
    return ResourceSpans(resource, [ScopeSpans([_span(span) for span in spans])])


def _span(span: _Span) -> Span:
    tags = {tag.key: tag.value for tag in span.tags or ()}
    start = span.start_time * 1000
    return Span(
        trace_id=span.trace_id.rjust(32, "0"),
        span_id=span.span_id.rjust(16, "0"),
        parent_span_id=_parent(span).rjust(16, "0"),
        name=span.operation_name,
        kind=str(tags.get("span.kind", "")),
        start_time_unix_nano=start,
        end_time_unix_nano=start + span.duration * 1000,
        attributes=_attributes(span.tags or ()),
        events=[_event(log) for log in span.logs or ()],
        status=_status(tags),
    )


def _parent(span: _Span) -> str:
    """The id of the parent; of several references, the first that is one."""
    children = [ref.span_id for ref in span.references or () if ref.ref_type.upper() == "CHILD_OF"]
    return children[0] if children else span.parent_span_id


def _status(tags: dict[str, Any]) -> SpanStatus:
    code = str(tags.get("otel.status_code", "")).lower()
    if not code and tags.get("error") in (True, "true"):
        code = "error"
    return SpanStatus(code or 0, str(tags.get("otel.status_description", "")))


def _event(log: _Log) -> SpanEvent:
    fields = {tag.key: tag.value for tag in log.fields or ()}
    return SpanEvent(str(fields.get("event", "")), _attributes(log.fields or ()))


def _attributes(tags: Iterable[_Tag]) -> list[KeyValue]:
    return [KeyValue(tag.key, _value(tag.value)) for tag in tags]


def _value(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(string_value=value if isinstance(value, str) else as_json([value]))
