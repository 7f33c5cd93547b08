"""What a running system lets others know: spans, log records, and how its customers fared.

A request that is not sampled leaves no spans; a service without instrumentation leaves none either. A span is
handed over when it ends, so what still runs when the snapshot is taken is not in it.
"""

import json
import random
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from benchmarks.simulation.conventions import Conventions, Lines

_NS = 1_000_000_000


class Reply(NamedTuple):
    """What comes back from a call: whether it is good, its HTTP status (0: none came), the type of error."""

    ok: bool = True
    code: int = 200
    error: str = ""


GOOD = Reply()


@dataclass(frozen=True, slots=True)
class Request:
    """One customer's request on its way through the system."""

    trace: str
    sampled: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is recorded: a service, an instance of it, and how far the clock there is off."""

    service: str
    instance: str | None
    skew: float = 0.0


@dataclass(frozen=True, slots=True)
class Span:
    """A span in the making: its own id and its parent's, when it began, for which request and where."""

    id: int
    parent: int
    began: float
    request: Request
    place: Place


class Fare(NamedTuple):
    """How a customer's request went: where and when it came, how long it took, how it ended."""

    door: str
    came: float
    seconds: float
    answered: bool
    judged_wrong: bool = False

    @property
    def ok(self) -> bool:
        """Whether the customer is content with the answer."""
        return self.answered and not self.judged_wrong


@dataclass
class Recorder:
    """Collects rows; times are seconds since the simulation's ``epoch``."""

    conventions: Conventions
    dice: random.Random
    epoch: int
    spans: list[tuple[Any, ...]] = field(default_factory=list)
    logs: list[tuple[Any, ...]] = field(default_factory=list)
    fares: list[Fare] = field(default_factory=list)
    wrong: set[str] = field(default_factory=set)
    _known: dict[Any, str] = field(default_factory=dict)

    def request(self) -> Request:
        """Begin a trace; whether it is kept is decided here, at its head."""
        sampled = self.conventions.traces and self.dice.random() < self.conventions.sampling
        return Request(f"{self.dice.getrandbits(128):032x}", sampled)

    def begin(self, parent: int, now: float, request: Request, place: Place) -> Span:
        """Begin a span."""
        return Span(self.dice.getrandbits(64) or 1, parent, now, request, place)

    def end(
        self,
        span: Span,
        named: tuple[str, str],
        now: float,
        reply: Reply = GOOD,
        told: str | None = None,
    ) -> None:
        """Hand a span over; ``named`` is its operation and kind, ``told`` its attributes as JSON."""
        request, place = span.request, span.place
        if not request.sampled or (self.conventions.lost and self.dice.random() < self.conventions.lost):
            return
        operation, kind = named
        plain = kind == "internal"
        self.spans.append(
            (
                request.trace,
                f"{span.id:016x}",
                f"{span.parent:016x}" if span.parent else None,
                place.service,
                place.instance,
                operation,
                kind if self.conventions.kinds else None,
                self.nanoseconds(span.began + place.skew),
                max(round((now - span.began) * _NS), 1_000),
                "unset" if reply.ok else "error",
                None if plain or not reply.code else str(reply.code),
                told,
            )
        )

    def attributes(self, facts: Mapping[str, Any], event: Mapping[str, str] | None = None) -> str | None:
        """Facts, and an event if there was one, as a span's attributes; None if none are recorded."""
        if not self.conventions.attributes:
            return None
        key = (*facts.items(), *(event or {}).items())
        text = self._known.get(key)
        if text is None:
            said: dict[str, Any] = {name: fact for name, fact in facts.items() if fact != ""}
            text = self._known[key] = json.dumps(said | ({"events": [event]} if event else {}))
        return text

    def log(
        self, place: Place, now: float, said: tuple[str, str], request: Request | None = None, span: int = 0
    ) -> None:
        """Hand a log record over; ``said`` is its severity and text."""
        severity, body = said
        traced = request is not None and self.conventions.log_traces and request.sampled
        self.logs.append(
            (
                self.nanoseconds(now + place.skew),
                place.service,
                place.instance,
                severity if self.conventions.severity else None,
                request.trace if traced and request is not None else None,
                f"{span:016x}" if traced and span else None,
                styled(self.conventions.lines, severity, place.service, body),
            )
        )

    def nanoseconds(self, seconds: float) -> int:
        """A time of the simulation as Unix nanoseconds."""
        return self.epoch * _NS + round(seconds * _NS)


def styled(lines: Lines, severity: str, service: str, body: str) -> str:
    """A line as this system's logging library writes it."""
    if lines is Lines.PAIRS:
        return f'level={severity} component={service} msg="{body}"'
    if lines is Lines.JAVA:
        statement = zlib.crc32(body.split(" ", 1)[0].encode()) % 200 + 20
        return f"c.shop.{service.replace('-', '.')}.Handler#{statement} [{body}]"
    if lines is Lines.JSON:
        return json.dumps({"level": severity, "message": body})
    return body
