from typing import Any

import numpy as np
import pytest

from causal.forest import plant
from causal.telemetry import SpanKind, Spans
from tests.causal.worlds import T0, Row, spans


def row(span: int, parent: int, service: str, start: float, *more: Any) -> Row:
    seconds, kind = more
    return Row("t", span, parent, service, f"op{span}", kind, T0 + start, seconds)


SERVER, CLIENT, INTERNAL = SpanKind.SERVER, SpanKind.CLIENT, SpanKind.INTERNAL


def test_exclusive_time_is_what_the_children_do_not_cover() -> None:
    rows = [
        row(1, -1, "a", 0.0, 1.0, SERVER),
        row(2, 1, "a", 0.1, 0.4, INTERNAL),
        row(3, 1, "a", 0.3, 0.4, INTERNAL),
    ]
    assert plant(spans(rows)).busy[0] == pytest.approx(0.4, abs=1e-6)


def test_children_that_outlive_their_parent_count_until_its_end() -> None:
    rows = [row(1, -1, "a", 0.0, 1.0, SERVER), row(2, 1, "a", 0.5, 9.0, INTERNAL)]
    assert plant(spans(rows)).busy[0] == pytest.approx(0.5, abs=1e-6)


def test_a_server_with_a_wrong_clock_is_put_inside_its_client() -> None:
    rows = [row(1, -1, "a", 0.0, 1.0, CLIENT), row(2, 1, "b", 600.0, 0.8, SERVER)]
    assert plant(spans(rows)).busy[0] == pytest.approx(0.2, abs=1e-6)


def test_a_service_with_a_wrong_clock_is_named() -> None:
    rows = [row(1, -1, "a", 0.0, 1.0, CLIENT), row(2, 1, "b", 600.0, 0.8, SERVER)]
    assert plant(spans(rows)).skewed == {"b"}


def test_a_segment_is_one_service_within_one_trace() -> None:
    rows = [
        row(1, -1, "a", 0.0, 1.0, SERVER),
        row(2, 1, "a", 0.1, 0.8, CLIENT),
        row(3, 2, "b", 0.2, 0.6, SERVER),
        row(4, 3, "b", 0.3, 0.1, INTERNAL),
    ]
    assert plant(spans(rows)).segment.tolist() == [0, 0, 2, 2]


def test_spans_of_a_parent_cycle_become_roots() -> None:
    rows = [row(1, 2, "a", 0.0, 1.0, SERVER), row(2, 1, "a", 0.0, 1.0, INTERNAL)]
    assert plant(spans(rows)).parent.tolist() == [-1, -1]


def test_spans_of_a_parent_cycle_are_counted() -> None:
    rows = [row(1, 2, "a", 0.0, 1.0, SERVER), row(2, 1, "a", 0.0, 1.0, INTERNAL)]
    assert plant(spans(rows)).cycles == 2


def test_equal_span_ids_in_other_traces_are_no_parents() -> None:
    rows = [row(1, -1, "a", 0.0, 1.0, SERVER), Row("u", 2, 1, "b", "op", SERVER, T0, 0.5)]
    assert plant(spans(rows)).parent.tolist() == [-1, -1]


def test_a_chain_of_a_thousand_spans_has_one_root() -> None:
    rows = [row(i, i - 1 if i else -1, "a", 0.0, 1.0, INTERNAL) for i in range(1000)]
    assert set(plant(spans(rows)).root.tolist()) == {0}


def test_no_spans_make_an_empty_forest() -> None:
    assert len(plant(Spans.none()).busy) == 0


def test_exclusive_times_add_up_to_the_root_where_calls_are_sequential() -> None:
    rows = [
        row(1, -1, "a", 0.0, 1.0, SERVER),
        row(2, 1, "a", 0.2, 0.3, CLIENT),
        row(3, 2, "b", 0.25, 0.2, SERVER),
    ]
    assert float(np.sum(plant(spans(rows)).busy)) == pytest.approx(1.0, abs=1e-6)
