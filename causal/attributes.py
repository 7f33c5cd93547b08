"""Span attributes: JSON objects in a column, read only for the few rows that somebody asks about."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from causal.telemetry import MISSING, Spans


def read(spans: Spans, row: int) -> Mapping[str, Any]:
    """The attributes of a row; empty where there are none or they are no JSON object."""
    code = spans.attributes.codes[row]
    if code == MISSING:
        return {}
    try:
        found = json.loads(spans.attributes.names[code])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def values(spans: Spans, rows: Iterable[int], names: Sequence[str]) -> list[str | None]:
    """Per row, the first of the named attributes that it has, as text."""
    found = []
    for row in rows:
        told = read(spans, int(row))
        found.append(next((str(told[name]) for name in names if name in told), None))
    return found
