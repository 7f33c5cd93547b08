from benchmarks.figures import Share
from benchmarks.table import figures, markdown, part, share, text
from tests.benchmarks.made_up import grade


def test_a_share_stands_with_its_interval() -> None:
    assert share(Share(hits=12, n=24)) == "0.500 (0.31-0.69)"


def test_a_share_of_nobody_is_a_dash_of_none() -> None:
    assert part(Share(hits=0, n=0)) == "- of 0"


def test_columns_that_nobody_fills_are_left_out() -> None:
    heads, *_ = figures("set", {"aitia": [grade(0.5, right=True)]})
    assert ("step" in heads, "Brier" in heads) == (False, True)


def test_cells_are_aligned() -> None:
    assert list(text([["set", "n"], ["aitia", "10"]])) == ["set     n", "aitia  10"]


def test_what_would_end_a_cell_of_markdown_is_kept_inside() -> None:
    assert list(markdown([["a"], ["b|c\nd"]]))[-1] == "| b\\|c d |"
