"""Canonical JSON: the one text of a value, so that a hash of the text is a hash of the value.

Keys sorted, no spaces, UTF-8, floats in their shortest exact form, no NaN and no infinity: in spirit RFC 8785
(JSON Canonicalization Scheme), without its rewriting of numbers.
"""

import json
from typing import Any

from pydantic_core import to_jsonable_python

from causal.errors import Malformed, Tampered
from causal.evidence import Fact


def _json_form(value: object) -> object:
    if isinstance(value, set | frozenset):
        return sorted(value, key=canonical)
    return to_jsonable_python(value)


_ENCODER = json.JSONEncoder(
    sort_keys=True,
    separators=(",", ":"),
    ensure_ascii=False,
    allow_nan=False,
    default=_json_form,
)


def canonical(value: object) -> bytes:
    """Return the one JSON text of a value; tuples, enumerations, times and paths take their usual JSON form.

    Raises Malformed for what JSON cannot hold exactly: NaN, infinity, half a surrogate pair, foreign objects.
    """
    try:
        return _ENCODER.encode(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise Malformed(f"cannot be written as canonical JSON: {error}") from error


def canonical_value(value: Fact) -> bytes:
    """Return the canonical JSON of one of our values."""
    # Not in pydantic's JSON mode: that would turn NaN into null without a word.
    return canonical(value.model_dump())


def read_canonical(line: bytes, row: int) -> dict[str, Any]:
    """Read an object back; raises Tampered, naming ``row``, unless this is the one text of it."""
    try:
        fields = json.loads(line.decode())
        exact = canonical(fields) == line
    except (ValueError, RecursionError, Malformed) as error:
        raise Tampered(f"not a line of canonical JSON: {error}", row=row) from error
    if not exact or not isinstance(fields, dict):
        raise Tampered("not a line of canonical JSON", row=row)
    return fields
