"""The formats of configuration files: what a text says, and where in it the value of a key may be written.

A search here may find too much or too little; `config_text` holds every place it finds against the parser.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from causal.errors import Refused
from integrations.connections.kinds import ConfigFormat

Keys = tuple[str, ...]
Spans = Callable[[str, Keys], Iterator[tuple[int, int]]]
_SPACE = re.compile(r"[ \t\r\n]*")
_ENV_LINE = re.compile(
    r"^(?P<before>[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_]\w*)=)(?P<value>.*?)[ \t\r]*$", re.MULTILINE
)
_TOML_LINE = re.compile(r"^[ \t]*(?P<key>[^\n#=\[]+?)[ \t]*=[ \t]*(?P<value>[^\n]+?)[ \t\r]*$", re.MULTILINE)
_DECODER = json.JSONDecoder()


@lru_cache(maxsize=8)  # the same few texts are read again and again, and none of them quickly
def parsed(text: str, form: ConfigFormat) -> object:
    """Return what a text says, not to be changed; Refused if it is not what it should be."""
    try:
        match form:
            case "yaml":
                return YAML(typ="safe", pure=True).load(text)
            case "json":
                return json.loads(text, object_pairs_hook=_once)
            case "toml":
                return tomllib.loads(text)
            case "env":
                return _env_values(text)
    except (YAMLError, ValueError, RecursionError) as error:
        raise Refused(f"the file is no {form}: {' '.join(str(error).split())[:200]}") from error


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError("a name stands twice in one object")
    return dict(pairs)


def _yaml_spans(text: str, keys: Keys) -> Iterator[tuple[int, int]]:
    node: Node | None = YAML(typ="safe", pure=True).compose(text)
    for key in keys:
        node = _child(node, key)
    if isinstance(node, ScalarNode) and node.style not in {"|", ">"}:
        start, end = node.start_mark.index, node.end_mark.index
        if text[start:end].strip() and text[start] not in "&!*":
            yield start, end


def _child(node: Node | None, key: str) -> Node | None:
    if isinstance(node, SequenceNode) and key.isdecimal() and int(key) < len(node.value):
        item: Node = node.value[int(key)]
        return item
    if isinstance(node, MappingNode):
        return next((value for name, value in node.value if name.value == key), None)
    return None


def _json_spans(text: str, keys: Keys) -> Iterator[tuple[int, int]]:
    start, end = _json_value(text, 0)
    for key in keys:
        members = dict(_json_members(text, start))
        if key not in members:
            return
        start, end = members[key]
    yield start, end


def _json_value(text: str, at: int) -> tuple[int, int]:
    start = _skip(text, at)
    return start, _DECODER.raw_decode(text, start)[1]


def _json_members(text: str, at: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """Each member of the object or list that begins here, with the place of its value."""
    opens, count = text[at], 0
    at = _skip(text, at + 1)
    while opens in "{[" and text[at] not in "}]":
        name = str(count)
        if opens == "{":
            name, at = _DECODER.raw_decode(text, at)
            at = _skip(text, at) + 1
        span = _json_value(text, at)
        yield name, span
        count, at = count + 1, _skip(text, span[1])
        at = _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _toml_spans(text: str, keys: Keys) -> Iterator[tuple[int, int]]:
    """Every line that may set the key, and every place its value may end at (before a comment)."""
    for line in _TOML_LINE.finditer(text):
        if line["key"].strip("\"' ").rpartition(".")[2].strip("\"' ") != keys[-1]:
            continue
        start, value = line.start("value"), line["value"]
        for cut in [*(at for at, sign in enumerate(value) if sign == "#"), len(value)]:
            if _is_toml_value(value[:cut]):
                yield start, start + len(value[:cut].rstrip())
                break


def _is_toml_value(text: str) -> bool:
    try:
        tomllib.loads(f"x = {text}")
    except tomllib.TOMLDecodeError:
        return False
    return True


def _env_lines(text: str) -> Iterator[re.Match[str]]:
    return _ENV_LINE.finditer(text)


def _env_spans(text: str, keys: Keys) -> Iterator[tuple[int, int]]:
    yield from (line.span("value") for line in _env_lines(text) if (line["name"],) == keys)


def _env_values(text: str) -> dict[str, object]:
    values: dict[str, object] = {}
    for line in text.splitlines():
        match = _ENV_LINE.fullmatch(line)
        if match is None:
            if line.strip() and not line.lstrip().startswith("#"):
                raise ValueError(f"{line[:40]!a} is neither NAME=value nor a comment")
            continue
        if match["name"] in values:
            raise ValueError(f"{match['name']} is set twice")
        values[match["name"]] = _env_value(match["value"])
    return values


def _env_value(raw: str) -> str:
    if raw[:1] in {'"', "'"}:
        if len(raw) < 2 or raw[-1] != raw[0] or raw[0] in raw[1:-1]:  # noqa: PLR2004
            raise ValueError(f"{raw[:40]!a} does not end its quotes")
        return raw[1:-1]
    return raw


SPANS: Mapping[ConfigFormat, Spans] = {
    "yaml": _yaml_spans,
    "json": _json_spans,
    "toml": _toml_spans,
    "env": _env_spans,
}
