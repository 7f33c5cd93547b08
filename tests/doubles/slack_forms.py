"""What Slack checks of a form before it opens it: the documented limits of modal views."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
MAX_BLOCKS, MAX_TITLE, MAX_METADATA, MAX_ID = 100, 24, 3_000, 255
MAX_OPTIONS, MAX_OPTION_TEXT, MAX_OPTION_VALUE, MAX_LABEL, MAX_SECTION = 100, 75, 150, 2_000, 3_000


def problems_of_view(view: Json) -> list[str]:
    """Everything that is wrong with a view, in words; none if Slack would open it."""
    found = [] if view.get("type") == "modal" else ["type must be modal"]
    for name in ("title", "submit", "close"):
        found += _text(view.get(name), MAX_TITLE, name)
    if len(view.get("private_metadata", "")) > MAX_METADATA:
        found.append(f"private_metadata must be less than {MAX_METADATA + 1} characters")
    if not 0 < len(view.get("callback_id", "")) <= MAX_ID:
        found.append("callback_id is missing or too long")
    blocks = view.get("blocks", [])
    if not 1 <= len(blocks) <= MAX_BLOCKS:
        found.append(f"there must be 1 to {MAX_BLOCKS} blocks")
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    if len(ids) != len(set(ids)):
        found.append("block_id must be unique")
    for block in blocks:
        found += _block(block)
    return found


def _block(block: Json) -> list[str]:
    if block.get("type") == "section":
        return _text(block.get("text"), MAX_SECTION, "section.text")
    if block.get("type") != "input":
        return [f"unsupported block: {block.get('type')}"]
    return _text(block.get("label"), MAX_LABEL, "label") + _element(block.get("element", {}))


def _element(element: Json) -> list[str]:
    if element.get("type") == "plain_text_input":
        return [] if 0 < element.get("max_length", 3_000) <= 3_000 else ["max_length must be 1 to 3000"]
    if element.get("type") != "static_select":
        return [f"unsupported element: {element.get('type')}"]
    options = element.get("options", [])
    found = [] if 1 <= len(options) <= MAX_OPTIONS else [f"there must be 1 to {MAX_OPTIONS} options"]
    for option in options:
        found += _text(option.get("text"), MAX_OPTION_TEXT, "option.text")
        if not 0 < len(option.get("value", "")) <= MAX_OPTION_VALUE:
            found.append(f"option.value must be 1 to {MAX_OPTION_VALUE} characters")
    return found


def _text(text: Any, longest: int, where: str) -> list[str]:
    if not isinstance(text, dict) or text.get("type") != "plain_text" or not text.get("text"):
        return [f"{where} must be a plain_text object with text"]
    size = len(text["text"].encode("utf-16-le", "surrogatepass")) // 2
    return [] if size <= longest else [f"{where} must be less than {longest + 1} characters"]
