"""Files that people write: YAML read with line numbers, so that every complaint says where.

Unknown fields are refused (a misspelt field that is silently ignored costs an afternoon), all problems are
told at once, and each as ``file:line: where: what is wrong``.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from demo.errors import BadDocument

Location = tuple[str | int, ...]
D = TypeVar("D")


class Written(BaseModel):
    """A frozen value that people write: unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and the keys and indices that lead to it."""

    where: Location
    says: str


def read_document(
    path: Path, adapter: TypeAdapter[D], check: Callable[[D], Iterable[Problem]] = lambda _: ()
) -> D:
    """Read a YAML file and check what its types cannot say; raises ``BadDocument`` with all problems."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as unreadable:
        raise BadDocument([f"{path}: cannot be read: {unreadable}"]) from unreadable
    return parse_document(text, str(path), adapter, check)


def parse_document(
    text: str, name: str, adapter: TypeAdapter[D], check: Callable[[D], Iterable[Problem]] = lambda _: ()
) -> D:
    """As ``read_document``, from text; ``name`` is what complaints call the file."""
    tree = _parse_yaml(text, name)
    try:
        document = adapter.validate_python(tree)
    except ValidationError as invalid:
        raise _complaint(name, tree, _told(invalid.errors())) from None
    problems = list(check(document))
    if problems:
        raise _complaint(name, tree, problems)
    return document


def _parse_yaml(text: str, name: str) -> Any:
    try:
        return YAML(typ="rt").load(text)
    except MarkedYAMLError as broken:
        line = broken.problem_mark.line + 1 if broken.problem_mark else 1
        raise BadDocument([f"{name}:{line}: not YAML: {broken.problem or broken.context}"]) from broken
    except YAMLError as broken:
        raise BadDocument([f"{name}:1: not YAML: {broken}"]) from broken


def _complaint(name: str, tree: Any, problems: Iterable[Problem]) -> BadDocument:
    told = [(_line(tree, problem.where), problem) for problem in problems]
    told.sort(key=lambda pair: pair[0])
    return BadDocument(
        [f"{name}:{line}: {_spell(tree, problem.where)}{problem.says}" for line, problem in told]
    )


def _line(tree: Any, where: Location) -> int:
    """The line (from 1) of the deepest part of the location that is there."""
    line = int(tree.lc.line) + 1 if hasattr(tree, "lc") else 1
    node = tree
    for key in where:
        if isinstance(node, CommentedMap) and key in node:
            line = int(node.lc.key(key)[0]) + 1
        elif isinstance(node, CommentedSeq) and isinstance(key, int) and key < len(node):
            line = int(node.lc.item(key)[0]) + 1
        else:
            continue  # a union's tag or a missing field: not a place in the file
        node = node[key]
    return line


def _spell(tree: Any, where: Location) -> str:
    """The location as people write it, list items by their name where they have one."""
    parts: list[str] = []
    node = tree
    for key in where:
        if isinstance(node, list) and isinstance(key, int) and key < len(node):
            node = node[key]
            parts.append(f"[{node['name']}]" if isinstance(node, dict) and "name" in node else f"[{key}]")
        elif isinstance(node, dict) and key in node:
            node = node[key]
            parts.append(f".{key}")
    return "".join(parts).removeprefix(".") + ": " if parts else ""


def _told(errors: Sequence[Any]) -> list[Problem]:
    """Each error in plain words, without those that only follow from an error inside."""
    places = [error["loc"] for error in errors]
    return [
        Problem(_place(error), _plainly(error))
        for error in errors
        if error["type"] != "too_short" or not any(_inside(place, error["loc"]) for place in places)
    ]


def _place(error: Any) -> Location:
    """Where an error is; a wrong kind is where the kind is written, not where the value begins."""
    location: Location = error["loc"]
    tag = str(error.get("ctx", {}).get("discriminator", "")).strip("'")
    return (*location, tag) if error["type"] == "union_tag_invalid" else location


def _inside(place: Location, other: Location) -> bool:
    return len(place) > len(other) and place[: len(other)] == other


def _plainly(error: Any) -> str:
    """What pydantic found, in the words of someone who never heard of it."""
    given = error["input"]
    match error["type"]:
        case "extra_forbidden":
            return f"unknown field '{error['loc'][-1]}'"
        case "missing":
            return f"the field '{error['loc'][-1]}' is missing"
        case "model_type" | "model_attributes_type" | "dict_type":
            return "must be fields with values"
        case "tuple_type":
            return "must be a list"
        case "too_short":
            return f"must have at least {error['ctx']['min_length']} (has {len(given)})"
        case "union_tag_not_found":
            return f"the field {error['ctx']['discriminator']} is missing"
        case "union_tag_invalid":
            return f"{error['ctx']['discriminator']} must be one of {error['ctx']['expected_tags']}"
        case _:
            said = str(error["msg"]).removeprefix("Input ")
            return f"{said} (is {given!r})" if isinstance(given, str | int | float | bool) else said
