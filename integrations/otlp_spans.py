"""Spans of an OTLP request as rows: one walk over protobuf messages or their JSON twins.

What becomes of a span: its service and instance come from its resource; `status_code` is the HTTP status or
the gRPC code; `attributes` is a JSON object of

- the resource's `service.version`, `vcs.ref.head.revision`, `vcs.repository.name` and where it runs
  (`host.name`, `k8s.node.name`, `k8s.pod.name`), always first in the text,
- the span attributes that the engine reads (`otlp_values.KEPT`, and all of `gen_ai.*`),
- `exception.type` and `exception.message` of the last exception event,
- `otel.status_description`, the status message,
- `events`: the evaluation results (`gen_ai.evaluation.result`) with their attributes.

A span without a usable id, one that ends before it starts, and one at an impossible time are rejected.
"""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from integrations.arrow import TRACES, table_of
from integrations.otlp_values import (
    Rejections,
    as_json,
    chosen,
    hexadecimal,
    is_sensible,
    plain_attributes,
    text,
)

__all__ = ["UNKNOWN_SERVICE", "sender", "span_rows"]

UNKNOWN_SERVICE = "unknown_service"
_KINDS = (None, "internal", "server", "client", "producer", "consumer")
_STATUSES = ("unset", "ok", "error")
_JITTER_NS = 1_000_000  # an end this little before its start is two readings of one clock
_STATUS_CODES = (
    "http.response.status_code",
    "http.status_code",
    "rpc.grpc.status_code",
    "rpc.response.status_code",
)
_OF_RESOURCE = (
    "service.version",
    "vcs.ref.head.revision",
    "vcs.repository.name",
    "host.name",
    "k8s.node.name",
    "k8s.pod.name",
)
_EVALUATION = "gen_ai.evaluation.result"
_EVENTS = 8


def sender(resource: Any) -> tuple[str, str | None, dict[str, Any]]:
    """Service, instance and the attributes of a resource."""
    attributes = plain_attributes(resource.attributes if resource is not None else ())
    service, instance = attributes.get("service.name"), attributes.get("service.instance.id")
    return (
        str(service) if service else UNKNOWN_SERVICE,
        str(instance) if instance is not None else None,
        attributes,
    )


def span_rows(request: Any, rejected: Rejections) -> pa.Table:
    """The sound spans of an export request; the others are counted."""
    rows: list[tuple[Any, ...]] = []
    for resource_spans in request.resource_spans or ():
        service, instance, resource = sender(resource_spans.resource)
        known = as_json({key: resource[key] for key in _OF_RESOURCE if resource.get(key)})[1:-1]
        for scope in resource_spans.scope_spans or ():
            _take(scope.spans or (), (service, instance, known), rows, rejected)
    return table_of(TRACES, rows)


def _take(
    spans: Iterable[Any],
    sent_by: tuple[str, str | None, str],
    rows: list[tuple[Any, ...]],
    rejected: Rejections,
) -> None:
    for span in spans:
        try:
            rows.append(_row(span, *sent_by))
        except ValueError as error:
            rejected.add(f"span: {error}")


def _row(span: Any, service: str, instance: str | None, known: str) -> tuple[Any, ...]:
    trace, own = hexadecimal(span.trace_id, 16), hexadecimal(span.span_id, 8)
    if trace is None or own is None:
        raise ValueError("no trace id" if trace is None else "no span id")
    attributes = _attributes(span)
    code = next((attributes[key] for key in _STATUS_CODES if key in attributes), None)
    written = ",".join(part for part in (known, as_json(attributes)[1:-1]) if part)
    return (
        trace,
        own,
        hexadecimal(span.parent_span_id, 8),
        service,
        instance,
        text(span.name),
        _word(span.kind, _KINDS, "SPAN_KIND_"),
        span.start_time_unix_nano,
        _duration(span),
        _word(span.status.code, _STATUSES, "STATUS_CODE_") if span.status is not None else "unset",
        None if code is None else str(code),
        f"{{{written}}}" if written else None,
    )


def _duration(span: Any) -> int:
    start, end = span.start_time_unix_nano, span.end_time_unix_nano
    if not is_sensible(start) or not is_sensible(end):
        raise ValueError("a time that cannot be (unset, or centuries off)")
    if end < start - _JITTER_NS:
        raise ValueError("it ends before it starts")
    return int(max(end - start, 0))


def _word(number: int | str, words: tuple[str | None, ...], prefix: str) -> str | None:
    """An enum's word; the JSON mapping wants numbers, some senders write the names."""
    if isinstance(number, str):
        name = number.removeprefix(prefix).lower()
        return name if name in words else words[0]
    return words[number] if 0 <= number < len(words) else words[0]


def _attributes(span: Any) -> dict[str, Any]:
    kept = chosen(span.attributes)
    evaluations: list[dict[str, Any]] = []
    for event in span.events or ():
        if event.name == "exception":
            kept |= {key: value for key, value in chosen(event.attributes).items() if "exception." in key}
        elif event.name == _EVALUATION and len(evaluations) < _EVENTS:
            evaluations.append({"name": _EVALUATION, **chosen(event.attributes)})
    if evaluations:
        kept["events"] = evaluations
    if span.status is not None and span.status.message:
        kept["otel.status_description"] = text(span.status.message)
    return kept
