"""OTLP/JSON, typed: records with the field names of the protobuf messages, so that one walk serves both.

The mapping is not protobuf's own JSON mapping: ids are hexadecimal (base64 is taken too, some exporters write
it), enums are numbers (names are taken too), 64-bit integers are text or numbers, and unknown fields are
ignored. `AnyValue.WhichOneof` answers as the generated class does.
"""

import json
import re
from typing import Any

import msgspec

from causal.errors import MalformedTelemetry

__all__ = ["ExportLogs", "ExportMetrics", "ExportTraces", "read_json", "read_records"]


class _Message(msgspec.Struct, rename="camel", gc=False):
    pass


class AnyValue(_Message):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | None = None
    double_value: float | None = None
    bytes_value: str | None = None
    array_value: "ArrayValue | None" = None
    kvlist_value: "KeyValueList | None" = None

    def WhichOneof(self, _: str) -> str | None:  # noqa: N802  the generated classes call it so
        """The name of the field that is set, None if none is."""
        for name in self.__struct_fields__:
            if getattr(self, name) is not None:
                return name
        return None


class ArrayValue(_Message):
    values: list[AnyValue] | None = None


class KeyValue(_Message):
    key: str = ""
    value: AnyValue | None = None


class KeyValueList(_Message):
    values: list[KeyValue] | None = None


class Resource(_Message):
    attributes: list[KeyValue] | None = None


class SpanStatus(_Message):
    code: int | str = 0
    message: str = ""


class SpanEvent(_Message):
    name: str = ""
    attributes: list[KeyValue] | None = None


class Span(_Message):
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str | None = None
    name: str = ""
    kind: int | str = 0
    start_time_unix_nano: int = 0
    end_time_unix_nano: int = 0
    attributes: list[KeyValue] | None = None
    events: list[SpanEvent] | None = None
    status: SpanStatus | None = None


class ScopeSpans(_Message):
    spans: list[Span] | None = None


class ResourceSpans(_Message):
    resource: Resource | None = None
    scope_spans: list[ScopeSpans] | None = None


class ExportTraces(_Message):
    """An ExportTraceServiceRequest, and a TracesData."""

    resource_spans: list[ResourceSpans] | None = None


class Point(_Message):
    """A data point of any kind: a number has `as_int` or `as_double`, the others have count and sum."""

    attributes: list[KeyValue] | None = None
    start_time_unix_nano: int = 0
    time_unix_nano: int = 0
    flags: int = 0
    as_int: int | None = None
    as_double: float | None = None
    count: int | None = None
    sum: float | None = None

    def WhichOneof(self, _: str) -> str | None:  # noqa: N802
        """Which of the two number fields is set."""
        return "as_int" if self.as_int is not None else "as_double" if self.as_double is not None else None

    def HasField(self, name: str) -> bool:  # noqa: N802
        """Whether an optional field is set."""
        return getattr(self, name) is not None


class Points(_Message):
    data_points: list[Point] | None = None
    aggregation_temporality: int | str = 0
    is_monotonic: bool = False


class Metric(_Message):
    name: str = ""
    gauge: Points | None = None
    sum: Points | None = None
    histogram: Points | None = None
    exponential_histogram: Points | None = None
    summary: Points | None = None

    def WhichOneof(self, _: str) -> str | None:  # noqa: N802
        """Which kind of data the metric has."""
        for name in ("gauge", "sum", "histogram", "exponential_histogram", "summary"):
            if getattr(self, name) is not None:
                return name
        return None


class ScopeMetrics(_Message):
    metrics: list[Metric] | None = None


class ResourceMetrics(_Message):
    resource: Resource | None = None
    scope_metrics: list[ScopeMetrics] | None = None


class ExportMetrics(_Message):
    """An ExportMetricsServiceRequest, and a MetricsData."""

    resource_metrics: list[ResourceMetrics] | None = None


class LogRecord(_Message):
    time_unix_nano: int = 0
    observed_time_unix_nano: int = 0
    severity_number: int | str = 0
    severity_text: str = ""
    event_name: str = ""
    body: AnyValue | None = None
    attributes: list[KeyValue] | None = None
    trace_id: str = ""
    span_id: str = ""


class ScopeLogs(_Message):
    log_records: list[LogRecord] | None = None


class ResourceLogs(_Message):
    resource: Resource | None = None
    scope_logs: list[ScopeLogs] | None = None


class ExportLogs(_Message):
    """An ExportLogsServiceRequest, and a LogsData."""

    resource_logs: list[ResourceLogs] | None = None


_DECODERS: dict[type, Any] = {
    kind: msgspec.json.Decoder(kind, strict=False) for kind in (ExportTraces, ExportMetrics, ExportLogs)
}
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def read_json(body: bytes, kind: type) -> Any:
    """Decode a body of one of the three kinds; MalformedTelemetry names the field that is wrong."""
    return read_records(body, _DECODERS[kind])


def read_records(body: bytes, decoder: "msgspec.json.Decoder[Any]") -> Any:
    """Decode JSON into typed records; whatever is wrong with it is MalformedTelemetry."""
    try:
        return decoder.decode(_whole_characters(body))
    except RecursionError as error:
        raise MalformedTelemetry("nested too deeply", where="JSON") from error
    except ValueError as error:  # msgspec's own errors and those of UTF-8 are among them
        raise MalformedTelemetry(str(error), where="JSON") from error


def _whole_characters(body: bytes) -> bytes:
    """Replace half characters (lone surrogates), which JavaScript writes and UTF-8 does not know."""
    if not _SURROGATE.search(body):
        return body
    return json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8", "replace")
