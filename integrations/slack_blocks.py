"""A page as Slack's Block Kit, within a budget: pure, so that every limit can be tested at its edge.

Slack refuses a whole message for one character too many, so nothing is left to chance: 50 blocks, 3000
characters a section and 150 a header are documented (docs.slack.dev, block-kit); that all blocks together may
not pass about 13200 characters of JSON is not, but it is so. Characters are counted in UTF-16 units, the
strictest way to count. Other people's text cannot mention anybody or pose as a link: ``&<>`` are escaped and
blocks are ``verbatim``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from playbooks.page import Code, Line, Page, Section, is_web_address

Block = dict[str, Any]
MAX_BLOCKS, MAX_SECTION, MAX_HEADER = 50, 3000, 150
LONGEST_LINE, LONGEST_CODE, LONGEST_TEXT = 500, 2000, 300
FENCE = "```"


@dataclass(frozen=True)
class Budget:
    """How much a message may hold: characters of JSON, and blocks."""

    characters: int = 12_500
    blocks: int = MAX_BLOCKS

    def without(self, taken: list[Block]) -> Budget:
        """What is left beside blocks that are there already."""
        return Budget(self.characters - weight(taken), self.blocks - len(taken))


FULL = Budget()
SHORT = Budget(characters=3_000, blocks=8)


def size(text: str) -> int:
    """Count characters as strictly as Slack may: in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def weight(blocks: list[Block]) -> int:
    """Count the characters of all blocks together, as they travel."""
    return size(json.dumps(blocks, ensure_ascii=False, separators=(",", ":")))


def escaped(text: str) -> str:
    """Escape what could be markup, a mention or a link in Slack."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def fallback(page: Page) -> str:
    """Say the page in a line: for notifications and for readers that show no blocks."""
    return escaped(cut(f"{page.name} {page.status}: {page.title}", LONGEST_TEXT))


def blocks(page: Page, *, budget: Budget = FULL, header: bool = True) -> list[Block]:
    """Write the page in blocks; what passes the budget is left out, and the last block says so."""
    last = _context(f"Shortened; all of it: `aitia incident {escaped(cut(page.name, LONGEST_LINE // 2))}`")
    made = [_header(page.title)] if header else []
    owed = [block for block, must in _body(page) if must]
    is_full = False
    for block, must in _body(page):
        if must:
            made.append(owed.pop(0))
            continue
        is_full = is_full or not _fits([*made, block, *owed, last], budget)
        made += [] if is_full else [block]
    return [*made, last] if is_full else made


def is_shortened(page: Page) -> bool:
    """Whether even the fullest form of a page leaves something out."""
    return bool(blocks(page, header=False)[-1]["type"] == "context")


def plain_section(words: str) -> Block:
    """Write words as they are, as one block."""
    return _section(words)


def _fits(made: list[Block], budget: Budget) -> bool:
    return weight(made) <= budget.characters and len(made) <= budget.blocks


def _header(title: str) -> Block:
    return {"type": "header", "text": {"type": "plain_text", "text": cut(title or "Incident", MAX_HEADER)}}


def _context(words: str) -> Block:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": words, "verbatim": True}]}


def _section(words: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": words, "verbatim": True}}


def _body(page: Page) -> Iterator[tuple[Block, bool]]:
    """Write each section as blocks, and whether they must be there."""
    status, name = (escaped(cut(words, LONGEST_LINE)) for words in (page.status, page.name))
    yield _section(f"*{status}*  {name}"), True
    for section in page.sections:
        yield from ((_section(chunk), section.must) for chunk in _chunks(_pieces(section)))


def _chunks(pieces: Iterator[str]) -> Iterator[str]:
    """Gather pieces into as few sections as hold them; a piece is never torn apart."""
    gathered = ""
    for piece in pieces:
        longer = f"{gathered}\n{piece}" if gathered else piece
        if gathered and size(longer) > MAX_SECTION:
            yield gathered
            longer = piece
        gathered = longer
    if gathered:
        yield gathered


def _pieces(section: Section) -> Iterator[str]:
    if section.title:
        yield f"*{escaped(cut(section.title, LONGEST_LINE))}*"
    outermost = min(line.level for line in section.lines)
    for line in section.lines:
        yield _fenced(line) if isinstance(line, Code) else _line(line, outermost)


def _line(line: Line, outermost: int) -> str:
    indent = "      " * (line.level - outermost)
    lead = " ".join(part for part in (line.mark, _bold(line.label), _bold(line.figure)) if part)
    return f"{indent}{lead} {_words(line)}" if lead else f"{indent}{_words(line)}"


def _bold(words: str) -> str:
    return f"*{escaped(cut(words, 40))}*" if words else ""


def _words(line: Line) -> str:
    says = escaped(cut(line.says, LONGEST_LINE))
    if line.form == "command":
        return f"`{says.replace('`', '')}`"
    if line.form == "link" and is_web_address(line.url) and size(line.url) <= LONGEST_LINE:
        return f"<{escaped(line.url)}|{says}>"
    if line.form == "link":
        return f"{escaped(cut(line.says, LONGEST_LINE // 2))}: {escaped(cut(line.url, LONGEST_LINE // 2))}"
    return f"*{says}*" if line.tone == "strong" else says


def _fenced(code: Code) -> str:
    """Fence the code; a fence within is broken up, and what is too long for one section is cut off."""
    shown: list[str] = []
    room = LONGEST_CODE
    for line in code.lines:
        safe = escaped(cut(line.replace(FENCE, "` ` `"), LONGEST_LINE // 2))
        room -= size(safe) + 1
        if room < 0:
            shown.append(f"… and {len(code.lines) - len(shown)} more lines")
            break
        shown.append(safe)
    return "\n".join([FENCE, *shown, FENCE])


def cut(text: str, room: int) -> str:
    """Cut before escaping, so that no escape is torn; whole characters only."""
    if size(text) <= room:
        return text
    kept = text.encode("utf-16-le", "surrogatepass")[: (room - 1) * 2].decode("utf-16-le", "ignore")
    return kept.rstrip() + "…"
