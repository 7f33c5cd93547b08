"""A page as Markdown (CommonMark, and safe on GitHub): nested lists, fenced code, links, and text.

Other people's text cannot become markup: every character that could begin some is escaped (CommonMark 2.4), a
fence is longer than any run of backticks within (4.5), and only web addresses become links.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from playbooks.page import Code, Line, Page, Section, is_web_address

_MARKUP = re.compile(r"([\\`*_\[\]<&~$@#])")
_AT_START = re.compile(r"^(\d*)([-+=>.)])")
_AUTOLINK = re.compile(r"(?i)(?<=www)\.|:(?=//)")


def markdown(page: Page) -> str:
    """Write the whole page, ending in a newline."""
    name = f" · {escaped(page.name)}" if page.name else ""
    head = [f"# {escaped(page.title)}", "", f"**{escaped(page.status)}**{name}"]
    body = [line for section in page.sections for line in _section(section)]
    return "\n".join([*head, *body]) + "\n"


def escaped(words: str) -> str:
    """Escape text so that Markdown shows it letter for letter, wherever in a line it stands but first."""
    return _AUTOLINK.sub(lambda hit: "\\" + hit[0], _MARKUP.sub(r"\\\1", words))


def _section(section: Section) -> Iterator[str]:
    yield ""
    if section.title:
        yield from (f"## {escaped(section.title)}", "")
    outermost = min(line.level for line in section.lines)
    for line in section.lines:
        indent = "  " * (line.level - outermost)
        yield from (indent + each for each in (_code(line) if isinstance(line, Code) else [_item(line)]))


def _item(line: Line) -> str:
    label = f"**{escaped(line.label)}**" if line.label else ""
    figure = f"**{escaped(line.figure)}**" if line.figure else ""
    mark = escaped(line.mark) if line.mark.strip("·▸") else ""
    parts = [part for part in (mark, label, figure, _words(line)) if part]
    return "- " + _AT_START.sub(r"\1\\\2", " ".join(parts))


def _words(line: Line) -> str:
    if line.form == "command":
        return _inline_code(line.says)
    if line.form == "link" and is_web_address(line.url):
        return f"[{escaped(line.says)}](<{line.url}>)"
    if line.form == "link":
        return escaped(f"{line.says}: {line.url}")
    words = escaped(line.says)
    return f"**{words}**" if line.tone == "strong" and words else words


def _inline_code(command: str) -> str:
    ticks = "`" * (_longest_run(command) + 1)
    gap = " " if "`" in command else ""
    return f"{ticks}{gap}{command}{gap}{ticks}"


def _code(code: Code) -> Iterator[str]:
    fence = "`" * max(3, _longest_run("\n".join(code.lines)) + 1)
    yield f"{fence}{code.language}"
    yield from code.lines
    yield fence


def _longest_run(words: str) -> int:
    return max((len(run) for run in re.findall("`+", words)), default=0)
