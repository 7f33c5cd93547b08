"""`aitia diagnose`: from whatever was recorded to a verdict, with no server."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from typer.testing import CliRunner, Result

from causal.evidence import Diagnosis
from integrations.otlp import decode_traces
from tests.integrations.telemetry_examples import T0, write_case
from tests.workers.running import traffic
from workers.cli import app

BROKE, END = T0 + 60, T0 + 120
FAULT_START = ("--fault-start", str(BROKE))
KEYS = {
    "case_id",
    "engine",
    "hypotheses",
    "none_of_these",
    "minimal_set",
    "missing_evidence",
    "seconds",
}


def diagnose(*words: object) -> Result:
    """Run ``aitia diagnose …``."""
    return CliRunner().invoke(app, ["diagnose", *map(str, words)], env={"COLUMNS": "160"})


def lines(result: Result) -> list[dict[str, Any]]:
    """The lines of JSON that were printed."""
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(scope="module")
def request_() -> ExportTraceServiceRequest:
    """A minute in which all was well, and a minute in which the cart failed."""
    sent = traffic(T0, BROKE, cart_fails=False, every=0.5)
    sent.MergeFrom(traffic(BROKE, END - 1, cart_fails=True, every=0.5))
    return sent


@pytest.fixture(scope="module")
def recorded(request_: ExportTraceServiceRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same telemetry as a case, and as each of the files that can be read."""
    folder = tmp_path_factory.mktemp("recorded")
    protobuf = request_.SerializeToString()
    write_case(
        folder / "case",
        decode_traces(protobuf, "protobuf").rows,
        case_id="the-cart-fails",
        symptom={"service": "gateway", "signal": "errors"},
    )
    (folder / "otlp.pb").write_bytes(protobuf)
    (folder / "otlp.json").write_text(json.dumps(otlp_json(request_)))
    (folder / "jaeger.json").write_text(json.dumps(jaeger(request_)))
    return folder


@pytest.fixture
def mixed(recorded: Path, tmp_path: Path) -> Path:
    """A folder of cases: a good one, a broken one, one without its alert, another good one, and no case."""
    for name in ("a", "d"):
        (tmp_path / name).symlink_to(recorded / "case", target_is_directory=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "alert.json").write_text("{")
    (tmp_path / "c").mkdir()
    (tmp_path / "_baseline").mkdir()
    (tmp_path / "README.md").write_text("cases")
    return tmp_path


def each_span(request: ExportTraceServiceRequest, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """A request as JSON, with a change to each of its spans."""
    told: dict[str, Any] = MessageToDict(request, use_integers_for_enums=True)
    for resource in told["resourceSpans"]:
        for span in resource["scopeSpans"][0]["spans"]:
            change(span)
    return told


def otlp_json(request: ExportTraceServiceRequest) -> dict[str, Any]:
    """OTLP/JSON: ids are hexadecimal, unlike those of protobuf's own JSON."""

    def hexadecimal(span: dict[str, Any]) -> None:
        for key in span.keys() & {"traceId", "spanId", "parentSpanId"}:
            span[key] = b64decode(span[key]).hex()

    return each_span(request, hexadecimal)


def jaeger(request: ExportTraceServiceRequest) -> dict[str, Any]:
    """A Jaeger export of the same spans: one trace holds them all, as an export may."""
    spans, processes = [], {}
    for resource in otlp_json(request)["resourceSpans"]:
        service = resource["resource"]["attributes"][0]["value"]["stringValue"]
        processes[service] = {"serviceName": service, "tags": []}
        spans += [jaeger_span(span, service) for span in resource["scopeSpans"][0]["spans"]]
    return {"data": [{"traceID": "1", "spans": spans, "processes": processes}]}


def jaeger_span(span: dict[str, Any], service: str) -> dict[str, Any]:
    start, end = int(span["startTimeUnixNano"]) // 1000, int(span["endTimeUnixNano"]) // 1000
    kind = {2: "server", 3: "client"}[span["kind"]]
    tags: list[dict[str, Any]] = [{"key": "span.kind", "type": "string", "value": kind}]
    if span.get("status"):
        tags.append({"key": "error", "type": "bool", "value": True})
    parent = {"refType": "CHILD_OF", "traceID": span["traceId"], "spanID": span.get("parentSpanId", "")}
    return {
        "traceID": span["traceId"],
        "spanID": span["spanId"],
        "operationName": span["name"],
        "references": [parent] if parent["spanID"] else [],
        "startTime": start,
        "duration": end - start,
        "tags": tags,
        "processID": service,
    }


# One thing after the other that can be diagnosed


@pytest.mark.parametrize("name", ["case", "otlp.pb", "otlp.json", "jaeger.json"])
def test_the_cause_is_found_in_whatever_was_recorded(recorded: Path, name: str) -> None:
    options = () if name == "case" else FAULT_START
    verdict = Diagnosis.model_validate_json(diagnose(recorded / name, "--json", *options).stdout)
    assert verdict.hypotheses[0].service == "cart"


def test_the_ticket_for_the_terminal_names_the_cause(recorded: Path) -> None:
    result = diagnose(recorded / "case")
    assert (result.exit_code, "cart" in result.stdout) == (0, True)


def test_the_ticket_in_markdown_names_the_cause(recorded: Path) -> None:
    result = diagnose(recorded / "case", "--markdown")
    assert (result.exit_code, "cart" in result.stdout) == (0, True)


def test_a_line_has_every_field_that_is_promised(recorded: Path) -> None:
    [line] = lines(diagnose(recorded / "case", "--jsonl"))
    assert line.keys() >= KEYS


def test_a_line_names_its_case(recorded: Path) -> None:
    [line] = lines(diagnose(recorded / "case", "--jsonl"))
    assert line["case_id"] == "the-cart-fails"


def test_the_probabilities_of_a_line_add_up_to_one(recorded: Path) -> None:
    [line] = lines(diagnose(recorded / "case", "--jsonl"))
    whole = line["none_of_these"] + sum(each["probability"] for each in line["hypotheses"])
    assert whole == pytest.approx(1.0, abs=1e-6)


def test_a_line_names_a_file_that_is_no_case_by_its_own_name(recorded: Path) -> None:
    [line] = lines(diagnose(recorded / "otlp.pb", "--jsonl", *FAULT_START))
    assert line["case_id"] == "otlp.pb"


def test_a_file_without_a_fault_start_says_what_is_missing(recorded: Path) -> None:
    [line] = lines(diagnose(recorded / "otlp.pb", "--jsonl"))
    assert line["missing_evidence"]


def test_the_same_case_gives_the_same_bytes(recorded: Path) -> None:
    assert diagnose(recorded / "case", "--json").stdout == diagnose(recorded / "case", "--json").stdout


# Several cases


def test_every_case_of_a_folder_gets_its_line(mixed: Path) -> None:
    answered = lines(diagnose(mixed, "--jsonl"))
    assert [line["case_id"] for line in answered] == ["the-cart-fails", "b", "c", "the-cart-fails"]


def test_broken_cases_are_lines_with_their_errors(mixed: Path) -> None:
    broken = [line for line in lines(diagnose(mixed, "--jsonl")) if "error" in line]
    assert [line["case_id"] for line in broken] == ["b", "c"]


def test_the_error_of_a_broken_case_names_its_file(mixed: Path) -> None:
    [line] = lines(diagnose(mixed / "b", "--jsonl"))
    assert str(mixed / "b" / "alert.json") in line["error"]


def test_a_broken_case_among_good_ones_ends_with_one(mixed: Path) -> None:
    assert diagnose(mixed, "--jsonl").exit_code == 1


def test_a_broken_case_is_told_on_stderr_too(mixed: Path) -> None:
    assert "alert.json" in diagnose(mixed / "b").stderr


def test_a_case_is_known_by_its_folder_however_it_is_written(mixed: Path) -> None:
    [line] = lines(diagnose(mixed / "c" / ".." / "b", "--jsonl"))
    assert line["case_id"] == "b"


@pytest.mark.parametrize("content", [b"", b"{", b"no telemetry", b"\x0a\xff\xff\xff", b"\x1f\x8b\x08"])
def test_a_file_that_nobody_can_read_is_told_and_ends_with_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    result = diagnose(tmp_path / "file", "--jsonl")
    assert (result.exit_code, lines(result)[0]["case_id"]) == (1, "file")


# Wrong usage


def test_a_path_that_is_not_there_ends_with_two(tmp_path: Path) -> None:
    result = diagnose(tmp_path / "nowhere")
    assert (result.exit_code, "nowhere" in result.stderr) == (2, True)


def test_one_diagnosis_for_two_cases_is_wrong_usage(recorded: Path) -> None:
    result = diagnose(recorded / "case", recorded / "otlp.pb", "--json")
    assert (result.exit_code, result.stdout, "--jsonl" in result.stderr) == (2, "", True)


def test_two_forms_at_once_are_wrong_usage(recorded: Path) -> None:
    assert diagnose(recorded / "case", "--json", "--markdown").exit_code == 2
