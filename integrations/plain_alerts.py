"""Alerts as anybody may send them: a JSON object, or a list of them, with the names that we use ourselves.

    {"summary": "checkout fails", "service": "checkout", "signal": "errors"}

is an alert. The same ``fingerprint`` is the same alert; without one it is made from service, signal,
operation, summary and labels. ``status`` resolved closes what it opened. Unknown fields are mistakes here: a
person wrote the sender.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from causal.errors import MalformedAlert, TooLarge
from causal.evidence import Alert, Signal, Symptom
from integrations.alertmanager import MAX_BODY, AlertNotice, Text, Texts
from playbooks.remedy import Written

MOST = 1_000


class PlainAlert(Written):
    """One alert; times are Unix seconds."""

    summary: Text = Field(min_length=1, max_length=4_000)
    service: Text | None = None
    signal: Signal = "unknown"
    operation: Text | None = None
    fingerprint: Text = Field(default="", max_length=200)
    status: Literal["firing", "resolved"] = "firing"
    began_at: float | None = Field(default=None, gt=0)
    labels: Texts = Field(default_factory=dict)
    url: Text | None = None
    source: str = Field(default="api", pattern=r"^[a-z][a-z0-9_-]{0,40}$")

    def notice(self, now: float) -> AlertNotice:
        """What the house makes of it."""
        fingerprint = self.fingerprint or self._made_up()
        alert = Alert(
            fingerprint=fingerprint,
            source=self.source,
            symptom=Symptom(service=self.service, signal=self.signal, operation=self.operation),
            raised_at=now,
            began_at=self.began_at,
            summary=self.summary,
            labels=self.labels,
            url=self.url,
        )
        key = hashlib.sha256(f"{fingerprint} {self.began_at} {self.status}".encode()).hexdigest()
        resolved = self.status == "resolved"
        return AlertNotice(alert=alert, resolved=resolved, key=key, ended_at=now if resolved else None)

    def _made_up(self) -> str:
        told = [self.service, self.signal, self.operation, self.summary, sorted(self.labels.items())]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


_MANY = TypeAdapter(Annotated[list[PlainAlert], Field(max_length=MOST)])


def parse_plain(body: bytes, *, received_at: float) -> tuple[AlertNotice, ...]:
    """Read one alert or a list; MalformedAlert names the field, TooLarge what is over `MAX_BODY` bytes."""
    if len(body) > MAX_BODY:
        raise TooLarge(f"{len(body)} bytes of alerts, over {MAX_BODY}")
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedAlert(f"this is not JSON ({error})", where="body") from None
    try:
        alerts = _MANY.validate_python(raw if isinstance(raw, list) else [raw])
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"][0 if isinstance(raw, list) else 1 :])
        known = ", ".join(PlainAlert.model_fields)
        what = f"unknown field; known here: {known}" if first["type"] == "extra_forbidden" else first["msg"]
        raise MalformedAlert(str(what), where=place[:200] or "body") from None
    return tuple(alert.notice(received_at) for alert in alerts)
