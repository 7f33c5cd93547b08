"""Places: where text that other people wrote may be put, and how it is kept from leaving.

What a look-up finds was written by whoever names services, titles commits and sets span attributes. Each
place has its own grammar, so each has its own way out: a slash ends a segment of a path, a leading dash makes
an option of an argument, two dots climb out of a folder, a quote ends a string. The schema of an action marks
its fields with the place they are (`Place`); `playbooks.lookups.fill` puts each inserted text through
``escape`` and the whole field, once it is filled, through ``whole``. Text that a place can neither take as it
is nor hold in escaped form is refused: what was meant can not be told.

Sources: RFC 3986 sections 2.1 and 3.3 (paths), POSIX.1-2024 XBD 12.2 guideline 10 (options), RFC 8259 section
7 (JSON), git-check-ref-format(1).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, get_args
from urllib.parse import quote, unquote

from pydantic import BaseModel

from causal.errors import Refused

_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*(?:/[A-Za-z0-9][A-Za-z0-9._+-]*)*")
_REF_NEVER = re.compile(r"\.\.|\.lock(?:/|$)|\.(?:/|$)")
_ALONE = re.compile(r"\$[A-Za-z_][A-Za-z0-9_.]*")
_DOTS = {".", ".."}


def _as_it_is(text: str) -> str:
    return text


def _anything(template: str, filled: str) -> None:
    del template, filled


@dataclass(frozen=True)
class Place:
    """A kind of place: ``escape`` treats one inserted text, ``whole`` refuses a filled field.

    ``whole`` is given the template as its author wrote it, and what came of it.
    """

    name: str
    escape: Callable[[str], str] = _as_it_is
    whole: Callable[[str, str], None] = _anything


@dataclass(frozen=True)
class Names:
    """Marks a field that names a connection: ``kind`` is the part of ``connections.d`` it stands under."""

    kind: str


def path_segment(text: str) -> str:
    """Percent-encode text so that it stays within one segment of a URL's path; Refused if it can not."""
    if not text:
        raise Refused("nothing would be inserted into a path, which would then name something else")
    try:
        return quote(text, safe="")
    except UnicodeEncodeError as error:
        raise Refused(f"{text[:80]!a} can not stand in a path: it is no Unicode text") from error


def _path_keeps_its_segments(template: str, filled: str) -> None:
    written = set(re.split(r"[/\\]", template))
    for segment in re.split(r"[/\\]", filled.partition("?")[0]):
        if unquote(segment) in _DOTS and segment not in written:
            raise Refused(f"the path {filled!a} would hold {segment} as a part")


def _argument_is_no_option(template: str, filled: str) -> None:
    """One element of an argument list: a shell never reads it, so only its first sign and NUL matter."""
    if "\0" in filled:
        raise Refused("an argument can not hold NUL")
    if filled.startswith("-") and not template.startswith("-"):
        raise Refused(f"the argument {filled[:80]!a} would be taken for an option")


def _ref_is_a_name(template: str, filled: str) -> None:
    del template
    if not _REF.fullmatch(filled) or _REF_NEVER.search(filled):
        raise Refused(f"{filled[:80]!a} is no name that git takes for a branch, a tag or a commit")


def _file_stays_inside(template: str, filled: str) -> None:
    """A relative path below a folder that a connection names; text put into one part stays in that."""
    parts = filled.split("/")
    if "\0" in filled or "\\" in filled or _DOTS & set(parts) or "" in parts:
        raise Refused(f"{filled[:80]!a} is no path below a folder: no leading /, no empty part, no . or ..")
    if not _ALONE.fullmatch(template) and len(parts) != len(template.split("/")):
        raise Refused(f"{filled[:80]!a} has a / where {template!a} has none")


def json_text(text: str) -> str:
    """Escape text for the inside of a string in JSON that is itself text."""
    return json.dumps(text)[1:-1]


URL_PATH = Place("URL path", path_segment, _path_keeps_its_segments)
ARGUMENT = Place("argument", whole=_argument_is_no_option)
GIT_REF = Place("git name", whole=_ref_is_a_name)
FILE_PATH = Place("file below a folder", whole=_file_stays_inside)
JSON_TEXT = Place("JSON text", json_text)

UrlPath = Annotated[str, URL_PATH]
Argument = Annotated[str, ARGUMENT]
GitRef = Annotated[str, GIT_REF]
FilePath = Annotated[str, FILE_PATH]
JsonText = Annotated[str, JSON_TEXT]
RepositoryName = Annotated[str, Names("repositories")]
HttpName = Annotated[str, Names("http")]
ProcessName = Annotated[str, Names("processes")]


def place_of(schema: type[BaseModel] | None, field: str) -> Place | None:
    """Return the place that a field of a schema is, also where the field is a list of such places."""
    return next((mark for mark in _marks(schema, field) if isinstance(mark, Place)), None)


def connection_of(schema: type[BaseModel], field: str) -> str | None:
    """Return the kind of connection that a field names, if it names one."""
    return next((mark.kind for mark in _marks(schema, field) if isinstance(mark, Names)), None)


def _marks(schema: type[BaseModel] | None, field: str) -> list[Any]:
    fields = schema.model_fields if schema else {}
    info = next((each for name, each in fields.items() if field in {name, each.alias}), None)
    return [*info.metadata, *_inner_marks(info.annotation)] if info else []


def _inner_marks(annotation: Any) -> list[Any]:
    own = list(getattr(annotation, "__metadata__", ()))
    return own + [mark for inner in get_args(annotation) for mark in _inner_marks(inner)]
