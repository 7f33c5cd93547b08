"""Who is at fault where calls get no answer: the one whom many lose, or the one who asks."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from causal.diagnose import UNTAUGHT, diagnose, look
from causal.evidence import Diagnosis, Fault
from causal.forest import plant
from causal.lost import lost
from causal.network import MOST
from causal.presumed import presumed
from causal.suspects import findings, suspects
from causal.telemetry import Batch, SpanKind, Telemetry
from causal.view import behold
from tests.causal.worlds import CHAIN, COLLIDER, QUIET, T0, UNWELL, Ill, Row, World, alert, metrics, telemetry

DEAD = Ill(dead=True)
STOCK_LIVES_ON = [(T0 + second, "stock", "process.cpu.utilization", 0.1) for second in range(300)]


def reporting(played: Telemetry) -> Telemetry:
    """The same, while the metrics of stock go on."""
    both = [[s for s in STOCK_LIVES_ON if (s[0] >= T0 + QUIET) == late] for late in (False, True)]
    calm, sick = (metrics(samples) for samples in both)
    return replace(
        played,
        quiet=Batch(played.quiet.spans, calm, played.quiet.logs),
        incident=Batch(played.incident.spans, sick, played.incident.logs),
    )


def only_servers(rows: Sequence[Row]) -> Telemetry:
    """The same requests, recorded by servers alone."""
    above = {(row.trace, row.span): row.parent for row in rows if row.kind is SpanKind.CLIENT}
    kept = [row for row in rows if row.kind is SpanKind.SERVER]
    return telemetry([replace(row, parent=above.get((row.trace, row.parent), row.parent)) for row in kept])


def lost_by_basket_alone() -> Telemetry:
    """Stock answers search; what basket asks of it since the onset arrives nowhere."""
    rows = World(COLLIDER).rows({})
    asked = {
        (row.trace, row.span)
        for row in rows
        if (row.service, row.operation) == ("basket", "call stock") and row.trace.startswith("sick")
    }
    gone = {(row.trace, row.span) for row in rows if (row.trace, row.parent) in asked}
    left = [row for row in rows if (row.trace, row.span) not in gone and (row.trace, row.parent) not in gone]
    return telemetry([replace(row, failed=(row.trace, row.span) in asked) for row in left])


def verdict(played: Telemetry) -> Diagnosis:
    return diagnose(alert(signal="errors"), played)


def raw(told: Diagnosis, service: str) -> float:
    return next((h.raw_probability for h in told.hypotheses if h.service == service), 0.0)


def test_who_loses_two_callers_at_once_is_gone_whatever_its_metrics_say() -> None:
    told = verdict(reporting(World(COLLIDER).telemetry({"stock": DEAD})))
    assert raw(told, "stock") >= 0.8


def test_who_answers_nobody_is_called_unavailable_though_its_metrics_go_on() -> None:
    first = verdict(reporting(World(COLLIDER).telemetry({"stock": DEAD}))).first
    assert first is not None
    assert first.fault is Fault.UNAVAILABLE


def test_the_calls_that_it_leaves_unanswered_do_not_speak_against_a_dead_service() -> None:
    first = verdict(reporting(World(COLLIDER).telemetry({"stock": DEAD}))).first
    assert first is not None
    assert {e.signal for e in first.against}.isdisjoint({"unanswered", "silence"})


def test_who_answers_others_is_not_blamed_by_the_one_who_cannot_reach_it() -> None:
    told = verdict(lost_by_basket_alone())
    assert raw(told, "basket") > 0.5 > raw(told, "stock")


def test_losses_are_shares_of_the_calls_of_a_pair() -> None:
    shares = lost(behold(alert(), lost_by_basket_alone())).shares
    assert (shares["basket", "stock"], shares["search", "stock"]) == (1.0, 0.0)


def test_where_servers_alone_tell_a_silent_callee_of_two_is_named() -> None:
    told = verdict(only_servers(World(COLLIDER).rows({"stock": DEAD})))
    assert raw(told, "stock") >= 0.8


def test_where_servers_alone_tell_a_caller_that_fails_by_itself_is_named() -> None:
    told = verdict(only_servers(World(COLLIDER).rows({"basket": Ill(fails=0.6)})))
    assert raw(told, "basket") >= 0.6


def test_one_caller_that_loses_its_one_callee_shares_the_blame_with_it() -> None:
    told = verdict(only_servers(World(CHAIN).rows({"till": DEAD})))
    assert min(raw(told, "till"), raw(told, "basket")) >= 0.25


def test_requests_that_hold_all_their_calls_have_none_presumed() -> None:
    spans = only_servers(World(COLLIDER).rows({})).quiet.spans
    late = np.arange(len(spans)) >= len(spans) // 2
    assert presumed(plant(spans), late)[0] is spans


def test_where_callers_record_their_calls_none_is_presumed() -> None:
    spans = behold(alert(), World(COLLIDER).telemetry({"stock": DEAD})).spans
    late = spans.start_ns >= int((T0 + QUIET) * 1e9)
    assert presumed(plant(spans), late)[0] is spans


@pytest.mark.parametrize("services", [10, 1000])
def test_one_fault_is_expected_however_many_services_there_are(services: int) -> None:
    names = [f"s{number}" for number in range(services)]
    samples = [(T0 + QUIET + UNWELL / 2, name, "cpu", 0.1) for name in names]
    played = World(CHAIN).telemetry({"till": Ill(slow=0.3)})
    view = behold(
        alert(None),
        replace(played, incident=Batch(played.incident.spans, metrics(samples), played.incident.logs)),
    )
    people = suspects(view, findings(look(view)), UNTAUGHT, MOST)
    assert max(person.prior for person in people) <= min(0.01, 1 / services)
