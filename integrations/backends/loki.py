"""Grafana Loki: log lines of a window, oldest first.

A query gives at most ``limit`` lines, so full answers are narrowed. Labels and structured metadata tell the
service, the severity and the trace; the line itself is the body. The query is what people wrote, word for
word. Source: grafana.com, "Loki HTTP API".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from pydantic import Field

from causal.evidence import Window
from integrations.arrow import LOGS, ArrowBatch, nanoseconds, table_of
from integrations.backends.labels import first_of, instance_of, service_of
from integrations.backends.narrowing import narrowed
from integrations.backends.source import Pulled
from integrations.backends.wire import Backend, ask, read_as

SEVERITIES = ("severity_text", "severity", "level", "detected_level")
_LONGEST_LINE = 4096
_KNOWN = {"warning": "warn", "critical": "fatal", "err": "error", "information": "info", "notice": "info"}

Labels = Mapping[str, str]
Line = tuple[Labels, int, str]


class LokiSettings(Backend):
    """A Loki; ``query`` is the LogQL that selects streams, ``limit`` how many lines one query may give."""

    query: str = '{service_name=~".+"}'
    limit: int = Field(default=5_000, ge=1)
    most_lines: int = Field(default=200_000, ge=1)


class _Stream(msgspec.Struct):
    stream: dict[str, str] = {}
    values: list[list[Any]] = []


class _Data(msgspec.Struct, rename="camel"):
    result_type: str = ""
    result: list[_Stream] = []


class _Answer(msgspec.Struct):
    data: _Data = msgspec.field(default_factory=_Data)


class _Version(msgspec.Struct):
    version: str = "of unknown version"


@dataclass(frozen=True)
class Loki:
    """An `integrations.backends.source.TelemetrySource` of logs."""

    settings: LokiSettings
    name: str = "loki"
    settles: float = 10.0

    def pull(self, window: Window) -> Pulled:
        lines: list[Line] = []
        gaps: list[str] = []
        for narrow, found, whole in narrowed(window, self.settings.limit, self._search):
            lines += found
            if not whole:
                gaps.append(f"{self.name}: more lines within {narrow.seconds:g} s than the {len(found)} read")
            if len(lines) > self.settings.most_lines:
                gaps.append(f"{self.name}: more lines than the {self.settings.most_lines} that are read")
                break
        return Pulled(
            ArrowBatch(logs=table_of(LOGS, [_row(*line) for line in lines[: self.settings.most_lines]])),
            tuple(dict.fromkeys(gaps)),
        )

    def ping(self) -> str:
        """Ask which version it is."""
        body = ask(self.settings, "/loki/api/v1/status/buildinfo")
        return f"Loki {read_as(_Version, body, self.name).version}"

    def _search(self, window: Window) -> list[Line]:
        # The start is included, the end is not.
        params = {
            "query": self.settings.query,
            "start": str(nanoseconds(window.start)),
            "end": str(nanoseconds(window.end)),
            "limit": str(self.settings.limit),
            "direction": "forward",
        }
        body = ask(self.settings, "/loki/api/v1/query_range", params)
        answer: _Answer = read_as(_Answer, body, self.name)
        return list(_lines(answer.data.result))


def _lines(streams: Sequence[_Stream]) -> Iterator[Line]:
    for stream in streams:
        for value in stream.values:
            metadata = value[2] if len(value) > 2 and isinstance(value[2], dict) else {}  # noqa: PLR2004
            labels = {**stream.stream, **{name: str(said) for name, said in metadata.items()}}
            yield labels, int(value[0]), str(value[1])[:_LONGEST_LINE]


def _row(labels: Labels, at: int, body: str) -> tuple[object, ...]:
    return (
        at,
        service_of(labels),
        instance_of(labels),
        _severity(first_of(labels, SEVERITIES)),
        first_of(labels, ("trace_id", "traceid", "traceID")),
        first_of(labels, ("span_id", "spanid", "spanID")),
        body,
    )


def _severity(said: str | None) -> str | None:
    word = (said or "").lower()
    return _KNOWN.get(word, word) or None
