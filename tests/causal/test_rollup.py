import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causal.evidence import Window
from causal.rollup import Rollup, roll_up
from causal.telemetry import SpanKind, Spans
from tests.causal.streams import T0, stream
from tests.causal.worlds import Row, spans


def same(one: Rollup, other: Rollup) -> bool:
    return (one.names, one.calls) == (other.names, other.calls) and all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("service", "bucket", "n", "errors", "bin_row", "bin", "count")
    )


@settings(max_examples=15, deadline=None)
@given(cut=st.integers(0, 900), seed=st.integers(0, 50))
def test_two_parts_joined_are_the_whole(cut: int, seed: int) -> None:
    whole = stream(30.0, seed=seed)
    first = np.arange(len(whole)) < 3 * (cut // 3)  # a trace is never torn apart
    assert same(roll_up(whole.take(first)).join(roll_up(whole.take(~first))), roll_up(whole))


@settings(max_examples=10, deadline=None)
@given(seconds=st.integers(-10, 60))
def test_cutting_and_joining_again_restores_the_whole(seconds: int) -> None:
    whole = roll_up(stream(40.0))
    moment = float(T0 + seconds)
    assert same(whole.between(0.0, moment).join(whole.between(moment, float("inf"))), whole)


def test_an_empty_rollup_adds_nothing() -> None:
    whole = roll_up(stream(20.0))
    assert same(whole.join(Rollup.none()), whole)


def test_no_spans_make_an_empty_rollup() -> None:
    assert same(roll_up(Spans.none()), Rollup.none())


def test_buckets_of_different_length_cannot_be_joined() -> None:
    with pytest.raises(ValueError, match="cannot be added"):
        Rollup.none(5.0).join(Rollup.none(10.0))


def test_every_entry_span_is_counted_once() -> None:
    table = stream(20.0)
    assert roll_up(table).n.sum() == len(table)


def test_callers_and_callees_are_remembered() -> None:
    assert roll_up(stream(5.0)).calls == {("gateway", "cart"), ("cart", "payment")}


def test_a_request_counts_in_the_bucket_where_it_ends() -> None:
    row = Row("t", 1, -1, "slow", "POST", SpanKind.SERVER, T0 + 1.0, 12.0)
    assert roll_up(spans([row])).bucket.tolist() == [(T0 + 13) // 5]


def test_client_spans_are_no_entries() -> None:
    rows = [
        Row("t", 1, -1, "door", "POST", SpanKind.SERVER, float(T0), 0.1),
        Row("t", 2, 1, "door", "POST", SpanKind.CLIENT, float(T0), 0.1),
    ]
    assert roll_up(spans(rows)).n.tolist() == [1]


def test_spans_without_kinds_enter_where_the_service_changes() -> None:
    rows = [
        Row("t", 1, -1, "door", "a", SpanKind.UNSPECIFIED, float(T0), 0.1),
        Row("t", 2, 1, "door", "b", SpanKind.UNSPECIFIED, float(T0), 0.1),
        Row("t", 3, 2, "shop", "c", SpanKind.UNSPECIFIED, float(T0), 0.1),
    ]
    assert roll_up(spans(rows)).n.tolist() == [1, 1]


def test_buckets_that_an_incident_touched_can_be_left_out() -> None:
    whole = roll_up(stream(60.0))
    left = whole.outside([Window(start=T0 + 21.0, end=T0 + 33.0)])
    assert sorted({int(b * 5 - T0) for b in left.bucket}) == [0, 5, 10, 15, 35, 40, 45, 50, 55, 60][:10]
