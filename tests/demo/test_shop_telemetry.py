"""What a small shop of real processes tells while it is healthy."""

import time

from demo.config_repository import ConfigRepository
from tests.demo.small_shop import Open


def test_a_server_span_is_the_child_of_its_callers_client_span(small: Open) -> None:
    served = small.heard.wait_for(
        lambda: [s for s in small.heard.spans_of("store", "POST /get") if s.parent]
    )[0]
    asked = small.heard.parent(served)
    assert (asked.service, asked.kind, asked.trace) in {
        (service, "client", served.trace) for service in ("door", "guide")
    }


def test_a_client_span_names_whom_it_calls(small: Open) -> None:
    attributes = small.heard.span("door", "POST /get").attributes
    assert (attributes["server.address"], attributes["http.response.status_code"]) == ("store", 200)


def test_waiting_for_a_worker_is_the_services_own_time(small: Open) -> None:
    waiting = small.heard.span("store", "wait for worker")
    assert (waiting.kind, small.heard.parent(waiting).name) == ("internal", "POST /get")


def test_traces_begin_at_the_door(small: Open) -> None:
    assert small.heard.span("door", "POST /enter").parent == b""


def test_a_resource_names_the_revision_of_its_configuration(small: Open) -> None:
    resource = small.heard.span("store", "POST /get", time.time()).resource
    commit = ConfigRepository(small.folder.config).last_change(["services/store.yaml"])
    assert (resource["vcs.ref.head.revision"], resource["service.version"]) == (commit, commit[:10])


def test_telemetry_is_sent_zipped_and_with_the_token(small: Open) -> None:
    small.heard.span("store", "POST /get")
    sent = small.heard.headers[0]
    assert (sent["authorization"], sent["content-encoding"], sent["content-type"]) == (
        "Bearer sesame",
        "gzip",
        "application/x-protobuf",
    )


def test_processes_measure_themselves(small: Open) -> None:
    expected = {
        "process.cpu.utilization",
        "process.memory.usage",
        "process.memory.limit",
        "pool.in_use",
        "pool.limit",
        "pool.pending",
    }
    assert small.heard.wait_for(
        lambda: expected <= {p.metric for p in small.heard.points if p.service == "door"}
    )


def test_logs_belong_to_the_trace_they_were_written_in(small: Open) -> None:
    line = small.heard.wait_for(
        lambda: [log for log in small.heard.logs if log.body.startswith("get done in")]
    )[0]
    assert small.heard.wait_for(
        lambda: [s for s in small.heard.spans_of("store", "POST /get") if s.trace == line.trace]
    )


def test_a_chat_span_tells_model_tokens_and_prompt(small: Open) -> None:
    attributes = small.heard.span("guide", "chat brain-small-1").attributes
    assert attributes["gen_ai.usage.output_tokens"] > 0
    assert {
        key: attributes[key] for key in attributes if key.startswith("gen_ai.") and "usage" not in key
    } == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "scripted",
        "gen_ai.agent.name": "guide",
        "gen_ai.request.model": "brain-small-1",
        "gen_ai.response.model": "brain-small-1",
        "gen_ai.response.finish_reasons": attributes["gen_ai.response.finish_reasons"],
        "gen_ai.prompt.version": "v1",
    }


def test_a_tool_has_a_span_around_its_call(small: Open) -> None:
    tool = small.heard.span("guide", "execute_tool get")
    called = small.heard.wait_for(
        lambda: [s for s in small.heard.spans_of("guide", "POST /get") if s.parent == tool.id]
    )
    assert called[0].attributes["server.address"] == "store"


def test_an_answer_is_rated_by_an_event(small: Open) -> None:
    ((name, said),) = small.heard.span("guide", "invoke_agent guide").events
    assert (name, said["gen_ai.evaluation.score.label"]) == ("gen_ai.evaluation.result", "pass")
