"""Masking: what must never be written down is replaced before it is.

Two signs betray a secret: the name it is filed under (``password``, ``x-api-key``, ``client_secret``),
and the shape of the text itself (``Bearer …``, a URL with a password, a token with a vendor's prefix).
This is the last net, not the first: secrets have no business in what is given to it.
"""

import re
from typing import Any

MASK = "***"

_NAMES = re.compile(
    r"(?:^|[^a-z])(?:token|passwords?|passwd|secrets?|authorization|credentials?|cookie|api[^a-z]?key|private[^a-z]?key)$"
)
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SHAPES = re.compile(
    r"(?P<before>\bauthorization:\s*\w+\s+|\bbearer\s+)[\w.~+/=-]{8,}"
    r"|(?P<user>://[^\s:/@]*:)[^\s/@]+(?=@)"
    r"|\b(?:xox[a-z]-|gh[pousr]_|sk-)[\w-]{8,}",
    re.IGNORECASE,
)


def without_secrets(value: Any) -> Any:
    """Return a JSON value with every secret as ``***``; counts such as ``input_tokens`` are left alone."""
    if isinstance(value, dict):
        return {name: MASK if _is_secret(name, own) else without_secrets(own) for name, own in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(kept) for kept in value]
    return _SHAPES.sub(_masked, value) if isinstance(value, str) else value


def _is_secret(name: str, value: Any) -> bool:
    return bool(value) and _NAMES.search(_HUMPS.sub("_", name).lower()) is not None


def _masked(found: re.Match[str]) -> str:
    return (found["before"] or found["user"] or "") + MASK
