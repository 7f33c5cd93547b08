"""A text that a regular expression matches, for made-up incidents: the first choice wherever there is one.

It walks what the standard library makes of the expression (`re` parses it; the parse is no public interface,
so every text is held against the expression again, and where the walk does not know its way there is none).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

_LONG = 7  # as often as this is repeated what may be: commits and names are seldom shorter
_OF_CLASS = {"CATEGORY_DIGIT": "7", "CATEGORY_WORD": "a", "CATEGORY_SPACE": " ", "CATEGORY_NOT_SPACE": "a"}
_PREFERRED = "am7e0-A_./ "


def text_matching(pattern: str) -> str | None:
    """Return a text that the whole pattern matches, or None where none was found."""
    try:
        text = _of(import_module("re._parser").parse(pattern))
        return text if re.fullmatch(pattern, text) else None
    except (ImportError, re.error, KeyError, ValueError, IndexError, RecursionError):
        return None


def _of(parsed: Iterable[tuple[Any, Any]]) -> str:
    return "".join(_WAYS[str(kind)](given) for kind, given in parsed)


def _repeated(given: Any) -> str:
    least, most, what = given
    return _of(what) * min(max(int(least), _LONG if int(least) != int(most) else 0), int(most))


def _one_of(given: Any) -> str:
    if str(given[0][0]) == "NEGATE":
        forbidden = {letter for each in given[1:] for letter in _letters(each)}
        return next(letter for letter in _PREFERRED if letter not in forbidden)
    offered = [letter for each in given for letter in _letters(each)]
    return next((letter for letter in _PREFERRED if letter in offered), offered[0])


def _letters(part: tuple[Any, Any]) -> list[str]:
    kind, given = str(part[0]), part[1]
    if kind == "RANGE":
        return [chr(code) for code in range(given[0], min(given[1], given[0] + 128) + 1)]
    return [chr(given)] if kind == "LITERAL" else [_OF_CLASS[str(given)]]


_WAYS: dict[str, Callable[[Any], str]] = {
    "LITERAL": chr,
    "ANY": lambda _: "a",
    "NOT_LITERAL": lambda code: next(letter for letter in _PREFERRED if ord(letter) != code),
    "AT": lambda _: "",
    "ASSERT": lambda _: "",
    "ASSERT_NOT": lambda _: "",
    "IN": _one_of,
    "MAX_REPEAT": _repeated,
    "MIN_REPEAT": _repeated,
    "POSSESSIVE_REPEAT": _repeated,
    "SUBPATTERN": lambda given: _of(given[-1]),
    "ATOMIC_GROUP": _of,
    "BRANCH": lambda given: _of(given[1][0]),
}
