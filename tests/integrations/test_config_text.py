from __future__ import annotations

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from causal.errors import Refused
from integrations.config_text import keys_of, parsed, place_of
from integrations.connections.kinds import ConfigFormat
from playbooks.remedy import JsonValue

NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=4)
SCALARS = st.one_of(
    st.integers(-1000, 1000),
    st.booleans(),
    st.text(string.printable.strip() + "äß€😀 ", max_size=12),
)
TREES = st.dictionaries(NAMES, st.one_of(SCALARS, st.dictionaries(NAMES, SCALARS, min_size=1)), min_size=1)


def leaves(tree: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if isinstance(tree, dict):
        return [leaf for name, value in tree.items() for leaf in leaves(value, (*path, name))]
    return [path]


def changed(value: object) -> JsonValue:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else f"{value}: #'\" x"


@given(TREES, st.randoms(use_true_random=False), st.sampled_from([None, 1, 4]))
def test_one_value_of_json_changes_and_nothing_else(
    tree: dict[str, object], dice: object, indent: int
) -> None:
    text = json.dumps(tree, indent=indent, ensure_ascii=False)
    keys = dice.choice(leaves(tree))  # type: ignore[attr-defined]
    place = place_of(text, "json", keys)
    wanted = changed(place.value)
    new, raw = place.with_value(wanted)
    back = place_of(new, "json", keys)
    assert (back.value, back.raw, back.with_raw(place.raw)) == (wanted, raw, text)


@given(TREES, st.randoms(use_true_random=False), st.booleans())
def test_one_value_of_yaml_changes_and_nothing_else(
    tree: dict[str, object], dice: object, flow: bool
) -> None:
    text = json.dumps(tree, ensure_ascii=False) if flow else _yaml(tree)
    keys = dice.choice(leaves(parsed(text, "yaml")))  # type: ignore[attr-defined]
    place = place_of(text, "yaml", keys)
    wanted = changed(place.value)
    new, raw = place.with_value(wanted)
    back = place_of(new, "yaml", keys)
    assert (back.value, back.raw, back.with_raw(place.raw)) == (wanted, raw, text)


def _yaml(tree: dict[str, object]) -> str:
    lines = ["# somebody's comment"]
    for name, value in tree.items():
        if isinstance(value, dict):
            lines.append(f'"{name}":   # a section')
            lines += [
                f'  "{inner}": {json.dumps(each, ensure_ascii=False)} # why' for inner, each in value.items()
            ]
        else:
            lines.append(f'"{name}": {json.dumps(value, ensure_ascii=False)}')
    text = "\n".join(lines)
    YAML(typ="safe", pure=True).load(text)
    return text


@pytest.mark.parametrize(
    ("form", "text", "key", "value", "new"),
    [
        ("yaml", "# c\npool: {size: 20}  # x\n", "pool.size", 5, "# c\npool: {size: 5}  # x\n"),
        ("yaml", "name: 'a b' # y\n", "name", "it's", 'name: "it\'s" # y\n'),
        ("yaml", "name: hello # y\n", "name", "world", "name: world # y\n"),
        ("yaml", "name: hello\n", "name", "true", 'name: "true"\n'),
        ("yaml", "name: hello\n", "name", "a # b", 'name: "a # b"\n'),
        ("yaml", "- 1\n- 2\n", "1", 7, "- 1\n- 7\n"),
        ("yaml", "a: 1\r\nb: 2\r\n", "a", 3, "a: 3\r\nb: 2\r\n"),
        ("json", '{\n\t"a": [1, {"b": "x"}]}', "a.1.b", 'y"z', '{\n\t"a": [1, {"b": "y\\"z"}]}'),
        ("json", '{"a": null}', "a", 2, '{"a": 2}'),
        ("toml", '[a]\nx = 1 # c\n[b]\nx = "p#q" # d\n', "b.x", "z", '[a]\nx = 1 # c\n[b]\nx = "z" # d\n'),
        ("toml", 's = """\nx = 1\n"""\nx = 1\n', "x", 7, 's = """\nx = 1\n"""\nx = 7\n'),
        ("env", "export A=1\nB='x y'\n", "B", "p q", "export A=1\nB='p q'\n"),
        ("env", "A=1\r\nB=2\r\n", "A", "5", "A=5\r\nB=2\r\n"),
    ],
)
def test_a_value_is_written_the_way_the_old_one_was(
    form: ConfigFormat, text: str, key: str, value: JsonValue, new: str
) -> None:
    assert place_of(text, form, keys_of(key)).with_value(value)[0] == new


@pytest.mark.parametrize(
    ("form", "text", "key", "says"),
    [
        ("yaml", "a: &x 1\nb: *x\n", "a", "can not be told"),
        ("yaml", "a: &x 1\nb: *x\n", "b", "can not be told"),
        ("yaml", "base: &b {x: 1}\na:\n  <<: *b\n", "a.x", "can not be told"),
        ("yaml", "a: |\n  text\n", "a", "can not be told"),
        ("yaml", "a: !!str 1\n", "a", "can not be told"),
        ("yaml", "a: 1\na: 2\n", "a", "is no yaml"),
        ("yaml", "a: 1\n---\na: 2\n", "a", "is no yaml"),
        ("yaml", "pool: {size: 1}\n", "pool", "is no single value"),
        ("yaml", "pool: {size: 1}\n", "pool.sise", "did you mean size"),
        ("json", '{"a": 1, "a": 2}', "a", "is no json"),
        ("json", "{", "a", "is no json"),
        ("toml", "x = [1,\n 2]\n", "x", "is no single value"),
        ("env", "A=1\nA=2\n", "A", "set twice"),
        ("env", "A='b\n", "A", "does not end its quotes"),
        ("env", "what is this\n", "A", "is no env"),
    ],
)
def test_what_can_not_be_set_alone_is_refused(form: ConfigFormat, text: str, key: str, says: str) -> None:
    with pytest.raises(Refused, match=says):
        place_of(text, form, keys_of(key))


@pytest.mark.parametrize(
    ("value", "says"),
    [("20", "of another type"), (True, "of another type"), ("a\nb", "of another type")],
)
def test_a_value_of_another_type_is_refused(value: JsonValue, says: str) -> None:
    with pytest.raises(Refused, match=says):
        place_of("size: 20\n", "yaml", ("size",)).with_value(value)


@pytest.mark.parametrize("form", ["yaml", "json", "toml", "env"])
def test_a_text_with_hidden_characters_is_refused(form: ConfigFormat) -> None:
    text = {"yaml": "A: x", "json": '{"A": "x"}', "toml": 'A = "x"', "env": "A=x"}[form]
    with pytest.raises(Refused, match="control characters"):
        place_of(text, form, ("A",)).with_value("a\nB=evil")


def test_an_env_value_that_would_end_its_quotes_is_refused() -> None:
    with pytest.raises(Refused, match="can not be written"):
        place_of("A='x y'\n", "env", ("A",)).with_value("it's; rm -rf $HOME")
