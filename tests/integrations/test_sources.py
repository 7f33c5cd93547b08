"""Telemetry from a path, whatever it is."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from causal.errors import MalformedTelemetry, NotFound
from integrations.sources import read_any
from tests.integrations.telemetry_examples import SECOND, T0, export, span, spans_at, write_case


def otlp_line(number: int, at: int, **fields: Any) -> bytes:
    one = {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": "GET /",
        "startTimeUnixNano": str((T0 + at) * SECOND),
        "endTimeUnixNano": str((T0 + at) * SECOND + 5),
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "cart"}}]}
    sent = {"resource": resource, "scopeSpans": [{"spans": [one | fields]}]}
    return json.dumps({"resourceSpans": [sent]}).encode()


def write(folder: Path, content: bytes) -> Path:
    path = folder / "telemetry"
    path.write_bytes(content)
    return path


def incident_spans(path: Path, **options: float) -> int:
    return len(read_any(path, **options)[1].incident.spans)


def test_a_case_folder_is_a_source(tmp_path: Path) -> None:
    assert incident_spans(write_case(tmp_path / "case", spans_at(70))) == 1


def test_an_otlp_json_file_is_a_source(tmp_path: Path) -> None:
    assert incident_spans(write(tmp_path, otlp_line(1, 0))) == 1


def test_json_over_several_lines_is_one_object(tmp_path: Path) -> None:
    pretty = json.dumps(json.loads(otlp_line(1, 0)), indent=2).encode()
    assert incident_spans(write(tmp_path, pretty)) == 1


def test_a_file_of_json_lines_is_a_source(tmp_path: Path) -> None:
    assert incident_spans(write(tmp_path, otlp_line(1, 0) + b"\n" + otlp_line(2, 5) + b"\n")) == 2


def test_a_gzipped_file_is_a_source(tmp_path: Path) -> None:
    assert incident_spans(write(tmp_path, gzip.compress(otlp_line(1, 0)))) == 1


def test_an_otlp_protobuf_file_is_a_source(tmp_path: Path) -> None:
    assert incident_spans(write(tmp_path, export(span(1), span(2)).SerializeToString())) == 2


def test_a_jaeger_export_is_a_source(tmp_path: Path) -> None:
    spans = [{"traceID": "1", "spanID": "2", "startTime": T0 * 1_000_000, "duration": 5}]
    assert incident_spans(write(tmp_path, json.dumps({"data": [{"spans": spans}]}).encode())) == 1


def test_without_a_fault_start_all_is_the_incident(tmp_path: Path) -> None:
    _, telemetry = read_any(write(tmp_path, otlp_line(1, 0) + b"\n" + otlp_line(2, 5)))
    assert "no baseline rows: nothing to compare the incident with" in telemetry.gaps


def test_a_fault_start_divides_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, otlp_line(1, 0) + b"\n" + otlp_line(2, 5))
    _, telemetry = read_any(path, fault_start=T0 + 3.0)
    assert (len(telemetry.quiet.spans), len(telemetry.incident.spans)) == (1, 1)


def test_a_fault_start_outside_the_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(MalformedTelemetry, match="fault start"):
        read_any(write(tmp_path, otlp_line(1, 0)), fault_start=5.0)


def test_the_symptom_is_at_the_entry(tmp_path: Path) -> None:
    alert, _ = read_any(write(tmp_path, otlp_line(1, 0, status={"code": 2})))
    assert (alert.symptom.service, alert.symptom.signal) == ("cart", "errors")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"hello", "neither JSON nor an OTLP request"),
        (b"{}", "neither OTLP nor a Jaeger export"),
        (b'{"resourceSpans": []}', "no usable records"),
        (b'{"resourceSpans": [', "JSON"),
        (otlp_line(1, 0) + b"\n{oops\n", "line 2"),
        (otlp_line(1, 0, traceId=""), "1 rejected: span: no trace id"),
        (b"\x1f\x8bnot gzip", "not gzip"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(content: bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(MalformedTelemetry, match=said) as caught:
        read_any(write(tmp_path, content))
    assert str(tmp_path / "telemetry") in str(caught.value)


def test_a_path_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_any(tmp_path / "none")
