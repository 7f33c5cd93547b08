"""How systems fail: whose doing it is when several services show the trouble, and what only looks like it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from causal.diagnose import UNTAUGHT, diagnose, look
from causal.edges import edges
from causal.evidence import Anomaly, Change, Diagnosis, EntityKind, Fault, Hypothesis
from causal.held import held
from causal.network import MOST
from causal.suspects import findings, suspects
from causal.telemetry import Batch, Logs, Metrics, SpanKind, Telemetry
from causal.view import View, behold
from tests.causal.test_signals import addressed
from tests.causal.worlds import CHAIN, FORK, QUIET, T0, UNWELL, Ill, Row, World, alert, metrics, telemetry

ONSET = T0 + QUIET
SURE = 0.8


def commit(service: str, before: float, previous: str | None = "0000") -> Change:
    at = ONSET - before
    return Change(
        id="ab12cd34ef", kind="config", service=service, at=at, repository="config", previous=previous
    )


def first(verdict: Diagnosis) -> Hypothesis:
    assert verdict.first is not None
    return verdict.first


def slow_till(*changes: Change) -> Hypothesis:
    return first(diagnose(alert(), World(CHAIN).telemetry({"till": Ill(slow=0.3)}, changes=changes)))


def test_the_first_commit_of_a_repository_is_no_cause() -> None:
    assert slow_till(commit("till", 3.0, previous=None)).fault is Fault.LATENCY


def test_an_old_commit_does_not_name_the_fault() -> None:
    assert slow_till(commit("till", 150.0)).fault is Fault.LATENCY


def test_a_commit_just_before_the_onset_names_the_fault() -> None:
    assert slow_till(commit("till", 3.0)).entity.kind is EntityKind.CHANGE


def test_a_commit_within_the_bucket_of_the_onset_names_the_fault() -> None:
    assert slow_till(commit("till", -8.0)).fault is Fault.CONFIG_CHANGE


def prior(changes: Sequence[Change]) -> float:
    view = behold(alert(), World(CHAIN).telemetry({"till": Ill(slow=0.3)}, changes=changes))
    people = suspects(view, findings(look(view)), UNTAUGHT, MOST)
    return next(person.prior for person in people if person.service == "till")


def test_a_commit_that_touches_many_services_accuses_each_less() -> None:
    assert prior([commit(service, 3.0) for service in CHAIN]) < 0.5 * prior([commit("till", 3.0)])


def test_an_old_commit_hardly_raises_the_prior() -> None:
    assert prior([commit("till", 180.0)]) < 1.5 * prior([])


def half_fail(quiet: float = 100.0, every: float = 0.1) -> Telemetry:
    """A gateway that passes on what its cart answers; the cart fails every second request by itself."""
    rows = []
    for number in range(int((quiet + 32.0) / every)):
        at = ONSET - quiet + number * every
        bad = at >= ONSET and number % 2 == 0
        for service, span, parent, kind, offset, length in (
            ("gateway", 1, -1, SpanKind.SERVER, 0.0, 0.030),
            ("gateway", 2, 1, SpanKind.CLIENT, 0.002, 0.026),
            ("cart", 3, 2, SpanKind.SERVER, 0.004, 0.022),
        ):
            rows.append(
                Row(f"t{number}", span, parent, service, "POST /cart", kind, at + offset, length, bad)
            )
    return telemetry(rows)


def test_a_callee_whose_failures_are_passed_on_is_nearly_certain() -> None:
    hypothesis = first(diagnose(alert("gateway", "errors"), half_fail()))
    assert (hypothesis.service, hypothesis.raw_probability >= 0.9) == ("cart", True)


def test_a_clear_cause_stays_likely_with_little_quiet_time() -> None:
    assert first(diagnose(alert("gateway", "errors"), half_fail(quiet=50.0))).probability >= 0.85


def sometimes(ills: dict[str, Ill]) -> Telemetry:
    """A shopfront whose requests call a basket every other time."""
    calling = World({"shopfront": ("basket",), "basket": ()}).rows(ills)
    alone = World({"shopfront": ()}).rows(ills, seed=2)
    return telemetry(calling + [replace(row, trace=f"alone-{row.trace}") for row in alone])


def test_calls_that_a_dead_callee_swallows_are_no_change_of_its_caller() -> None:
    found = look(behold(alert(signal="errors"), sometimes({"basket": Ill(dead=True)})))
    assert "structure" not in {anomaly.signal for anomaly in found}


def test_a_dead_callee_at_its_usual_address_is_nearly_certain() -> None:
    told = addressed(World(CHAIN).rows({"till": Ill(dead=True)}), "till")
    hypothesis = first(diagnose(alert(signal="errors"), told))
    assert (hypothesis.service, hypothesis.probability >= SURE) == ("till", True)


def redirected() -> Telemetry:
    """In the incident the basket asks the search, which it never did, and fails over the answer."""
    calm = {"shopfront": ("basket", "search"), "basket": ("till",), "till": (), "search": ()}
    quiet = [row for row in World(calm).rows({}) if row.start < ONSET]
    sick = [row for row in World({**calm, "basket": ("search",)}).rows({}) if row.start >= ONSET]
    astray = {row.trace for row in sick if row.service == "basket"}
    asked = {"basket", "shopfront"}
    return telemetry(
        quiet
        + [replace(row, failed=True) if row.trace in astray and row.service in asked else row for row in sick]
    )


def test_failed_calls_to_a_service_never_called_before_are_the_callers_doing() -> None:
    assert first(diagnose(alert(signal="errors"), redirected())).service == "basket"


def cut(seconds: float) -> Telemetry:
    """In the incident the basket gives its calls up after so many seconds; the till works as ever."""
    rows = World(CHAIN, work=0.1).rows({})
    told = [
        replace(row, seconds=seconds if row.operation == "call till" else row.seconds, failed=True)
        if row.start >= ONSET and (row.operation == "call till" or fails(row))
        else row
        for row in rows
    ]
    return telemetry(told)


def fails(row: Row) -> bool:
    return row.service != "till" and row.kind is SpanKind.SERVER


def test_a_caller_that_gives_up_sooner_than_good_calls_took_is_the_cause() -> None:
    hypothesis = first(diagnose(alert(signal="errors"), cut(0.02)))
    assert (hypothesis.service, hypothesis.probability >= SURE) == ("basket", True)


def seen(world: World, ills: dict[str, Ill]) -> View:
    return behold(alert(), world.telemetry(ills))


def test_workers_that_wait_for_a_slow_callee_are_held() -> None:
    assert "basket" in held(seen(World(CHAIN), {"till": Ill(slow=1.0)}))


def test_workers_whose_calls_are_quick_are_not_held() -> None:
    assert "basket" not in held(seen(World(CHAIN), {"basket": Ill(queue=1.0)}))


def test_refused_requests_before_a_slow_callee_are_the_callees_doing() -> None:
    ills = {"till": Ill(slow=1.0), "basket": Ill(queue=3.0, fails=0.5)}
    hypothesis = first(diagnose(alert(signal="errors"), World(CHAIN).telemetry(ills)))
    assert hypothesis.service == "till"


def test_a_caller_that_repeats_its_calls_floods_the_callee() -> None:
    view = seen(World(CHAIN), {"basket": Ill(repeats=3)})
    assert ("basket", "till") in edges(view).flooded


def with_metric(ills: dict[str, Ill], service: str, metric: str, now: float, usual: float) -> Telemetry:
    full = World(CHAIN).telemetry(ills)
    moments = np.arange(T0, T0 + QUIET + UNWELL, 5.0)
    levels = [now if at >= ONSET else usual * (1 + 0.02 * (i % 5)) for i, at in enumerate(moments)]
    table = metrics([(at, service, metric, level) for at, level in zip(moments, levels, strict=True)])
    late = table.time >= ONSET
    return replace(
        full,
        quiet=Batch(full.quiet.spans, table.take(~late), Logs.none()),
        incident=Batch(full.incident.spans, table.take(late), Logs.none()),
    )


STALLED = {"basket": Ill(deaf=0.3), "till": Ill(deaf=0.3)}


def test_gaps_into_and_out_of_a_service_are_its_own_standstill() -> None:
    told = with_metric(STALLED, "basket", "process.cpu.utilization", 0.25, 0.03)
    hypothesis = first(diagnose(alert(), told))
    assert (hypothesis.service, hypothesis.fault) == ("basket", Fault.CPU)


def resource(told: Telemetry) -> Anomaly:
    return next(a for a in look(behold(alert(), told)) if a.entity.kind is EntityKind.RESOURCE)


def test_a_multiple_of_the_usual_use_counts_far_below_capacity() -> None:
    anomaly = resource(with_metric({}, "basket", "process.cpu.utilization", 0.2, 0.02))
    assert anomaly.log_bayes_factor > 5.0


def test_use_is_measured_against_the_limit_that_a_service_tells() -> None:
    told = with_metric({}, "basket", "process.memory.usage", 150.0, 50.0)
    limits = metrics([(T0 + 5 * i, "basket", "process.memory.limit", 200.0) for i in range(4)])
    joined = joined_metrics(told.quiet.metrics, limits)
    told = replace(told, quiet=replace(told.quiet, metrics=joined))
    assert resource(told).amount == pytest.approx(0.5, abs=0.05)


def joined_metrics(one: Metrics, other: Metrics) -> Metrics:
    samples = [
        (float(at), service or "", metric or "", float(value))
        for table in (one, other)
        for at, service, metric, value in zip(
            table.time, table.service.values(), table.metric.values(), table.value, strict=True
        )
    ]
    return metrics(samples)


def test_one_of_two_equal_causes_is_not_preferred() -> None:
    ills = {"basket": Ill(slow=0.3), "search": Ill(slow=0.3)}
    chances = [h.probability for h in diagnose(alert(), World(FORK).telemetry(ills)).hypotheses[:2]]
    assert max(chances) < 0.7
