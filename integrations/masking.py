"""Masking: what must never be written down is replaced before it is.

Two signs betray a secret: the name it is filed under (``password``, ``x-api-key``, ``client_secret``), and
the shape of the text itself (`integrations.shapes`). Personal data is known by its shape alone; that of the
people who approved or declined stays, because who decided is what an audit is about.
This is the last net, not the first: secrets have no business in what is given to it.
"""

import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from integrations.shapes import MASK, mask_personal, mask_secrets

_NAMES = re.compile(
    r"(?:^|[^a-z])(?:token|passwords?|passwd|passphrase|secrets?|authorization|credentials?|cookie|api[^a-z]?key"
    r"|access[^a-z]?key|private[^a-z]?key)$"
)
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_IDS = re.compile(r"(?:^|[^a-z])(?:trace|span)[^a-z]?id$")
_DECIDERS = frozenset(
    {
        "by",
        "actor",
        "approved_by",
        "answered_by",
        "asked_by",
        "declined_by",
        "approvers",
        "escalate_to",
        "delegated_by",
        "delegated_to",
    }
)


def without_secrets(value: Any, people: AbstractSet[str] = frozenset()) -> Any:
    """Return a JSON value with its secrets as ``***`` and its personal data by kind.

    Counts such as ``input_tokens``, digests and ids are left alone, and so are the addresses of ``people``.
    """
    if isinstance(value, dict):
        return {name: _kept(name, own, people) for name, own in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(kept, people) for kept in value]
    return mask_personal(mask_secrets(value), people) if isinstance(value, str) else value


def deciders(actor: str, facts: Mapping[str, Any]) -> frozenset[str]:
    """Return who acted, asked, approved or may approve, by what an entry of the audit log says."""
    return frozenset({actor, *_named(facts)})


def names_a_secret(name: str) -> bool:
    """Tell whether what is filed under a name is a secret, whatever it looks like."""
    return _NAMES.search(_plain(name)) is not None


def _kept(name: str, value: Any, people: AbstractSet[str]) -> Any:
    if _IDS.search(_plain(name)):
        return value
    return MASK if value and names_a_secret(name) else without_secrets(value, people)


def _plain(name: str) -> str:
    return _HUMPS.sub("_", name).lower()


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _named(one)
    elif isinstance(value, dict):
        for name, own in value.items():
            yield from _texts(own) if name in _DECIDERS else _named(own)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
