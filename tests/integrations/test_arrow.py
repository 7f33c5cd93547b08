"""Telemetry as Arrow tables: laws of the way into the engine's columns."""

from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from causal.telemetry import MISSING
from integrations.arrow import METRICS, ArrowBatch, concat, distinct_spans, from_arrow, to_arrow
from tests.integrations.telemetry_examples import span_row, traces

ids = st.sampled_from(["a", "b", "c", "ffffffffffffffff", "0" * 16])
words = st.none() | st.text(max_size=4)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "trace_id": ids,
            "span_id": ids,
            "parent_span_id": st.none() | ids,
            "service": st.text(max_size=3),
            "instance": words,
            "kind": st.sampled_from([None, "server", "client", "internal"]),
            "status": st.sampled_from(["unset", "ok", "error"]),
            "attributes": words,
        }
    ),
    max_size=8,
)


def batch(spans: list[dict[str, Any]]) -> ArrowBatch:
    return traces([span_row(1, 1, **fields) for fields in spans])


@given(rows)
def test_span_numbers_are_equal_exactly_where_ids_are(spans: list[dict[str, Any]]) -> None:
    found = from_arrow(batch(spans)).spans
    texts = [span["span_id"] for span in spans] + [span["parent_span_id"] for span in spans]
    numbers = found.span.tolist() + found.parent.tolist()
    assert len(set(zip(texts, numbers, strict=True))) == len(set(texts)) == len(set(numbers))


@given(rows)
def test_only_a_root_has_the_parent_minus_one(spans: list[dict[str, Any]]) -> None:
    found = from_arrow(batch(spans)).spans
    assert [parent == MISSING for parent in found.parent] == [
        span["parent_span_id"] is None for span in spans
    ]


@given(rows)
def test_all_but_the_ids_survives_the_way_there_and_back(spans: list[dict[str, Any]]) -> None:
    there = batch(spans)
    again = to_arrow(from_arrow(there))
    free = ["span_id", "parent_span_id"]
    assert again.traces.drop_columns(free).equals(there.traces.drop_columns(free))


@given(rows)
def test_a_second_way_there_and_back_changes_nothing(spans: list[dict[str, Any]]) -> None:
    once = to_arrow(from_arrow(batch(spans)))
    assert to_arrow(from_arrow(once)).traces.equals(once.traces)


@given(rows)
def test_each_identity_is_kept_once_and_the_first_time(spans: list[dict[str, Any]]) -> None:
    kept = distinct_spans(batch(spans).traces)
    first = {(span["trace_id"], span["span_id"]): span["service"] for span in reversed(spans)}
    pairs = zip(kept["trace_id"].to_pylist(), kept["span_id"].to_pylist(), strict=True)
    assert dict(zip(pairs, kept["service"].to_pylist(), strict=True)) == first


@given(st.lists(rows, max_size=3))
def test_dictionaries_of_several_tables_become_one(parts: list[list[dict[str, Any]]]) -> None:
    found = from_arrow(concat(batch(part) for part in parts)).spans
    assert found.service.values() == [span["service"] for part in parts for span in part]


def test_samples_keep_the_fractions_of_their_times() -> None:
    table = pa.Table.from_pylist([{"time_unix": 1.5, "service": "s", "metric": "m", "value": 2.0}], METRICS)
    assert from_arrow(ArrowBatch(metrics=table)).metrics.time.tolist() == [1.5]
