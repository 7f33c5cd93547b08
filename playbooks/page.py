"""The page: what a ticket says, before it is known where it will be shown.

Every rendering (terminal, Markdown, Slack) is made from one and the same page, so that all of them say the
same. A page is sections of lines; a line is made harmless for any terminal as it is made, so that no
rendering can forget to.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal

from playbooks.words import Tone, plain, plain_lines

LONGEST_CODE = 200


@dataclass(frozen=True)
class Line:
    """One line: ``mark`` (number or tick), ``label``, ``figure`` (a number, right-aligned), then the words.

    ``share`` (0 to 1) may be drawn as a bar. A ``command`` is to be typed, a ``link`` leads to ``url``.
    """

    says: str
    mark: str = ""
    label: str = ""
    figure: str = ""
    share: float | None = None
    level: int = 0
    tone: Tone = "plain"
    form: Literal["text", "command", "link"] = "text"
    url: str = ""

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, str):
                object.__setattr__(self, each.name, plain(value))


@dataclass(frozen=True)
class Code:
    """Lines to be shown letter for letter, such as a diff."""

    text: str
    language: str = "diff"
    level: int = 0
    lines: tuple[str, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        lines = plain_lines(self.text)
        more = len(lines) - LONGEST_CODE
        shown = [*lines[:LONGEST_CODE], f"… and {more} more lines"] if more > 0 else lines
        object.__setattr__(self, "lines", tuple(shown))


@dataclass(frozen=True)
class Section:
    """Lines under a title; the first section of a page has none.

    ``must`` be there: where room is short, other sections give way to it.
    """

    title: str
    lines: tuple[Line | Code, ...]
    must: bool = False


@dataclass(frozen=True)
class Page:
    """A whole page; ``name`` is the incident's id and ``status`` its state in plain words."""

    title: str
    name: str
    status: str
    tone: Tone
    sections: tuple[Section, ...]

    def __post_init__(self) -> None:
        for name in ("title", "name", "status"):
            object.__setattr__(self, name, plain(getattr(self, name)))
        object.__setattr__(self, "sections", tuple(part for part in self.sections if part.lines))


def is_web_address(url: str) -> bool:
    """Tell whether a link may be clicked: only http and https, and nothing that breaks out of a link."""
    return url.lower().startswith(("http://", "https://")) and not any(bad in url for bad in " <>|\"'`\\")
