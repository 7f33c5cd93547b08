"""Series about calls: whose clock they are, and what they tell where there are no spans."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causal.diagnose import diagnose
from causal.edge_series import edge_series, revealed
from causal.evidence import Diagnosis, Fault, Window
from causal.signals import edge_metrics
from causal.telemetry import Batch, Logs, Metrics, Spans, Telemetry
from causal.view import behold
from tests.causal.worlds import CHAIN, QUIET, T0, UNWELL, Ill, World, alert, metrics

STEP = 10.0
USUAL = {"shopfront": 0.10, "basket": 0.04, "search": 0.03, "till": 0.02}
CALLS = (("shopfront", "basket"), ("shopfront", "search"), ("basket", "till"))
Name = Callable[[str, str], str]
Plot = Mapping[str, float]


def colon(side: str, peer: str) -> str:
    return f"{side}_latency_p50(s):{peer}"


def label(side: str, peer: str) -> str:
    key = "server.address" if side == "source" else "client.name"
    return f"http.request.duration.mean{{{key}={peer},http.request.method=GET}}"


def samples(
    gaps: Plot, slow: Plot, *, silent: frozenset[str] = frozenset(), unit: float = 1.0, name: Name = colon
) -> Metrics:
    """What both ends of each call say every ten seconds; a gap is keyed by its callee."""
    dice, table = np.random.default_rng(5), []
    for at in np.arange(T0, T0 + QUIET + UNWELL, STEP):
        late = at >= T0 + QUIET
        took = {node: usual * dice.normal(1.0, 0.05) for node, usual in USUAL.items()}
        for node, extra in slow.items() if late else ():
            took[node] += extra
            took["shopfront"] += extra
        for caller, callee in CALLS:
            between = 0.002 * dice.normal(1.0, 0.1) + (gaps.get(callee, 0.0) if late else 0.0)
            told, heard = took[callee] + between, took[callee]
            if not (late and callee in silent):
                table.append((at + 1.0, caller, name("source", callee), told / unit))
            table.append((at, callee, name("destination", caller), heard / unit))
        table += [(at, node, "cpu.utilization", 0.2) for node in USUAL]
    return metrics(table)


def seen(table: Metrics, calls: tuple[tuple[str, str], ...] = CALLS) -> Telemetry:
    late = table.time >= T0 + QUIET
    return Telemetry(
        baseline=Window(start=T0, end=T0 + QUIET),
        window=Window(start=T0 + QUIET, end=T0 + QUIET + UNWELL),
        quiet=Batch(Spans.none(), table.take(~late), Logs.none()),
        incident=Batch(Spans.none(), table.take(late), Logs.none()),
        calls=calls,
    )


def verdict(table: Metrics, calls: tuple[tuple[str, str], ...] = CALLS) -> Diagnosis:
    return diagnose(alert(), seen(table, calls))


def first(told: Diagnosis) -> str:
    assert told.first is not None
    return told.first.service


@pytest.mark.parametrize("name", [colon, label])
def test_a_name_that_carries_another_service_tells_of_a_call(name: Name) -> None:
    assert revealed(edge_series(samples({}, {}, name=name), frozenset())) == frozenset(CALLS)


def test_a_known_call_settles_whose_clock_it_is_against_any_word() -> None:
    table = metrics([(T0, "basket", "client_latency:till", 0.1)])
    (one,) = edge_series(table, frozenset({("till", "basket")}))
    assert (one.caller, one.told_by_caller) == ("till", False)


def test_a_metric_that_counts_calls_is_not_taken_for_a_time() -> None:
    table = metrics([(T0, "basket", "http.client.request.duration.rate{server.address=till}", 4.0)])
    assert edge_series(table, frozenset({("basket", "till")})) == ()


def test_a_metric_about_nobody_else_tells_of_no_call() -> None:
    assert edge_series(metrics([(T0, "basket", "latency:basket", 0.1)]), frozenset(CALLS)) == ()


def test_quiet_clocks_accuse_nobody() -> None:
    assert edge_metrics.find(behold(alert(), seen(samples({}, {})))) == ()


def test_a_gap_between_two_clocks_names_the_callee() -> None:
    told = verdict(samples({"till": 0.2}, {}))
    assert told.first is not None
    assert (told.first.service, told.first.fault) == ("till", Fault.NETWORK_DELAY)


def test_gaps_to_all_callees_name_the_caller_once() -> None:
    assert first(verdict(samples({"basket": 0.2, "search": 0.2}, {}))) == "shopfront"


def test_a_time_that_its_own_calls_explain_is_not_a_services_own() -> None:
    slow = behold(alert(), seen(samples({"till": 0.2}, {"basket": 0.2})))
    own = {a.entity.service for a in edge_metrics.find(slow) if a.signal == "own_latency"}
    assert "basket" not in own


def test_a_service_that_is_slow_by_its_own_clock_is_named() -> None:
    assert first(verdict(samples({}, {"till": 0.3}))) == "till"


def test_a_call_that_is_no_longer_told_of_is_its_callers_doing() -> None:
    assert first(verdict(samples({}, {}, silent=frozenset({"search"})))) == "shopfront"


def test_calls_are_known_from_metrics_where_nothing_else_tells_them() -> None:
    view = behold(alert(), seen(samples({}, {}), calls=()))
    assert view.calls == frozenset(CALLS)


def test_where_both_ends_have_spans_their_metrics_are_not_asked() -> None:
    table = metrics(
        [
            (at, "basket", "latency:till", 0.02 if at < T0 + QUIET else 0.5)
            for at in np.arange(T0, T0 + QUIET + UNWELL, STEP)
        ]
    )
    told = World(CHAIN).telemetry({"till": Ill(slow=0.1)})
    late = table.time >= T0 + QUIET
    both = replace(
        told,
        quiet=replace(told.quiet, metrics=table.take(~late)),
        incident=replace(told.incident, metrics=table.take(late)),
    )
    assert edge_metrics.find(behold(alert(), both)) == ()


def test_milliseconds_and_seconds_give_the_same_verdict() -> None:
    def thousandths(side: str, peer: str) -> str:
        return f"{side}_latency_p50_ms:{peer}"

    told = [
        verdict(samples({"till": 0.2}, {}, unit=unit, name=name))
        for unit, name in ((1.0, colon), (1e-3, thousandths))
    ]
    ranks = [[(h.service, round(h.raw_probability, 6)) for h in one.hypotheses] for one in told]
    assert ranks[0] == ranks[1]


@settings(max_examples=15, deadline=None)
@given(st.permutations(["ada", "bob", "cyd", "dan"]), st.sampled_from(["basket", "search", "till"]))
def test_names_of_services_do_not_matter(names: list[str], ill: str) -> None:
    new = dict(zip(USUAL, names, strict=True))
    table = samples({ill: 0.2}, {})

    def renamed(text: str) -> str:
        head, colon_, peer = text.rpartition(":")
        return f"{head}{colon_}{new[peer]}" if colon_ else new.get(text, text)

    other = replace(
        table,
        service=replace(table.service, names=tuple(map(renamed, table.service.names))),
        metric=replace(table.metric, names=tuple(map(renamed, table.metric.names))),
    )
    calls = tuple((new[a], new[b]) for a, b in CALLS)
    before = verdict(table)
    after = diagnose(alert(new["shopfront"]), seen(other, calls))
    assert (first(after), after.first and round(after.first.raw_probability, 6)) == (
        new[first(before)],
        before.first and round(before.first.raw_probability, 6),
    )
