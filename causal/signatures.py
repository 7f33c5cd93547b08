"""Known errors: a catalogue of what names a fault by its words, and how a line is held against it.

What thousands of incidents have taught needs no inference: "no space left on device" names its fault by
itself. Such knowledge is data (`signatures.yaml`, each entry with its public source): heuristics for the
known, the causal graph for the novel. Where in the telemetry an entry is looked for is `sightings`' matter.

A line pattern is words in order with ``*`` for gaps, not a regular expression: each word is sought once,
behind the one before, so that no text, however hostile, takes longer than its length allows. Text beyond
`LONGEST` characters is not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from causal.errors import MalformedSettings
from causal.evidence import Fault

LONGEST = 2000
FILE = "signatures.yaml"
_LARGEST = 256_000
_WORD = re.compile(r"[^\W_]+")
_COLOUR = re.compile(r"\x1b\[[0-9;]{0,20}m")
_LAST_PART = re.compile(r"[./:$\\]")
_Words = Annotated[str, Field(min_length=1, max_length=200)]


@dataclass(frozen=True)
class Pattern:
    """Fragments that stand in a line in this order, each as whole words."""

    fragments: tuple[str, ...]

    @classmethod
    def of(cls, written: str) -> Pattern:
        """Read a pattern: ``*`` is a gap, upper and lower case are alike."""
        parts = (" ".join(part.split()) for part in written.lower().split("*"))
        return cls(tuple(part for part in parts if part))

    @property
    def anchor(self) -> str:
        """The longest word: a line without it can be passed over."""
        words: list[str] = _WORD.findall(" ".join(self.fragments))
        return max(words, key=len)

    def start(self, line: str) -> int:
        """Where the fragments begin in a line, in lower case; -1 where it does not hold them."""
        begin = at = -1
        for fragment in self.fragments:
            at = _behind(line, fragment, max(at, 0))
            if at < 0:
                return -1
            begin = at - len(fragment) if begin < 0 else begin
        return begin


def _behind(line: str, fragment: str, at: int) -> int:
    """The place behind the first occurrence as whole words, from ``at`` on; -1 where there is none."""
    start = line.find(fragment, at)
    while start >= 0:
        end = start + len(fragment)
        if not (_joined(line, start, fragment[0]) or _joined(line, end, fragment[-1])):
            return end
        start = line.find(fragment, start + 1)
    return -1


def _joined(line: str, border: int, edge: str) -> bool:
    """Whether a border lies inside a word."""
    inside = 0 < border < len(line)
    return inside and edge.isalnum() and line[border - 1].isalnum() and line[border].isalnum()


class Signature(BaseModel):
    """One known error; what each field means is said at the top of the catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))

    name: Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)*$", max_length=60)]
    means: _Words
    fault: Fault
    called: Fault | None = None
    tells: Literal["cause", "effect"]
    once: bool = False
    types: tuple[_Words, ...] = ()
    codes: tuple[_Words, ...] = ()
    lines: tuple[_Words, ...] = ()
    check: _Words
    example: Annotated[str, Field(min_length=1, max_length=400)]
    source: Annotated[tuple[_Words, ...], Field(min_length=1)]

    @field_validator("lines")
    @classmethod
    def _says_something(cls, lines: tuple[str, ...]) -> tuple[str, ...]:
        for line in lines:
            if re.search(r"\d", line):
                raise ValueError(f"{line!r} holds a digit; numbers differ from line to line, so write *")
            if not re.search(r"\w{3}", line):
                raise ValueError(f"{line!r} says too little; write at least one word")
        return lines

    @field_validator("check")
    @classmethod
    def _names_only_the_service(cls, check: str) -> str:
        if re.search(r"[{}]", check.replace("{service}", "")):
            raise ValueError(f"{check!r} may hold no braces but {{service}}")
        return check

    @cached_property
    def patterns(self) -> tuple[Pattern, ...]:
        """What to look for in lines: the line patterns, and types that are not also plain words."""
        names = [name for name in self.types if not (name.isalpha() and name.islower())]
        return tuple(Pattern.of(line) for line in (*self.lines, *names))

    def start(self, line: str) -> int:
        """Where the first words that show it begin in a line, in lower case; 0 where there are none."""
        return min((at for pattern in self.patterns if (at := pattern.start(line)) >= 0), default=0)


class Catalogue:
    """Known errors in their order: an earlier one is preferred where two recognise the same thing."""

    def __init__(self, entries: Iterable[Signature]) -> None:
        self.entries = tuple(entries)
        self._anchored: dict[str, list[tuple[Pattern, Signature]]] = {}
        for entry in self.entries:
            for pattern in entry.patterns:
                self._anchored.setdefault(pattern.anchor, []).append((pattern, entry))
        self._types = {name.lower(): entry for entry in reversed(self.entries) for name in entry.types}
        self._codes = {code.lower(): entry for entry in reversed(self.entries) for code in entry.codes}

    def by_line(self, text: str) -> tuple[Signature, ...]:
        """The entries that a line of text shows."""
        line = readable(text).lower()
        anchors = self._anchored.keys() & set(_WORD.findall(line))
        held = {e.name for word in anchors for pattern, e in self._anchored[word] if pattern.start(line) >= 0}
        return tuple(entry for entry in self.entries if entry.name in held) if held else ()

    def by_type(self, name: str) -> tuple[Signature, ...]:
        """The entry that an error's type names, by its whole name or its last part, or as a code."""
        whole = name[:LONGEST].strip().lower()
        keys = (whole, _LAST_PART.split(whole)[-1])
        known = next((self._types[key] for key in keys if key in self._types), None)
        return (known,) if known is not None else self.by_code(whole)

    def by_code(self, code: str) -> tuple[Signature, ...]:
        """The entry that a status code names."""
        known = self._codes.get(code[:LONGEST].strip().lower())
        return () if known is None else (known,)


def readable(text: str) -> str:
    """A text on one line, without colours and what is not printed, no longer than is read."""
    short = text[:LONGEST]
    if not short.isprintable():
        short = "".join(c if c.isprintable() else " " for c in _COLOUR.sub(" ", short))
    return " ".join(short.split())


@lru_cache(maxsize=1)
def shipped() -> Catalogue:
    """The catalogue that comes with the engine; read and checked once."""
    return Catalogue(parse(resources.files("causal").joinpath(FILE).read_text("utf-8"), FILE))


def parse(text: str, where: str) -> tuple[Signature, ...]:
    """Read a catalogue; MalformedSettings names file and line of the first mistake."""
    if len(text) > _LARGEST:
        raise MalformedSettings(f"{len(text)} characters; at most {_LARGEST} are read", where=where)
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise MalformedSettings(f"not YAML: {error.problem}", where=f"{where}:{line}") from error
    except (YAMLError, RecursionError) as error:
        raise MalformedSettings(f"not YAML: {' '.join(str(error).split())}", where=where) from error
    if not isinstance(root, SequenceNode):
        raise MalformedSettings("write a list of signatures", where=f"{where}:1")
    entries: dict[str, Signature] = {}
    for node in root.value:
        entry = _entry(node, where)
        if entry.name in entries:
            raise MalformedSettings(f"{entry.name} stands here twice; keep one", where=_place(node, where))
        entries[entry.name] = entry
    return tuple(entries.values())


def _entry(node: Node, where: str) -> Signature:
    if not isinstance(node, MappingNode):
        raise MalformedSettings("write a signature as a mapping", where=_place(node, where))
    values: dict[str, object] = {}
    nodes: dict[str, Node] = {}
    for key, value in node.value:
        if not isinstance(key, ScalarNode) or key.value in values:
            raise MalformedSettings("a field is no plain text or stands here twice", where=_place(key, where))
        nodes[key.value], values[key.value] = key, _plain(value, where)
    try:
        return Signature.model_validate(values)
    except ValidationError as error:
        wrong = min(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
        field = ".".join(map(str, wrong["loc"]))
        at = nodes.get(str(wrong["loc"][0]), node) if wrong["loc"] else node
        says = str(wrong["msg"]).removeprefix("Value error, ")
        raise MalformedSettings(f"{field}: {says}", where=_place(at, where)) from error


def _plain(node: Node, where: str) -> str | list[str]:
    """A text or a list of texts; nothing else is written in a catalogue."""
    if isinstance(node, ScalarNode):
        return str(node.value)
    if isinstance(node, SequenceNode) and all(isinstance(item, ScalarNode) for item in node.value):
        return [str(item.value) for item in node.value]
    raise MalformedSettings("write a text or a list of texts", where=_place(node, where))


def _place(node: Node, where: str) -> str:
    return f"{where}:{node.start_mark.line + 1}"
