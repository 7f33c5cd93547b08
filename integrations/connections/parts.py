"""The parts that connections are written with: patterns of files, requests and arguments, sizes, programs.

Each is a type that says what is wrong with a text and what to write instead.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from integrations.connection_fields import NAME, AbsolutePath

_SIZE = re.compile(r"^(\d+)(B|KiB|MiB|GiB)$")
_BYTES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_REQUEST = re.compile(
    r"(?P<method>GET|POST|PUT|PATCH|DELETE) (?P<path>/[A-Za-z0-9._~!$&'()+,;=:@%/*-]*)(?P<query>\?\*)?"
)
_SHELLS = frozenset(
    ("sh", "ash", "bash", "csh", "dash", "fish", "ksh", "mksh", "tcsh", "zsh", "busybox", "env", "xargs")
)


def _no_shell(path: Path) -> Path:
    if path.name in _SHELLS:
        raise ValueError("would take an argument for a program; name the program itself")
    return path


def _file_pattern(text: str) -> str:
    if text.count("{service}") != 1 or text.startswith("/"):
        raise ValueError(
            "is a path in the repository that holds {service} once, such as services/{service}.yaml"
        )
    return text


def _only_service(text: str) -> str:
    if "$" in text.replace("${service}", ""):
        raise ValueError("may hold ${service} and no other $")
    return text


def _regular(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from error
    return text


def _request(text: str) -> str:
    if not _REQUEST.fullmatch(text):
        raise ValueError("is a method and a path, such as POST /reload/*; * stands for one segment")
    return text


def _size(text: object) -> object:
    if not isinstance(text, str):
        return text
    match = _SIZE.match(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size; write for example 64KiB, 10MiB or 1GiB")
    return int(match[1]) * _BYTES[match[2]]


def is_allowed(method: str, path: str, patterns: tuple[str, ...]) -> bool:
    """Whether one of these request patterns covers a request; ``path`` may end in a query."""
    before, mark, _ = path.partition("?")
    return any(_covers(_REQUEST.fullmatch(pattern), method, before, query=bool(mark)) for pattern in patterns)


def _covers(pattern: re.Match[str] | None, method: str, path: str, *, query: bool) -> bool:
    if pattern is None or pattern["method"] != method or (query and not pattern["query"]):
        return False
    segments = r"[^/]+".join(re.escape(part) for part in pattern["path"].split("*"))
    return re.fullmatch(segments, path) is not None


def service_in(pattern: str, file: str) -> str | None:
    """Return the service that a file is about, by one pattern."""
    before, after = pattern.split("{service}")
    name = file.removeprefix(before).removesuffix(after)
    return name if file == f"{before}{name}{after}" and NAME.fullmatch(name) else None


def as_tuple(patterns: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """One, many or none, as many."""
    return (patterns,) if isinstance(patterns, str) else patterns or ()


Argument = Annotated[str, AfterValidator(_only_service)]
Executable = Annotated[AbsolutePath, AfterValidator(_no_shell)]
FilePattern = Annotated[str, AfterValidator(_file_pattern)]
Pattern = Annotated[str, AfterValidator(_regular)]
RequestPattern = Annotated[str, AfterValidator(_request)]
Size = Annotated[int, BeforeValidator(_size), Field(gt=0)]
