from benchmarks.shortcuts import (
    busiest,
    callee_self_time,
    first_speaker,
    highest_cpu,
    last_speaker,
    vanished_line,
)
from tests.benchmarks.made_up import incident, line, sample, span


def _talk() -> list[dict[str, object]]:
    return [
        dict(span("t", "root", None, "team", 1001, 20)),
        dict(span("t", "a", "root", "amber", 1002, 1)),
        dict(span("t", "b", "root", "beryl", 1004, 1)),
        dict(span("t", "c", "root", "beryl", 1006, 1)),
        dict(span("t", "d", "root", "coral", 1008, 1)),
    ]


def test_the_busiest_service_has_most_spans() -> None:
    assert busiest(*incident(_talk()))[0] == "beryl"


def test_without_spans_the_busiest_has_most_log_records() -> None:
    assert busiest(
        *incident(logs=[line("amber", 1001, "x"), line("beryl", 1001, "x"), line("beryl", 1002, "x")])
    ) == [
        "beryl",
        "amber",
    ]


def test_the_first_speaker_is_not_who_opened_the_trace() -> None:
    assert first_speaker(*incident(_talk())) == ["amber", "beryl", "coral"]


def test_the_last_speaker_began_last() -> None:
    assert last_speaker(*incident(_talk())) == ["coral", "beryl", "amber"]


def _call(at: float, wait: float) -> list[dict[str, object]]:
    trace = f"t{at}"
    return [
        dict(span(trace, "a", None, "amber", at, 1.0 + wait)),
        dict(span(trace, "b", "a", "amber", at, 0.5 + wait, kind="client")),
        dict(span(trace, "c", "b", "beryl", at, 0.4)),
    ]


def test_a_wait_between_two_services_is_the_callees() -> None:
    rows = [*_call(910, 0.0), *_call(1010, 3.0)]
    assert callee_self_time(*incident(rows))[0] == "beryl"


def test_a_line_that_is_gone_names_its_service_whatever_numbers_it_holds() -> None:
    quiet = [line(name, 900 + i, f"order {i} done") for name in ("amber", "beryl") for i in range(20)]
    now = [line("beryl", 1000 + i, f"order {700 + i} done") for i in range(20)]
    assert vanished_line(*incident(logs=[*quiet, *now]))[0] == "amber"


def test_without_quiet_lines_nothing_can_vanish() -> None:
    assert vanished_line(*incident(logs=[line("amber", 1001, "hello")])) == []


def test_the_highest_cpu_is_a_share_and_not_the_hosts() -> None:
    metrics = [
        sample("amber", "CpuUsage(m)", 1001, 900),
        sample("amber", "CpuUsageRate(%)", 1001, 20),
        sample("beryl", "CpuUsageRate(%)", 1001, 90),
        sample("coral", "NodeCpuUsageRate(%)", 1001, 99),
    ]
    assert highest_cpu(*incident(metrics=metrics)) == ["beryl", "amber"]
