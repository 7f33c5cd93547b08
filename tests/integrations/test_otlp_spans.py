"""Spans of an OTLP request: what becomes of each field, and which are rejected."""

import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from causal.errors import MalformedTelemetry
from causal.telemetry import MISSING, SpanKind
from integrations.otlp import Decoded, decode_logs, decode_metrics, decode_traces
from tests.integrations.telemetry_examples import SECOND, T0, attribute, export, is_answered, span


def decoded(*spans: Any, resource: dict[str, str] | None = None) -> Decoded:
    return decode_traces(export(*spans, resource=resource).SerializeToString(), "protobuf")


def row(one: Any, resource: dict[str, str] | None = None) -> dict[str, Any]:
    found: list[dict[str, Any]] = decoded(one, resource=resource).rows.traces.to_pylist()
    return found[0]


def attributes(one: Any, resource: dict[str, str] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(row(one, resource)["attributes"])
    return found


def test_ids_are_kept_as_hexadecimal_text() -> None:
    found = row(span(255, parent_span_id=b"\x00" * 7 + b"\x01"))
    assert (found["span_id"], found["parent_span_id"]) == ("00000000000000ff", "0000000000000001")


def test_the_service_is_the_resource_name() -> None:
    assert row(span(), {"service.name": "cart", "service.instance.id": "c-1"})["instance"] == "c-1"


def test_a_resource_without_a_name_is_an_unknown_service() -> None:
    assert row(span(), {})["service"] == "unknown_service"


def test_the_http_status_becomes_the_status_code() -> None:
    assert row(span(attributes=[attribute("http.response.status_code", 503)]))["status_code"] == "503"


def test_the_grpc_code_becomes_the_status_code() -> None:
    assert row(span(attributes=[attribute("rpc.grpc.status_code", 14)]))["status_code"] == "14"


def test_the_error_status_is_kept() -> None:
    assert row(span(status=Status(code=Status.STATUS_CODE_ERROR)))["status"] == "error"


def test_attributes_outside_the_chosen_set_are_dropped() -> None:
    kept = attributes(
        span(attributes=[attribute("error.type", "Timeout"), attribute("url.full", "http://x/1")])
    )
    assert kept == {"error.type": "Timeout"}


def test_the_revision_of_the_resource_comes_with_each_span() -> None:
    kept = attributes(span(), {"service.name": "cart", "vcs.ref.head.revision": "abc", "os.type": "linux"})
    assert kept == {"vcs.ref.head.revision": "abc"}


def test_an_exception_event_gives_its_type_and_message() -> None:
    one = span()
    event = one.events.add(name="exception")
    event.attributes.extend([attribute("exception.type", "KeyError"), attribute("exception.message", "'x'")])
    assert attributes(one) == {"exception.type": "KeyError", "exception.message": "'x'"}


def test_an_evaluation_event_is_kept_with_its_attributes() -> None:
    one = span()
    event = one.events.add(name="gen_ai.evaluation.result")
    event.attributes.append(attribute("gen_ai.evaluation.name", "grounded"))
    assert attributes(one)["events"] == [
        {"name": "gen_ai.evaluation.result", "gen_ai.evaluation.name": "grounded"}
    ]


def test_a_megabyte_in_an_attribute_is_cut() -> None:
    assert len(attributes(span(attributes=[attribute("error.type", "x" * 1_000_000)]))["error.type"]) == 1024


def test_a_nul_in_a_name_is_replaced() -> None:
    assert row(span(name="a\0b"))["operation"] == "a\ufffdb"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"trace_id": b""}, "no trace id"),
        ({"trace_id": b"\0" * 16}, "no trace id"),
        ({"span_id": b"\0" * 8}, "no span id"),
        ({"span_id": b"abc"}, "wrong length"),
        ({"end_time_unix_nano": (T0 - 1) * SECOND}, "ends before it starts"),
        ({"start_time_unix_nano": 0}, "time that cannot be"),
        ({"end_time_unix_nano": 16_725_225_600 * SECOND}, "time that cannot be"),
    ],
)
def test_a_span_that_cannot_be_is_rejected_with_the_reason(fields: dict[str, Any], reason: str) -> None:
    found = decoded(span(1, **fields), span(2))
    assert (found.rejected, reason in found.error_message) == (1, True)


def test_the_sound_spans_beside_a_rejected_one_are_kept() -> None:
    assert decoded(span(1, trace_id=b""), span(2)).rows.traces.num_rows == 1


def test_an_end_within_the_jitter_of_the_start_is_no_time_at_all() -> None:
    assert row(span(end_time_unix_nano=T0 * SECOND - 1000))["duration_ns"] == 0


def test_half_a_protobuf_names_what_was_expected() -> None:
    body = export(span(), span(2)).SerializeToString()
    with pytest.raises(MalformedTelemetry, match="ExportTraceServiceRequest"):
        decode_traces(body[: len(body) // 2], "protobuf")


def test_the_batch_numbers_a_parent_like_its_span() -> None:
    batch = decoded(span(7), span(8, parent_span_id=(7).to_bytes(8, "big"))).batch
    assert batch.spans.parent.tolist() == [MISSING, batch.spans.span[0]]


def test_the_batch_has_kinds_by_their_numbers() -> None:
    assert decoded(span()).batch.spans.kind.tolist() == [SpanKind.SERVER]


@given(st.binary(max_size=200), st.sampled_from(["protobuf", "json"]))
def test_any_bytes_are_decoded_or_malformed(body: bytes, encoding: Any) -> None:
    decoders = (decode_traces, decode_metrics, decode_logs)
    assert all(is_answered(partial(decode, body, encoding)) for decode in decoders)


@given(st.data())
def test_any_damage_to_a_request_is_decoded_or_malformed(data: st.DataObject) -> None:
    body = bytearray(export(span(1, attributes=[attribute("error.type", "x")]), span(2)).SerializeToString())
    for position in data.draw(st.lists(st.integers(0, len(body) - 1), min_size=1, max_size=6)):
        body[position] = data.draw(st.integers(0, 255))
    assert is_answered(lambda: decode_traces(bytes(body), "protobuf").batch)
