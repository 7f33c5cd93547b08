"""OTLP/JSON: its own mapping of ids, enums and 64-bit integers."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.errors import MalformedTelemetry
from integrations.otlp import Decoded, decode_logs, decode_metrics, decode_traces
from tests.integrations.telemetry_examples import SECOND, T0, attribute, export, is_answered, span

SPAN = {
    "traceId": "5B8EFFF798038103D269B633813FC60C",
    "spanId": "eee19b7ec3c1b174",
    "name": "GET /",
    "kind": 2,
    "startTimeUnixNano": str(T0 * SECOND),
    "endTimeUnixNano": str(T0 * SECOND + 5),
    "status": {"code": 2, "message": "no"},
}


def decoded(*spans: dict[str, Any]) -> Decoded:
    body = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    return decode_traces(json.dumps(body).encode(), "json")


def row(**fields: Any) -> dict[str, Any]:
    found: list[dict[str, Any]] = decoded(SPAN | fields).rows.traces.to_pylist()
    return found[0]


def test_hexadecimal_ids_are_read_in_either_case() -> None:
    assert row()["trace_id"] == "5b8efff798038103d269b633813fc60c"


def test_base64_ids_are_tolerated() -> None:
    assert row(spanId=base64.b64encode(b"\x01" * 8).decode())["span_id"] == "01" * 8


def test_whole_numbers_may_be_text_or_numbers() -> None:
    assert row(startTimeUnixNano=T0 * SECOND)["duration_ns"] == 5


def test_enums_are_read_by_number_and_by_name() -> None:
    assert (row()["kind"], row(kind="SPAN_KIND_CLIENT")["kind"]) == ("server", "client")


def test_fields_that_are_not_known_are_ignored() -> None:
    assert row(somethingNew={"deep": [1, 2]})["operation"] == "GET /"


def test_an_id_that_is_neither_hexadecimal_nor_base64_rejects_its_span() -> None:
    found = decoded(SPAN | {"traceId": "!" * 32}, SPAN)
    assert (found.rejected, found.rows.traces.num_rows) == (1, 1)


def test_a_lone_surrogate_costs_one_character() -> None:
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [SPAN | {"name": "a\ud800b"}]}]}]})
    assert decode_traces(body.encode(), "json").rows.traces["operation"].to_pylist() == ["a?b"]


def test_json_and_protobuf_give_the_same_rows() -> None:
    one = span(1, attributes=[attribute("error.type", "x"), attribute("http.response.status_code", 500)])
    written = {
        "traceId": f"{1:032x}",
        "spanId": f"{1:016x}",
        "name": "GET /",
        "kind": 2,
        "startTimeUnixNano": str(T0 * SECOND),
        "endTimeUnixNano": str(T0 * SECOND + 10_000_000),
        "attributes": [
            {"key": "error.type", "value": {"stringValue": "x"}},
            {"key": "http.response.status_code", "value": {"intValue": "500"}},
        ],
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "cart"}}]}
    body = json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [written]}]}]})
    binary = decode_traces(export(one).SerializeToString(), "protobuf")
    assert decode_traces(body.encode(), "json").rows.traces.equals(binary.rows.traces)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"nonsense", b'{"resourceSpans": 3}', b'{"resourceSpans":' + b"[" * 100_000, b"\xff"],
)
def test_a_body_that_is_no_request_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedTelemetry):
        decode_traces(body, "json")


def test_a_wrong_type_is_named_by_its_place() -> None:
    with pytest.raises(MalformedTelemetry, match=r"resourceSpans"):
        decode_traces(b'{"resourceSpans": 3}', "json")


def deep(levels: int) -> str:
    return '{"arrayValue":{"values":[' * levels + "{}" + "]}}" * levels


def test_values_nested_deeply_are_cut() -> None:
    record = f'{{"timeUnixNano":{T0 * SECOND},"body":{deep(50)}}}'
    body = f'{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{record}]}}]}}]}}'
    assert "…" in decode_logs(body.encode(), "json").rows.logs["body"].to_pylist()[0]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from([*SPAN, "attributes", "events", "parentSpanId"]), anything))
def test_any_span_is_decoded_or_malformed(fields: dict[str, Any]) -> None:
    assert is_answered(lambda: decoded(SPAN | fields).batch)


POINT = {"timeUnixNano": T0 * SECOND, "asInt": 1, "count": 3, "sum": 2.5}


@given(
    st.sampled_from(["gauge", "sum", "histogram", "exponentialHistogram", "summary"]),
    st.dictionaries(st.sampled_from([*POINT, "asDouble", "flags", "attributes"]), anything),
)
def test_any_data_point_is_decoded_or_malformed(kind: str, fields: dict[str, Any]) -> None:
    metric = {"name": "m", kind: {"dataPoints": [POINT | fields], "isMonotonic": True}}
    body = json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]})
    assert is_answered(lambda: decode_metrics(body.encode(), "json").batch)
