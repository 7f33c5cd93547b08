import pytest

from benchmarks.parts import by_fault, grouped, keys, of_faults, right_by_part
from causal.errors import NotFound
from tests.benchmarks.made_up import grade


def test_cases_are_grouped_by_their_fault() -> None:
    grades = [grade(0.5, right=True, fault=fault) for fault in ("cpu", "delay", "cpu", "delay")]
    assert {label: len(held) for label, held in grouped(grades, by_fault).items()} == {"cpu": 2, "delay": 2}


def test_faults_told_in_a_sentence_each_stand_together() -> None:
    grades = [grade(0.5, right=True, fault=f"because of {number}") for number in range(3)]
    assert list(grouped(grades, by_fault)) == ["others"]


def test_a_group_is_made_of_several_faults() -> None:
    key = of_faults(["real=cpu,delay", "edited=return"])
    grades = [grade(0.5, right=True, fault=fault) for fault in ("cpu", "delay", "return", "return", "crash")]
    assert {label: len(held) for label, held in grouped(grades, key).items()} == {"edited": 2, "real": 2}


def test_a_group_may_be_of_one_set_alone() -> None:
    key = of_faults(["one:real=cpu"])
    told = [key(grade(0.5, right=True, fault="cpu", set_name=name)) for name in ("one", "two")]
    assert told == ["real", ""]


def test_an_unknown_key_is_refused_with_the_known_ones() -> None:
    with pytest.raises(NotFound, match="fault, system, signal"):
        keys("colour", [])


def test_what_is_no_group_is_refused() -> None:
    with pytest.raises(NotFound, match="NAME=FAULT"):
        keys("", ["cpu"])


def test_right_answers_are_counted_in_each_part_for_each_engine() -> None:
    faults = ("cpu", "cpu", "delay", "delay")
    ours = [grade(0.5, right=True, fault=fault) for fault in faults]
    others = [grade(0.5, right=fault == "cpu", fault=fault) for fault in faults]
    rows = list(right_by_part({"aitia": ours, "other": others}, by_fault))
    assert rows == [["right first, of", "cpu 2", "delay 2"], ["aitia", "2", "2"], ["other", "2", "0"]]


def test_a_set_of_one_kind_has_no_parts() -> None:
    assert list(right_by_part({"aitia": [grade(0.5, right=True)] * 3}, by_fault)) == []
