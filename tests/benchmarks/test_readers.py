from pathlib import Path

import pytest

from benchmarks import readers
from causal.errors import MalformedCase, NotFound
from tests.benchmarks.made_up import case_folder


def test_sets_are_named_by_the_folder_above_their_cases(tmp_path: Path) -> None:
    case_folder(tmp_path, "one/case_001")
    case_folder(tmp_path, "two/case_001")
    assert sorted(readers.find([tmp_path])) == ["one", "two"]


def test_folders_with_an_underscore_hold_no_cases(tmp_path: Path) -> None:
    case_folder(tmp_path, "one/_baseline/case_001")
    assert readers.find([tmp_path]) == {}


def test_a_set_can_be_named_directly(tmp_path: Path) -> None:
    folder = case_folder(tmp_path, "one/case_001")
    assert [case.place for case in readers.find([tmp_path / "one"])["one"]] == [folder]


def test_an_unknown_layout_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="rcaeval"):
        readers.find([tmp_path], "sideways")


def test_a_layout_that_is_named_is_the_only_one_tried(tmp_path: Path) -> None:
    case_folder(tmp_path, "one/case_001")
    assert readers.find([tmp_path], "nezha") == {}


def test_a_truth_that_cannot_be_read_names_its_file(tmp_path: Path) -> None:
    (case_folder(tmp_path, "one/case_001") / "truth.json").write_text("[]")
    with pytest.raises(MalformedCase, match=r"truth\.json"):
        readers.find([tmp_path])["one"][0].truth()
