"""What Slack checks of a message's blocks before it posts them: the documented limits of Block Kit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MAX_BLOCKS, MAX_SECTION, MAX_HEADER, MAX_CONTEXT = 50, 3000, 150, 10
MAX_FIELDS, MAX_FIELD, MAX_ID = 10, 2000, 255
MAX_ACTIONS, MAX_BUTTON, MAX_VALUE = 25, 75, 2000
MAX_CONFIRM = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
STYLES = {None, "primary", "danger"}

Json = dict[str, Any]


def problems_of_blocks(blocks: list[Json]) -> Iterator[str]:
    if len(blocks) > MAX_BLOCKS:
        yield f"no more than {MAX_BLOCKS} items allowed [json-pointer:/blocks]"
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    if len(ids) > len(set(ids)) or any(size(each) > MAX_ID for each in ids):
        yield "block_id must be unique and no longer than 255 [json-pointer:/blocks]"
    for index, block in enumerate(blocks):
        for problem in _block(block):
            yield f"{problem} [json-pointer:/blocks/{index}]"


def _block(block: Json) -> Iterator[str]:
    kind = block.get("type")
    if kind == "header":
        yield from _text(block.get("text"), MAX_HEADER, {"plain_text"})
    elif kind == "section":
        yield from _section(block)
    elif kind == "context":
        elements = block.get("elements", [])
        if not 1 <= len(elements) <= MAX_CONTEXT:
            yield f"must have 1 to {MAX_CONTEXT} elements"
        for element in elements:
            yield from _text(element, MAX_SECTION, {"mrkdwn", "plain_text"})
    elif kind == "actions":
        yield from _actions(block.get("elements", []))
    elif kind != "divider":
        yield f"unsupported type: {kind}"


def _actions(elements: list[Json]) -> Iterator[str]:
    if not 1 <= len(elements) <= MAX_ACTIONS:
        yield f"must have 1 to {MAX_ACTIONS} elements"
    ids = [str(element.get("action_id", "")) for element in elements]
    if len(ids) > len(set(ids)) or any(size(each) > MAX_ID for each in ids):
        yield f"action_id must be unique and no longer than {MAX_ID}"
    for element in elements:
        if element.get("type") != "button":
            yield f"unsupported element: {element.get('type')}"
        yield from _text(element.get("text"), MAX_BUTTON, {"plain_text"})
        if size(str(element.get("value", ""))) > MAX_VALUE:
            yield f"value must be less than {MAX_VALUE + 1} characters"
        if element.get("style") not in STYLES:
            yield "style must be primary or danger"
        for name, longest in MAX_CONFIRM.items() if "confirm" in element else ():
            yield from _text(element["confirm"].get(name), longest, {"plain_text", "mrkdwn"})


def _section(block: Json) -> Iterator[str]:
    fields = block.get("fields", [])
    if "text" in block or not fields:
        yield from _text(block.get("text"), MAX_SECTION, {"mrkdwn", "plain_text"})
    if len(fields) > MAX_FIELDS:
        yield f"no more than {MAX_FIELDS} items allowed"
    for each in fields:
        yield from _text(each, MAX_FIELD, {"mrkdwn", "plain_text"})


def _text(text: Any, longest: int, kinds: set[str]) -> Iterator[str]:
    if not isinstance(text, dict) or text.get("type") not in kinds or not isinstance(text.get("text"), str):
        yield f"must be a text object of {sorted(kinds)}"
    elif not text["text"]:
        yield "must be more than 0 characters"
    elif size(text["text"]) > longest:
        yield f"must be less than {longest + 1} characters"


def size(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
