"""A page as text for a terminal: columns that line up, words that wrap, colour only where it is wanted.

Width is counted in cells, as terminals do (Unicode TR 11): an ideograph takes two, a combining mark none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import chain, pairwise

from playbooks.page import Code, Line, Page, Section
from playbooks.words import Tone

NARROWEST, NARROWEST_WORDS = 40, 20
BAR = 12
EIGHTHS = " ▏▎▍▌▋▊▉"
_WORD = re.compile(r"\S*\d (?:%|s)(?!\w)\S*|\S+")  # a number stays with its unit
_COLOURS: dict[Tone, str] = {
    "plain": "",
    "strong": "1",
    "good": "32",
    "bad": "31",
    "wait": "1;33",
    "busy": "36",
    "dim": "2",
}
_DIFF: dict[str, Tone] = {"+": "good", "-": "bad", "@": "busy"}


def text(page: Page, *, colour: bool, width: int) -> str:
    """Write the whole page, ending in a newline."""
    lines = list(_head(page, colour=colour, width=max(width, NARROWEST)))
    for section in page.sections:
        lines.extend(_section(section, colour=colour, width=max(width, NARROWEST)))
    return "\n".join(lines) + "\n"


def cells(words: str) -> int:
    """Count the cells of a terminal that some text takes."""
    return sum(_cells(letter) for letter in words)


def _cells(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in {"W", "F"} else 1


def cut(words: str, room: int) -> str:
    """Cut text to at most so many cells; an ellipsis stands for what was cut off."""
    if cells(words) <= room:
        return words
    return _head_of(words, room - 1).rstrip() + "…"


def padded(words: str, room: int) -> str:
    """Cut or fill text with blanks to exactly so many cells."""
    short = cut(words, room)
    return short + " " * (room - cells(short))


def painted(words: str, tone: Tone, *, colour: bool) -> str:
    """Give text the colour of its tone."""
    code = _COLOURS[tone]
    return f"\x1b[{code}m{words}\x1b[0m" if colour and code and words else words


def wrapped(words: str, room: int) -> list[str]:
    """Break text into lines of at most so many cells; only a word wider than a whole line is broken."""
    lines = [""]
    for word in chain.from_iterable(_pieces(whole, room) for whole in _WORD.findall(words)):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if cells(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _pieces(word: str, room: int) -> Iterator[str]:
    while cells(word) > room:
        piece = _head_of(word, room)
        yield piece
        word = word[len(piece) :]
    yield word


def _head_of(words: str, room: int) -> str:
    taken = 0
    for index, letter in enumerate(words):
        taken += _cells(letter)
        if taken > room:
            return words[:index]
    return words


def _head(page: Page, *, colour: bool, width: int) -> Iterator[str]:
    for line in wrapped(page.title, width):
        yield painted(line, "strong", colour=colour)
    status = painted(f"● {page.status}", page.tone, colour=colour)
    name = painted(f"  {page.name}" if page.name else "", "dim", colour=colour)
    yield status + name
    yield painted("─" * width, "dim", colour=colour)


def _section(section: Section, *, colour: bool, width: int) -> Iterator[str]:
    if section.title:
        yield ""
        yield painted(section.title.upper(), "busy", colour=colour)
    yield from _line(section.lines[0], "", colour=colour, width=width)
    for before, each in pairwise(section.lines):
        yield from _line(each, _label(before), colour=colour, width=width)


def _label(line: Line | Code) -> str:
    return line.label if isinstance(line, Line) else ""


def _line(line: Line | Code, label_above: str, *, colour: bool, width: int) -> Iterator[str]:
    if isinstance(line, Code):
        yield from _code(line, colour=colour)
        return
    columns = _columns(line, label_above)
    indent = cells(columns)
    room = max(width - indent, NARROWEST_WORDS)
    words = wrapped(_words(line), room) if line.form == "text" else [_words(line)]
    lead = painted(columns, "strong" if line.level == 0 else "dim", colour=colour)
    yield lead + painted(words[0], line.tone, colour=colour)
    for more in words[1:]:
        yield " " * indent + painted(more, line.tone, colour=colour)


def _columns(line: Line, label_above: str) -> str:
    """Write what stands before the words; a label is not repeated below itself."""
    if line.level == 0:
        bar = f"{_bar(line.share)}  " if line.share is not None else ""
        figure = f"{line.figure:>8}  " if line.figure else ""
        return f"  {line.mark:<2} {figure}{bar}"
    label = "" if line.label == label_above else line.label
    figure = f"{line.figure:>5}  " if line.figure else ""
    return f"{'':5}{label:<9}{figure}"


def _bar(share: float) -> str:
    """Draw a bar that shows a share to an eighth of a cell."""
    eighths = round(share * BAR * 8)
    full, part = divmod(eighths, 8)
    bar = "█" * full + (EIGHTHS[part] if part else "")
    return bar.ljust(BAR)


def _words(line: Line) -> str:
    return f"{line.says}: {line.url}" if line.form == "link" and line.url != line.says else line.says


def _code(code: Code, *, colour: bool) -> Iterator[str]:
    for line in code.lines:
        tone = _DIFF.get(line[:1], "plain") if code.language == "diff" else "plain"
        yield f"{'':14}{painted('│', 'dim', colour=colour)} {painted(line, tone, colour=colour)}".rstrip()
