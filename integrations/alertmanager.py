"""Alertmanager's webhook (payload version 4), and Grafana's, to alerts of ours: pure, bytes in, values out.

Grafana sends the same with a version of its own and the addresses of its pages besides (`Dialect`).

Alertmanager drops a notification for good on any 4xx, so what can be understood is taken: unknown fields are
ignored and missing ones do without. What is not a version-4 payload at all (a custom ``payload`` template
makes such) is refused with a sentence for whoever wrote the template. Repeats are normal
(``repeat_interval``, pairs of Alertmanagers): `AlertNotice.key` is the same for each of them.

The symptom is guessed from labels, in a fixed order. The service is the first that is there of
`SERVICE_LABELS` (of ``job`` only what follows the last slash: OpenTelemetry writes ``namespace/service``).
The signal is the label or annotation ``signal`` if it is one of ours; else the first of `STRONG_WORDS`, else
of `WEAK_WORDS`, that occurs in the alert's name, else in its summary, title or description; else unknown.
``severity`` says how bad it is, not what it is, and is never asked. All of it stays text: nothing here builds
a query or a command.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails

from causal.errors import MalformedAlert, TooLarge
from causal.evidence import Alert, Fact, Signal, Symptom

MAX_BODY = 4 * 1024 * 1024

SERVICE_LABELS = (
    "service",
    "service_name",
    "app",
    "app_kubernetes_io_name",
    "job",
    "deployment",
    "statefulset",
    "daemonset",
    "container",
)
OPERATION_LABELS = ("operation", "span_name", "http_route", "route", "handler")
SYSTEM_LABELS = ("system", "cluster")
SUMMARIES = ("summary", "title", "description", "message")


@dataclass(frozen=True)
class Dialect:
    """Who sends: its version of the payload, and what to do where that is another one, or too large."""

    source: str
    spoken: str
    version: str
    mend: str
    fewer: str


ALERTMANAGER = Dialect(
    source="alertmanager",
    spoken="an Alertmanager",
    version="4",
    mend="take the custom `payload` out of the webhook_config, or give it the default fields",
    fewer="`max_alerts` of the webhook_config",
)
GRAFANA = Dialect(
    source="grafana",
    spoken="a Grafana",
    version="1",
    mend="take the custom payload out of the contact point",
    fewer="Max Alerts of the contact point",
)


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


STRONG_WORDS: Mapping[Signal, frozenset[str]] = {
    "latency": _set("latency slow slower slowness duration delay p50 p90 p95 p99 timeout timeouts"),
    "errors": _set(
        "error errors 5xx 500 502 503 504 exception exceptions fail failed failing failure failures"
    ),
    "availability": _set(
        "down unavailable unreachable availability absent missing dead offline unhealthy "
        "crash crashed crashing crashloop crashlooping"
    ),
    "task_failure": _set("task tasks agent agents evaluation hallucination hallucinations"),
}
WEAK_WORDS: Mapping[Signal, frozenset[str]] = {
    "saturation": _set(
        "saturation saturated cpu memory oom oomkilled disk pool queue connections throttling throttled "
        "exhausted full"
    ),
    "traffic": _set("traffic throughput rps qps volume requests"),
}
SIGNALS: tuple[Signal, ...] = get_args(Signal)

_WORD = re.compile(r"\d+[xX]{2}|[A-Za-z]\d\d|[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+|\d+")
_NEVER = "0001-01-01"


def _text(value: Any) -> Any:
    """Take out what no database stores as text: the NUL character and halves of surrogate pairs."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    return "" if value is None else value


def _texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {_text(name): _text(each) for name, each in value.items()}
    return {} if value is None else value


Text = Annotated[str, BeforeValidator(_text)]
Texts = Annotated[dict[str, str], BeforeValidator(_texts)]
State = Literal["firing", "resolved"]


class AlertNotice(Fact):
    """One alert of a notification: it fires, or it is over.

    ``key`` is the same whenever the same news comes again. ``ended_at`` is when it was resolved, where known;
    ``truncated`` counts the alerts that Alertmanager left out of this notification.
    """

    alert: Alert
    resolved: bool
    key: str
    ended_at: float | None = None
    truncated: int = 0


class _Sent(Fact):
    """One alert as Alertmanager sends it."""

    status: State | None = None
    labels: Texts = {}
    annotations: Texts = {}
    starts_at: Text = Field(default="", alias="startsAt")
    ends_at: Text = Field(default="", alias="endsAt")
    generator_url: Text = Field(default="", alias="generatorURL")
    dashboard_url: Text = Field(default="", alias="dashboardURL")
    panel_url: Text = Field(default="", alias="panelURL")
    fingerprint: Text = ""


class _Payload(Fact):
    """The notification around the alerts."""

    group_key: Text = Field(default="", alias="groupKey")
    status: State = "firing"
    truncated: int = Field(default=0, ge=0, alias="truncatedAlerts")
    external_url: Text = Field(default="", alias="externalURL")
    alerts: tuple[_Sent, ...]


def parse(
    body: bytes, *, received_at: float | None = None, dialect: Dialect = ALERTMANAGER
) -> tuple[AlertNotice, ...]:
    """Read a notification; an alert without a beginning was raised at ``received_at`` (None: now).

    Raises TooLarge above `MAX_BODY` bytes and MalformedAlert, naming the field, for what cannot be read.
    """
    if len(body) > MAX_BODY:
        raise TooLarge(
            f"a notification of {len(body)} bytes, over {MAX_BODY}; send fewer at once ({dialect.fewer})"
        )
    payload = _read(body, dialect)
    now = time.time() if received_at is None else received_at
    return tuple(
        _notice(payload, sent, f"alerts[{at}]", now, dialect) for at, sent in enumerate(payload.alerts)
    )


def _read(body: bytes, dialect: Dialect) -> _Payload:
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedAlert(f"this is not JSON ({error})", where="body") from None
    if not isinstance(raw, dict) or raw.get("version") != dialect.version:
        raise MalformedAlert(_not_ours(raw, dialect), where="version")
    try:
        return _Payload.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise MalformedAlert(
            f"{first['msg']} ({dialect.source} payload, version {dialect.version})", where=_place(first)
        ) from None


def _not_ours(raw: Any, dialect: Dialect) -> str:
    version = raw.get("version") if isinstance(raw, dict) else None
    found = f"this one has {version[:40]!r}" if isinstance(version, str) else "this has none"
    return f'{dialect.spoken} webhook has version "{dialect.version}", and {found}; {dialect.mend}'


def _place(error: ErrorDetails) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"])
    return "".join(parts).lstrip(".")[:200]


def _notice(payload: _Payload, sent: _Sent, where: str, now: float, dialect: Dialect) -> AlertNotice:
    status = sent.status or payload.status
    fingerprint = sent.fingerprint or _hash(sorted(sent.labels.items()))[:16]
    began = _moment(sent.starts_at, f"{where}.startsAt")
    alert = Alert(
        fingerprint=fingerprint,
        source=dialect.source,
        system=_first(sent.labels, SYSTEM_LABELS) or "",
        symptom=_symptom(sent),
        raised_at=now if began is None else began,
        began_at=began,
        summary=_summary(sent, payload.truncated, dialect),
        labels=sent.labels,
        url=sent.panel_url or sent.dashboard_url or sent.generator_url or payload.external_url or None,
    )
    return AlertNotice(
        alert=alert,
        resolved=status == "resolved",
        key=_hash([payload.group_key, fingerprint, sent.starts_at, status]),
        ended_at=_moment(sent.ends_at, f"{where}.endsAt") if status == "resolved" else None,
        truncated=payload.truncated,
    )


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _moment(text: str, where: str) -> float | None:
    """Read RFC 3339; the year 1 is Go's way to say nothing."""
    if not text or text.startswith(_NEVER):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise MalformedAlert(
            f"{text[:60]!r} is no RFC 3339 time, such as 2026-08-16T09:30:00Z", where=where
        ) from None
    if moment.tzinfo is None:
        raise MalformedAlert(f"{text[:60]!r} has no time zone; write for example a Z at its end", where=where)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()


def _summary(sent: _Sent, truncated: int, dialect: Dialect) -> str:
    words = _first(sent.annotations, SUMMARIES) or sent.labels.get("alertname") or "an alert without a name"
    more = (
        f" ({dialect.source.capitalize()} left out {truncated} more alerts of this group)"
        if truncated
        else ""
    )
    return words + more


def _symptom(sent: _Sent) -> Symptom:
    service = _first(sent.labels, SERVICE_LABELS)
    if service and service == sent.labels.get("job"):
        service = service.rsplit("/", 1)[-1] or service
    return Symptom(service=service, signal=_signal(sent), operation=_first(sent.labels, OPERATION_LABELS))


def _first(texts: Mapping[str, str], names: Iterable[str]) -> str | None:
    return next((texts[name].strip() for name in names if texts.get(name, "").strip()), None)


def _signal(sent: _Sent) -> Signal:
    said = (sent.labels.get("signal") or sent.annotations.get("signal") or "").lower()
    for signal in SIGNALS:
        if signal == said:
            return signal
    return guessed_signal(said, sent.labels.get("alertname", ""), *_described(sent))


def _described(sent: _Sent) -> Iterator[str]:
    return (sent.annotations[name] for name in SUMMARIES if name in sent.annotations)


def guessed_signal(*texts: str) -> Signal:
    """The signal that some words are about, the first texts first; unknown where none is."""
    return next(_guesses(*texts), "unknown")


def _guesses(*texts: str) -> Iterator[Signal]:
    for text in texts:
        words = [word.lower() for word in _WORD.findall(text[:1000])]
        for vocabulary in (STRONG_WORDS, WEAK_WORDS):
            yield from (signal for word in words for signal, known in vocabulary.items() if word in known)
