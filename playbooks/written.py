"""What people write, read so that every mistake can be pointed at.

YAML is composed into nodes (a node knows its line and column) and only plain values are made of them: text,
numbers, true and false, nothing, lists and mappings. No tags, anchors, aliases or merge keys: a file can make
no object of ours and can not grow by referring to itself. A name that stands twice in one mapping is a
mistake. A pydantic model then says what fields there may be, and its complaints are put back at their places
in the text.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from causal.errors import Malformed

Path = tuple[str | int, ...]
Place = tuple[int, int]
Severity = Literal["error", "warning"]
M = TypeVar("M", bound=BaseModel)

LONGEST = 256_000  # characters: a hundred times the longest playbook anybody needs
_TAG = "tag:yaml.org,2002:"


class Finding(NamedTuple):
    """What a rule has to say about one part of a document, before that part is found in the text."""

    path: Path
    says: str
    severity: Severity = "error"


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake in a text: where it is (line and column from 1), and what to write instead.

    A warning is something that works and is hardly meant.
    """

    where: str
    line: int
    column: int
    path: str
    says: str
    severity: Severity = "error"

    @property
    def place(self) -> str:
        return f"{self.where}:{self.line}:{self.column}"

    @property
    def what(self) -> str:
        return f"{self.path}: {self.says}" if self.path else self.says

    def __str__(self) -> str:
        return f"{self.place}: {'warning: ' if self.severity == 'warning' else ''}{self.what}"


@dataclass(frozen=True)
class Document:
    """The plain value of a text, and where each part of it stands."""

    where: str
    value: object
    places: Mapping[Path, Place] = field(default_factory=dict)

    def problem(self, path: Path, says: str, severity: Severity = "error") -> Problem:
        """Make a mistake at ``path`` known; it is placed at the nearest part that is there."""
        known = path
        while known and known not in self.places:
            known = known[:-1]
        line, column = self.places.get(known, (1, 1))
        return Problem(self.where, line, column, spell(path), says, severity)


@dataclass(frozen=True)
class Reading(Generic[M]):
    """What came of reading a text: a value, or the problems that kept it from being one."""

    document: Document
    value: M | None
    problems: tuple[Problem, ...] = ()

    def or_raise(self, error: type[Malformed]) -> M:
        """Return the value; every problem in one ``error`` if there is none."""
        if self.value is None or self.problems:
            raise combined(self.problems, error)
        return self.value


def combined(problems: Sequence[Problem], error: type[Malformed]) -> Malformed:
    """Make one error of all problems; it stands where the first one does."""
    first, *others = problems
    return error("\n".join([first.what, *map(str, others)]), where=first.place)


def spell(path: Iterable[str | int]) -> str:
    """Write a path the way people say it: ``steps.0.with.commit``."""
    return ".".join(str(part) for part in path)


def nearest(word: str, known: Iterable[str]) -> str:
    """Say which known name was perhaps meant, and which there are."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    meant = f"did you mean {close[0]}? " if close else ""
    return f"{meant}known here: {', '.join(names) or 'nothing'}"


def read_as(model: type[M], text: str, where: str) -> Reading[M]:
    """Read a text as a model. ``where`` is its file; an empty text is an empty mapping."""
    try:
        document = _parse(text, where)
    except _Unreadable as unreadable:
        return Reading(Document(where, None), None, (unreadable.problem,))
    try:
        return Reading(document, model.model_validate(document.value))
    except ValidationError as error:
        problems = {_told(model, document, wrong) for wrong in _causes(error)}
        return Reading(document, None, tuple(sorted(problems)))


class _Unreadable(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def _parse(text: str, where: str) -> Document:
    if len(text) > LONGEST:
        raise _Unreadable(Problem(where, 1, 1, "", f"{len(text)} characters; at most {LONGEST} are read"))
    reader = _Reader(where)
    try:
        node = YAML(typ="safe", pure=True).compose(text)
        value = {} if node is None else reader.value(node, ())
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _Unreadable(Problem(where, line, column, "", f"not YAML: {error.problem}")) from error
    except YAMLError as error:
        raise _Unreadable(Problem(where, 1, 1, "", f"not YAML: {' '.join(str(error).split())}")) from error
    except RecursionError as error:
        raise _Unreadable(Problem(where, 1, 1, "", "nested too deeply")) from error
    return Document(where, value, reader.places)


class _Reader:
    """Makes plain values of nodes and notes where each stands."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.places: dict[Path, Place] = {}
        self.seen: set[int] = set()

    def value(self, node: Node, path: Path) -> object:
        if id(node) in self.seen:
            raise self.wrong(node, path, "refers to another part by an alias; write it out")
        self.seen.add(id(node))
        self.places.setdefault(path, _place(node))
        if isinstance(node, MappingNode):
            self.known_tag(node, path, "map")
            return self.mapping(node, path)
        if isinstance(node, SequenceNode):
            self.known_tag(node, path, "seq")
            return [self.value(item, (*path, at)) for at, item in enumerate(node.value)]
        return self.scalar(node, path)

    def mapping(self, node: MappingNode, path: Path) -> dict[str, object]:
        made: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key_node, ScalarNode) or not isinstance(key, str):
                raise self.wrong(key_node, path, "a name must be plain text")
            if key_node.tag == f"{_TAG}merge":
                raise self.wrong(key_node, path, "merge keys (<<) are not read; write the fields out")
            if key in made:
                first = self.places[(*path, key)][0]
                raise self.wrong(
                    key_node, (*path, key), f"stands here twice (first in line {first}); keep one"
                )
            self.places[(*path, key)] = _place(key_node)
            made[key] = self.value(value_node, (*path, key))
        return made

    def known_tag(self, node: Node, path: Path, tag: str) -> None:
        if node.tag != f"{_TAG}{tag}":
            raise self.wrong(node, path, f"tag {node.tag} is not read; write a plain value")

    def scalar(self, node: Node, path: Path) -> object:
        tag, text = str(node.tag).removeprefix(_TAG), node.value
        if tag in {"str", "timestamp"}:
            return text
        if tag == "null":
            return None
        if tag == "bool":
            return text.lower() == "true"
        if tag in {"int", "float"}:
            return self.number(node, path, tag)
        raise self.wrong(node, path, f"tag {node.tag} is not read; write a plain value")

    def number(self, node: Node, path: Path, tag: str) -> object:
        text = node.value.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan")
        try:
            if tag == "float":
                return float(text)
            return int(text, 0 if text.lstrip("+-")[:2] in {"0x", "0o", "0b"} else 10)
        except ValueError as error:
            raise self.wrong(
                node, path, f"{node.value!r} is not a number; put it in quotes if it is text"
            ) from error

    def wrong(self, node: Node, path: Path, says: str) -> _Unreadable:
        line, column = _place(node)
        return _Unreadable(Problem(self.where, line, column, spell(path), says))


def _place(node: Node) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _causes(error: ValidationError) -> list[ErrorDetails]:
    """Leave out that a list is too short, where it is so because its items are wrong."""
    wrongs = error.errors(include_url=False)
    inner = {wrong["loc"][:depth] for wrong in wrongs for depth in range(len(wrong["loc"]))}
    return [wrong for wrong in wrongs if wrong["type"] != "too_short" or wrong["loc"] not in inner]


def _told(model: type[BaseModel], document: Document, wrong: ErrorDetails) -> Problem:
    """Put a complaint of pydantic in our words, at its place in the text."""
    path: Path = wrong["loc"]
    kind, given = wrong["type"], wrong["input"]
    if kind == "extra_forbidden":
        known = _fields_at(model, path[:-1])
        return document.problem(path, f"unknown field; {nearest(str(path[-1]), known)}")
    if kind == "missing":
        return document.problem(path, "is missing; write it here")
    says = str(wrong["msg"]).removeprefix("Value error, ")
    says = says[:1].lower() + says[1:]
    if isinstance(given, str | int | float | bool) and repr(given) not in says:
        says = f"{says}, not {given!r}"
    return document.problem(path, says)


def _fields_at(model: type[BaseModel], path: Path) -> list[str]:
    annotations: list[Any] = [model]
    for part in path:
        annotations = [inner for each in annotations for inner in _inside(each, part)]
    return sorted({name for each in annotations for found in _models(each) for name in _names(found)})


def _inside(annotation: Any, part: str | int) -> list[Any]:
    """Return the annotations that a part of a value may have."""
    found = [
        info.annotation
        for model in _models(annotation)
        for name, info in model.model_fields.items()
        if part in {name, info.alias}
    ]
    containers = [annotation, *get_args(annotation)]
    return found or [inner for each in containers for inner in get_args(each)]


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [
        found for inner in get_args(annotation) for found in _models(inner) if not _holds_many(annotation)
    ]


def _holds_many(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) in {tuple, list, dict}


def _names(model: type[BaseModel]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]
