"""OTLP's values made plain and bounded: other people's text, on its way into columns.

Only attributes that the engine can use are kept, and of each at most so many characters: a span may carry a
megabyte, a column that holds a million of them may not.
"""

import base64
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

__all__ = [
    "Rejections",
    "as_json",
    "chosen",
    "hexadecimal",
    "is_sensible",
    "plain",
    "plain_attributes",
    "text",
]

_EARLIEST = 946_684_800_000_000_000  # 2000-01-01: a clock before that was never set
_LATEST = 7_258_118_400_000_000_000  # 2200-01-01
_NAME = 512  # characters of a name
_VALUE = 1024  # characters of an attribute
_ITEMS = 64  # members of a list or a map
_DEPTH = 8  # levels of a nested value
_KEPT = 48  # attributes of one span

KEPT = frozenset(
    [
        "db.collection.name",
        "db.namespace",
        "db.operation.name",
        "db.response.status_code",
        "db.system",
        "db.system.name",
        "error.type",
        "exception.message",
        "exception.type",
        "feature_flag.key",
        "feature_flag.result.variant",
        "http.method",
        "http.request.method",
        "http.request.resend_count",
        "http.response.status_code",
        "http.route",
        "http.status_code",
        "mcp.method.name",
        "messaging.destination.name",
        "messaging.operation.type",
        "messaging.system",
        "net.peer.name",
        "network.peer.address",
        "peer.service",
        "process.exit.code",
        "rpc.grpc.status_code",
        "rpc.method",
        "rpc.response.status_code",
        "rpc.service",
        "rpc.system",
        "server.address",
        "server.port",
        "step.index",
        "url.template",
    ]
)
"""Attributes that are kept, besides everything under `gen_ai.`."""

_deterministic = msgspec.json.Encoder(order="sorted")


@dataclass
class Rejections:
    """Records that could not be taken, counted by reason."""

    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, reason: str) -> None:
        self.reasons[reason] += 1

    @property
    def count(self) -> int:
        return self.reasons.total()

    @property
    def message(self) -> str:
        """A sentence for the sender; empty if nothing was rejected."""
        return "; ".join(f"{count} rejected: {reason}" for reason, count in sorted(self.reasons.items()))


def text(value: str, limit: int = _NAME) -> str:
    """Cut text to its limit, and take out the one character that databases refuse."""
    if len(value) > limit:
        value = value[: limit - 1] + "…"
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in value else value


def is_sensible(moment: int) -> bool:
    """Whether nanoseconds since the epoch can be the time of a measurement."""
    return _EARLIEST <= moment <= _LATEST


def hexadecimal(identity: bytes | str | None, size: int) -> str | None:
    """Give an id as lower-case hexadecimal digits; None for no id and for one that is all zeros.

    Ids come as bytes, as hexadecimal text, or as base64. ValueError: none of these, or not ``size`` bytes
    long.
    """
    if not identity:
        return None
    raw = identity if isinstance(identity, bytes) else _bytes(identity, size)
    if len(raw) != size:
        raise ValueError("an id of the wrong length")
    return raw.hex() if any(raw) else None


def _bytes(identity: str, size: int) -> bytes:
    try:
        if len(identity) == 2 * size:
            return bytes.fromhex(identity)
        return base64.b64decode(identity, validate=True)
    except ValueError as error:
        raise ValueError("an id that is neither hexadecimal nor base64") from error


def plain(value: Any, depth: int = 0) -> Any:
    """Turn an AnyValue into what JSON has; long, wide and deep ones are cut."""
    kind = value.WhichOneof("value") if value is not None else None
    if kind is None:
        return None
    content = getattr(value, kind)
    if kind == "string_value":
        return text(content, _VALUE)
    if kind == "int_value":
        return content if -(2**63) <= content < 2**64 else "out of range"
    if kind == "bytes_value":
        return text(
            content if isinstance(content, str) else base64.b64encode(content[:_VALUE]).decode(), _VALUE
        )
    if kind in ("array_value", "kvlist_value"):
        return _members(content.values or (), kind, depth + 1)
    return content


def _members(values: Iterable[Any], kind: str, depth: int) -> Any:
    if depth > _DEPTH:
        return "…"
    first = [value for _, value in zip(range(_ITEMS), values, strict=False)]
    if kind == "array_value":
        return [plain(value, depth) for value in first]
    return {text(pair.key): plain(pair.value, depth) for pair in first}


def plain_attributes(attributes: Iterable[Any] | None) -> dict[str, Any]:
    """Give all attributes of a resource or a data point; of a key that repeats, the last value."""
    pairs = zip(range(_ITEMS * 4), attributes or (), strict=False)
    return {text(pair.key): plain(pair.value) for _, pair in pairs}


def chosen(attributes: Iterable[Any] | None) -> dict[str, Any]:
    """Give the attributes of a span that are kept, their values bounded."""
    kept: dict[str, Any] = {}
    for pair in attributes or ():
        if (pair.key in KEPT or pair.key.startswith("gen_ai.")) and len(kept) < _KEPT:
            kept[text(pair.key)] = _bounded(plain(pair.value))
    return kept


def _bounded(value: Any) -> Any:
    if not isinstance(value, list | dict):
        return value
    written = as_json(value)
    return value if len(written) <= 4 * _VALUE else text(written, 4 * _VALUE)


def as_json(value: Mapping[str, Any] | list[Any]) -> str:
    """Write canonical JSON: sorted keys, no spaces; what is not a number is null."""
    return _deterministic.encode(value).decode()
