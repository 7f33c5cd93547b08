"""Backends that give the first N they find: asked of ever narrower windows until each answer is whole.

Neither Tempo nor Loki nor Jaeger promises which N of more it gives, so an answer that reaches the limit is
not the newest, nor a sample, nor the same the next time. A window whose answer is full is halved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from causal.evidence import Window

Found = TypeVar("Found")
NARROWEST = 1.0


def narrowed(
    window: Window, limit: int, ask: Callable[[Window], Sequence[Found]], *, narrowest: float = NARROWEST
) -> Iterator[tuple[Window, Sequence[Found], bool]]:
    """Ask for a window and, where there are ``limit`` or more, for its halves.

    Yields each window with what was found in it, and whether that is all; it is not where a window of
    ``narrowest`` seconds or less is still full.
    """
    found = ask(window)
    if len(found) < limit:
        yield window, found, True
    elif window.seconds <= narrowest:
        yield window, found, False
    else:
        middle = window.start + window.seconds / 2
        for half in (Window(start=window.start, end=middle), Window(start=middle, end=window.end)):
            yield from narrowed(half, limit, ask, narrowest=narrowest)
