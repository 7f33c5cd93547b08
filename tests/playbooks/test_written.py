from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.remedy import Written
from playbooks.written import LONGEST, read_as


class Inner(Written):
    size: int
    label: str = ""


class Outer(Written):
    name: str
    inner: Inner | None = None
    many: tuple[Inner, ...] = ()
    by_name: dict[str, Inner] = {}


def problems(text: str) -> list[str]:
    return [str(problem) for problem in read_as(Outer, text, "file.yaml").problems]


def test_an_unknown_field_is_named_with_its_place_and_the_nearest_name() -> None:
    assert problems("name: x\nmany:\n  - size: 1\n    lable: y\n") == [
        "file.yaml:4:5: many.0.lable: unknown field; did you mean label? known here: label, size"
    ]


def test_fields_inside_a_mapping_of_models_are_suggested_too() -> None:
    assert "did you mean size?" in problems("name: x\nby_name: {a: {siz: 1, size: 2}}\n")[0]


def test_a_missing_field_points_at_its_parent() -> None:
    assert problems("name: x\ninner:\n  label: y\n") == [
        "file.yaml:2:1: inner.size: is missing; write it here"
    ]


def test_a_wrong_type_tells_what_was_written() -> None:
    (problem,) = problems("name: x\ninner: {size: many}\n")
    assert problem.startswith("file.yaml:2:9: inner.size: ")
    assert problem.endswith("not 'many'")


def test_a_name_that_stands_twice_is_a_problem() -> None:
    assert problems("name: x\nname: y\n") == [
        "file.yaml:2:1: name: stands here twice (first in line 1); keep one"
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: [x", "not YAML"),
        ("name:\n\tx: 1", "not YAML"),
        ("name: x\x00", "not YAML"),
        ("name: a\n---\nname: b", "not YAML"),
        ("[" * 2_000, "nested too deeply"),
        ("name: &a x\nmany: [*a]", "alias"),
        ("name: !!python/object:os.system x", "tag"),
        ("name: !mine x", "tag"),
        ("inner: {<<: {size: 1}}\nname: x", "merge keys"),
        ("name: x\n? [a, b]\n: c", "must be plain text"),
        ("- a\n- b", "dictionary"),
        ("x" * (LONGEST + 1), "at most"),
    ],
)
def test_what_is_no_plain_mapping_is_refused_with_a_place(text: str, says: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith("file.yaml:")
    assert says in problem


def test_all_problems_of_a_text_are_told_in_order() -> None:
    found = problems("inner: {sise: 1}\nextra: 2\n")
    assert [problem.split(": ")[1] for problem in found] == ["inner.size", "name", "inner.sise", "extra"]


def test_numbers_are_read_as_yaml_12_reads_them() -> None:
    reading = read_as(Outer, "name: yes\nmany: [{size: 0x10}, {size: 1_000}, {size: 017}]", "f")
    assert reading.value is not None
    assert [each.size for each in reading.value.many] == [16, 1000, 17]


def test_yes_is_text_and_no_truth_value() -> None:
    reading = read_as(Outer, "name: yes", "f")
    assert reading.value is not None
    assert reading.value.name == "yes"


@given(st.text(max_size=200))
def test_any_text_is_either_read_or_has_a_problem(text: str) -> None:
    reading = read_as(Outer, text, "f")
    assert (reading.value is None) == bool(reading.problems)


@given(
    st.recursive(st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_a_value_of_any_shape_is_either_read_or_has_a_problem(value: object) -> None:
    from json import dumps

    reading = read_as(Outer, dumps(value), "f")
    assert (reading.value is None) == bool(reading.problems)
