import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from causal.columns import by_key, grouped
from causal.telemetry import Column

WHOLE = st.integers(-(2**62), 2**62) | st.integers(-1, 5)


@st.composite
def columns(draw: st.DrawFn) -> list[NDArray[np.int64]]:
    size = draw(st.integers(0, 30))
    of = st.lists(WHOLE, min_size=size, max_size=size)
    return [np.array(draw(of), dtype=np.int64) for _ in range(draw(st.integers(1, 4)))]


@settings(deadline=None)
@given(table=columns())
def test_rows_share_a_group_exactly_where_all_columns_agree(table: list[NDArray[np.int64]]) -> None:
    rows = list(zip(*(column.tolist() for column in table), strict=True))
    known = {row: place for place, row in enumerate(sorted(set(rows)))}
    assert grouped(*table)[1].tolist() == [known[row] for row in rows]


@settings(deadline=None)
@given(table=columns())
def test_a_group_is_known_by_its_first_row(table: list[NDArray[np.int64]]) -> None:
    first, group = grouped(*table)
    seen = group.tolist()
    assert first.tolist() == [seen.index(number) for number in range(len(first))]


@settings(deadline=None)
@given(key=st.lists(st.integers(0, 2**62) | st.integers(0, 4), max_size=40))
def test_rows_of_equal_keys_stay_in_their_order(key: list[int]) -> None:
    assert by_key(np.array(key, dtype=np.int64)).tolist() == sorted(range(len(key)), key=key.__getitem__)


def test_codes_that_no_row_has_are_not_used() -> None:
    assert Column(np.array([2, -1, 0, 2], dtype=np.int32), ("a", "b", "c")).used().tolist() == [0, 2]


def test_a_column_without_rows_uses_no_codes() -> None:
    assert Column.of(()).used().tolist() == []
