"""Jaeger JSON exports."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.errors import MalformedTelemetry
from integrations.jaeger import decode_jaeger
from integrations.otlp import Decoded
from tests.integrations.telemetry_examples import T0, is_answered

SPAN: dict[str, Any] = {
    "traceID": "abc123",
    "spanID": "2",
    "operationName": "GET /cart",
    "references": [{"refType": "CHILD_OF", "traceID": "abc123", "spanID": "1"}],
    "startTime": T0 * 1_000_000,
    "duration": 1500,
    "tags": [
        {"key": "span.kind", "type": "string", "value": "server"},
        {"key": "error", "type": "bool", "value": True},
        {"key": "http.status_code", "type": "int64", "value": 500},
    ],
    "logs": [
        {
            "timestamp": T0 * 1_000_000,
            "fields": [
                {"key": "event", "type": "string", "value": "exception"},
                {"key": "exception.type", "type": "string", "value": "KeyError"},
            ],
        }
    ],
    "processID": "p1",
}
PROCESSES = {"p1": {"serviceName": "cart", "tags": [{"key": "service.version", "value": "1.2"}]}}


def decoded(**fields: Any) -> Decoded:
    trace = {"traceID": "abc123", "spans": [SPAN | fields], "processes": PROCESSES}
    return decode_jaeger(json.dumps({"data": [trace], "total": 0}).encode())


def row(**fields: Any) -> dict[str, Any]:
    found: list[dict[str, Any]] = decoded(**fields).rows.traces.to_pylist()
    return found[0]


def test_ids_are_filled_up_with_zeros() -> None:
    assert (row()["trace_id"], row()["span_id"]) == ("abc123".rjust(32, "0"), "2".rjust(16, "0"))


def test_microseconds_become_nanoseconds() -> None:
    assert (row()["start_unix_ns"], row()["duration_ns"]) == (T0 * 10**9, 1_500_000)


def test_the_parent_is_what_it_is_a_child_of() -> None:
    assert row()["parent_span_id"] == "1".rjust(16, "0")


def test_a_span_without_references_is_a_root() -> None:
    assert row(references=[])["parent_span_id"] is None


def test_the_process_names_the_service() -> None:
    assert row()["service"] == "cart"


def test_tags_become_kind_status_and_code() -> None:
    assert (row()["kind"], row()["status"], row()["status_code"]) == ("server", "error", "500")


def test_an_exception_in_the_logs_is_kept() -> None:
    assert json.loads(row()["attributes"])["exception.type"] == "KeyError"


def test_a_span_without_a_duration_is_kept() -> None:
    assert row(duration=0)["duration_ns"] == 0


def test_a_span_without_an_id_is_rejected() -> None:
    assert decoded(spanID="").rejected == 1


def test_an_answer_of_the_newer_api_is_read() -> None:
    span = {"traceId": "1" * 32, "spanId": "2" * 16, "startTimeUnixNano": str(T0 * 10**9)}
    sent = {"scopeSpans": [{"spans": [span | {"endTimeUnixNano": str(T0 * 10**9 + 1)}]}]}
    body = json.dumps({"result": {"resourceSpans": [sent]}}).encode()
    assert decode_jaeger(body).rows.traces.num_rows == 1


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"data": 3}', b'{"data": [{"spans": [{"startTime": "x"}]}]}']
)
def test_what_is_no_export_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedTelemetry):
        decode_jaeger(body)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(list(SPAN)), anything))
def test_any_export_is_decoded_or_malformed(fields: dict[str, Any]) -> None:
    assert is_answered(lambda: decoded(**fields).batch)
