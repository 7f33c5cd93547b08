"""Each signal where it stands alone: metrics only, logs only, one run of agents, addresses that changed."""

import json
from dataclasses import replace

import numpy as np

from causal.diagnose import diagnose, look
from causal.evidence import Diagnosis, Fault, Window
from causal.telemetry import Batch, Column, Logs, Metrics, SpanKind, Spans, Telemetry
from causal.view import behold
from tests.causal.worlds import CHAIN, QUIET, T0, UNWELL, Ill, Row, World, alert, metrics, spans, telemetry

CALLS = (("shopfront", "basket"), ("basket", "till"), ("shopfront", "hop"), ("hop", "basket"))
STEP = 10.0


def seen(quiet: Batch, incident: Batch, calls: tuple[tuple[str, str], ...] = ()) -> Telemetry:
    return Telemetry(
        baseline=Window(start=T0, end=T0 + QUIET),
        window=Window(start=T0 + QUIET, end=T0 + QUIET + UNWELL),
        quiet=quiet,
        incident=incident,
        calls=calls,
    )


def golden(failing: dict[str, float]) -> Telemetry:
    """Requests and availability of four nodes, every ten seconds; some fail in the incident."""
    busy = {"shopfront": 400.0, "basket": 400.0, "till": 400.0, "hop": 20.0}
    samples = []
    for at in np.arange(T0, T0 + QUIET + UNWELL, STEP):
        for node, requests in busy.items():
            bad = failing.get(node, 0.0) if at >= T0 + QUIET else 0.002
            samples += [
                (at, node, "requests_Sum", requests),
                (at, node, "availability_Average", 100 * (1 - bad)),
            ]
    table = metrics(samples)
    late = table.time >= T0 + QUIET
    return seen(
        Batch(Spans.none(), table.take(~late), Logs.none()),
        Batch(Spans.none(), table.take(late), Logs.none()),
        CALLS,
    )


def first(verdict: Diagnosis) -> str:
    assert verdict.first is not None
    return verdict.first.service


def test_metrics_alone_name_the_node_whose_callees_do_not_explain_it() -> None:
    failing = {"shopfront": 0.3, "basket": 0.3, "till": 0.3}
    assert first(diagnose(alert(signal="errors"), golden(failing))) == "till"


def test_a_hop_with_a_high_rate_but_a_small_amount_is_not_the_cause() -> None:
    failing = {"shopfront": 0.3, "basket": 0.3, "hop": 0.9}
    assert first(diagnose(alert(signal="errors"), golden(failing))) == "basket"


def test_metrics_alone_are_said_to_lack_traces() -> None:
    assert "there are no traces" in diagnose(alert(), golden({"till": 0.3})).missing_evidence


def lines(service: str, texts: dict[bool, str], every: float = 1.0) -> Logs:
    moments = np.arange(T0, T0 + QUIET + UNWELL, every)
    late = moments >= T0 + QUIET
    return Logs(
        time_ns=(moments * 1e9).astype(np.int64),
        service=Column.of([service] * len(moments)),
        instance=Column.of([None] * len(moments)),
        severity=Column.of(["info"] * len(moments)),
        trace=Column.of([None] * len(moments)),
        body=Column.of([f"{texts[bool(flag)]} in {i} ms" for i, flag in enumerate(late)]),
    )


def logged(logs: Logs) -> Telemetry:
    late = logs.time_ns >= int((T0 + QUIET) * 1e9)
    return seen(
        Batch(Spans.none(), Metrics.none(), logs.take(~late)),
        Batch(Spans.none(), Metrics.none(), logs.take(late)),
    )


def test_logs_alone_name_the_service_whose_lines_changed() -> None:
    told = logged(lines("till", {False: "charged card", True: "card refused"}))
    assert first(diagnose(alert(None, "unknown"), told)) == "till"


def test_values_in_log_lines_do_not_make_them_new() -> None:
    told = logged(lines("till", {False: "charged card", True: "charged card"}))
    assert look(behold(alert(None, "unknown"), told)) == ()


def test_a_metric_that_several_services_share_accuses_none_of_them() -> None:
    samples = []
    for at in np.arange(T0, T0 + QUIET + UNWELL, 5.0):
        level = 0.9 if at >= T0 + QUIET else 0.1 + 0.001 * (at % 7)
        samples += [(at, service, "cpu.utilization", level) for service in CHAIN]
    table = metrics(samples)
    late = table.time >= T0 + QUIET
    told = seen(
        Batch(Spans.none(), table.take(~late), Logs.none()),
        Batch(Spans.none(), table.take(late), Logs.none()),
    )
    assert diagnose(alert(None), told).hypotheses == ()


def addressed(rows: list[Row], now: str) -> Telemetry:
    """Client spans of basket to till carry an address, another one in the incident."""
    texts: list[str | None] = []
    for row in rows:
        usual = "till" if row.start < T0 + QUIET else now
        texts.append(json.dumps({"server.address": usual}) if row.operation == "call till" else None)
    table = replace(spans(rows), attributes=Column.of(texts))
    late = table.start_ns >= int((T0 + QUIET) * 1e9)
    return seen(
        Batch(table.take(~late), Metrics.none(), Logs.none()),
        Batch(table.take(late), Metrics.none(), Logs.none()),
    )


def test_calls_to_an_address_that_nobody_has_are_the_callers_doing() -> None:
    rows = World(CHAIN).rows({"till": Ill(dead=True)})
    assert first(diagnose(alert(signal="errors"), addressed(rows, "till-old"))) == "basket"


def test_calls_to_the_usual_address_that_nobody_answers_are_the_callees_doing() -> None:
    rows = World(CHAIN).rows({"till": Ill(dead=True)})
    assert first(diagnose(alert(signal="errors"), addressed(rows, "till"))) == "till"


def turns(texts: list[tuple[str, str]]) -> Telemetry:
    """One failed run of a team of agents, with nothing to compare it to."""
    rows = [Row("run", 0, -1, "team", "invoke_agent team", SpanKind.INTERNAL, T0 + QUIET, 50.0, failed=True)]
    said: list[str | None] = [json.dumps({"gen_ai.operation.name": "invoke_agent"})]
    for step, (agent, text) in enumerate(texts, start=1):
        rows.append(Row("run", step, 0, agent, f"chat {agent}", SpanKind.CLIENT, T0 + QUIET + step, 1.0))
        said.append(json.dumps({"gen_ai.operation.name": "chat", "gen_ai.output.messages": text}))
    table = replace(spans(rows), attributes=Column.of(said))
    return seen(Batch.none(), Batch(table, Metrics.none(), Logs.none()))


RUN = [("planner", "Here is the plan."), ("coder", "Let us assume the value is 7."), ("critic", "Fine.")]


def test_in_a_single_run_the_agent_that_makes_things_up_is_suspected_first() -> None:
    verdict = diagnose(alert("team", "task_failure"), turns(RUN))
    assert first(verdict) == "coder"


def test_a_single_run_gives_no_high_probability() -> None:
    verdict = diagnose(alert("team", "task_failure"), turns(RUN))
    assert all(h.probability < 0.7 for h in verdict.hypotheses)


def answered(bad: float) -> Telemetry:
    """An agent whose answers are evaluated, some of them as failed in the incident."""
    dice, rows, said = np.random.default_rng(3), [], []
    for number in range(300):
        start = T0 + number * (QUIET + UNWELL) / 300
        share = bad if start >= T0 + QUIET else 0.02
        label = "fail" if dice.random() < share else "pass"
        event = {"name": "gen_ai.evaluation.result", "gen_ai.evaluation.score.label": label}
        rows.append(Row(f"t{number}", 1, -1, "helper", "invoke_agent helper", SpanKind.SERVER, start, 0.2))
        said.append(json.dumps({"gen_ai.agent.name": "helper", "events": [event]}))
    full = telemetry(rows)
    table = replace(spans(rows), attributes=Column.of(said))
    late = table.start_ns >= int((T0 + QUIET) * 1e9)
    return replace(
        full,
        quiet=Batch(table.take(~late), Metrics.none(), Logs.none()),
        incident=Batch(table.take(late), Metrics.none(), Logs.none()),
    )


def test_answers_that_are_judged_worse_are_bad_output() -> None:
    verdict = diagnose(alert("helper", "task_failure"), answered(0.6))
    assert verdict.first is not None
    assert (verdict.first.service, verdict.first.fault) == ("helper", Fault.BAD_OUTPUT)


def test_answers_that_are_as_good_as_ever_accuse_nobody() -> None:
    assert diagnose(alert("helper", "task_failure"), answered(0.02)).hypotheses == ()
