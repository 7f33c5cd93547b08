"""The quiet profile as a file: whole or not at all, and never misread."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from causal.errors import MalformedCase, Unavailable
from causal.telemetry import Past
from integrations.quiet_profile import NAME, in_order, read_profile, write_profile
from tests.integrations.telemetry_examples import PAST


def rows(past: Past) -> list[object]:
    return [value.values() if hasattr(value, "values") else value.tolist() for value in vars(past).values()]


def test_a_profile_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_profile(tmp_path, PAST)
    assert rows(read_profile(tmp_path)) == rows(in_order(PAST))


def test_a_folder_without_a_profile_remembers_nothing(tmp_path: Path) -> None:
    assert len(read_profile(tmp_path)) == 0


def test_a_profile_of_no_rows_is_a_profile(tmp_path: Path) -> None:
    write_profile(tmp_path, Past.none())
    assert len(read_profile(tmp_path)) == 0


def test_the_same_rows_in_another_order_make_the_same_bytes(tmp_path: Path) -> None:
    write_profile(tmp_path / "one", PAST)
    write_profile(tmp_path / "two", PAST.take(np.array([1, 0])))
    assert (tmp_path / "one" / NAME).read_bytes() == (tmp_path / "two" / NAME).read_bytes()


def test_nothing_is_left_beside_a_written_profile(tmp_path: Path) -> None:
    write_profile(tmp_path, PAST)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_profile_of_a_later_format_is_refused_by_name(tmp_path: Path) -> None:
    write_profile(tmp_path, PAST)
    table = pq.read_table(tmp_path / NAME)
    later = table.replace_schema_metadata({b"aitia.quiet_profile": b'{"format": 2}'})
    pq.write_table(later, tmp_path / NAME)
    with pytest.raises(MalformedCase, match="format 2"):
        read_profile(tmp_path)


def test_half_a_profile_is_refused(tmp_path: Path) -> None:
    write_profile(tmp_path, PAST)
    whole = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MalformedCase, match="not a readable quiet profile"):
        read_profile(tmp_path)


def test_a_profile_with_an_infinite_sum_is_refused(tmp_path: Path) -> None:
    write_profile(tmp_path, replace(PAST, total=np.array([1.0, np.inf])))
    with pytest.raises(MalformedCase, match="not finite"):
        read_profile(tmp_path)


def test_a_profile_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable, match="file"):
        write_profile(tmp_path / "file", PAST)
