"""Metrics of whole nodes: failures counted and compared, full pools, services that fall silent."""

from collections.abc import Iterable

import numpy as np

from causal.diagnose import diagnose
from causal.evidence import Diagnosis, Fault, Window
from causal.signals import amounts, resources, silence
from causal.telemetry import Batch, Logs, Metrics, Spans, Telemetry
from causal.view import behold
from tests.causal.worlds import QUIET, T0, UNWELL, alert, metrics

CALLS = (("shopfront", "basket"), ("basket", "till"))
STEP = 10.0
Sample = tuple[float, str, str, float]


def seen(table: Metrics, calls: tuple[tuple[str, str], ...] = CALLS) -> Telemetry:
    late = table.time >= T0 + QUIET
    return Telemetry(
        baseline=Window(start=T0, end=T0 + QUIET),
        window=Window(start=T0 + QUIET, end=T0 + QUIET + UNWELL),
        quiet=Batch(Spans.none(), table.take(~late), Logs.none()),
        incident=Batch(Spans.none(), table.take(late), Logs.none()),
        calls=calls,
    )


def failing(
    failures: dict[str, list[float]], *, before: dict[str, float] | None = None, lag: float = 0.0
) -> list[Sample]:
    """Four hundred requests every ten seconds; so many fail in the incident's buckets, and before it."""
    table: list[Sample] = []
    for at in np.arange(T0, T0 + QUIET + UNWELL, STEP):
        for node in ("shopfront", "basket", "till"):
            late = at >= T0 + QUIET
            usual = (before or {}).get(node, 0.0)
            bad = failures.get(node, [usual] * 6)[int((at - T0 - QUIET) // STEP)] if late else usual
            table.append((at, node, "requests_Sum", 400.0))
            table.append((at + lag, node, "availability_Average", 100 * (1 - bad / 400)))
    return table


def verdict(samples: Iterable[Sample], calls: tuple[tuple[str, str], ...] = CALLS) -> Diagnosis:
    return diagnose(alert(signal="errors"), seen(metrics(list(samples)), calls))


def first(told: Diagnosis) -> str:
    assert told.first is not None
    return told.first.service


def raw(told: Diagnosis) -> float:
    assert told.first is not None
    return told.first.raw_probability


FEW = {node: [0.0, 3.0, 1.0, 0.0, 2.0, 0.0] for node in ("shopfront", "basket", "till")}
MANY = {node: [10.0 * k for k in course] for node, course in FEW.items()}


def test_a_few_failures_that_are_just_those_of_the_symptom_name_their_node() -> None:
    assert first(verdict(failing(FEW))) == "till"


def test_few_failures_make_a_diagnosis_less_sure_than_many() -> None:
    assert raw(verdict(failing(FEW))) < raw(verdict(failing(MANY)))


def test_a_node_that_always_fails_is_accused_of_nothing() -> None:
    told = verdict(failing({"shopfront": [20.0] * 6, "basket": [20.0] * 6}, before={"till": 200.0}))
    assert "till" not in {h.service for h in told.hypotheses}


def test_metrics_scraped_at_different_seconds_are_laid_side_by_side() -> None:
    assert first(verdict(failing(MANY, lag=1.0))) == "till"


def test_a_callee_with_a_tenth_of_the_failures_does_not_explain_its_caller() -> None:
    told = verdict(failing({"shopfront": [40.0] * 6, "basket": [40.0] * 6, "till": [4.0] * 6}))
    assert first(told) == "basket"


def test_a_symptom_whose_callees_are_not_measured_leaves_its_node_in_doubt() -> None:
    alone = [sample for sample in failing(MANY) if sample[1] == "shopfront"]
    told = verdict(alone)
    assert (first(told), raw(told) < 0.5) == ("shopfront", True)


def test_a_tail_of_latencies_is_nobodys_amount() -> None:
    table = [
        (at, node, name, 0.1 if at < T0 + QUIET else 1.0)
        for at in np.arange(T0, T0 + QUIET + UNWELL, STEP)
        for node in ("shopfront", "basket", "till")
        for name in ("latency_p99",)
    ]
    assert amounts.find(behold(alert(), seen(metrics(table)))) == ()


def pools(limit: float) -> list[Sample]:
    """Requests wait for a worker of basket, whose pool has so many in the incident; till is busy."""
    table: list[Sample] = []
    for at in np.arange(T0, T0 + QUIET + UNWELL, STEP / 2):
        late = at >= T0 + QUIET
        table.append((at, "basket", "pool.in_use", (min(limit, 8.0) if late else 2.0)))
        table.append((at, "basket", "pool.pending", 9.0 if late else 0.0))
        table.append((at, "basket", "pool.limit", limit if late else 8.0))
        table.append((at, "till", "process.cpu.utilization", 0.95 if late else 0.1))
    return table


def test_a_full_pool_without_spans_is_what_a_busy_callee_makes_of_it() -> None:
    assert first(verdict(pools(limit=8.0))) == "till"


def test_a_pool_that_has_shrunk_is_full_by_itself() -> None:
    full = resources.find(behold(alert(), seen(metrics(pools(limit=1.0)))))
    assert {a.signal for a in full if a.entity.service == "basket"} == {"pool"}


def reports(silent: str | None, until: float) -> list[Sample]:
    return [
        (at, node, "process.cpu.utilization", 0.1 + 0.01 * (at % 3))
        for at in np.arange(T0, T0 + QUIET + UNWELL, STEP / 2)
        for node in ("shopfront", "basket", "till")
        if node != silent or at < T0 + QUIET + until
    ]


def test_a_service_that_stops_reporting_is_said_to_be_unavailable() -> None:
    told = verdict(reports("till", until=10.0))
    assert told.first is not None
    assert (told.first.service, told.first.fault) == ("till", Fault.UNAVAILABLE)


def test_a_last_report_that_is_only_due_is_no_silence() -> None:
    assert silence.find(behold(alert(), seen(metrics(reports("till", until=UNWELL - STEP / 2))))) == ()


def test_a_service_that_was_never_regular_is_not_called_silent() -> None:
    rare = [s for s in reports("till", until=10.0) if s[1] != "till" or (s[0] - T0) % 60.0 == 0.0]
    assert silence.find(behold(alert(), seen(metrics(rare)))) == ()
