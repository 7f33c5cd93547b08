"""PagerDuty's webhooks, version 3: is it really PagerDuty, and what does it say? Pure: bytes in, values out.

The signature is an HMAC-SHA256 of the raw body; several may be sent while a secret is being replaced, and any
that matches will do. No time is signed, so a recorded delivery stays valid for ever: whoever takes events
must remember their ids (`PagerEvent.id`) for longer than PagerDuty repeats them, two days. Event types that
nobody here knows are events all the same. Source: developer.pagerduty.com, "Webhooks".
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from causal.errors import MalformedAlert, Refused, TooLarge
from causal.evidence import Fact

REMEMBER_SECONDS = 3 * 86_400.0
MAX_BODY = 256 * 1024
_SCHEME = "v1="


def _object(value: object) -> object:
    return {} if value is None else value


Object = Annotated[dict[str, Any], BeforeValidator(_object)]


class PagerEvent(Fact):
    """One event: ``type`` such as ``incident.annotated``; ``data`` is the resource as PagerDuty gives it."""

    id: str = Field(min_length=1, max_length=255)
    type: str = Field(alias="event_type", min_length=1)
    resource_type: str = ""
    occurred_at: str = ""
    agent: Object = {}
    data: Object = {}

    @property
    def incident(self) -> str:
        """The id of the incident that it is about, or nothing."""
        if self.resource_type == "incident" and self.data.get("type") in ("incident", "incident_reference"):
            return str(self.data.get("id", ""))
        about = self.data.get("incident")
        return str(about.get("id", "")) if isinstance(about, dict) else ""

    @property
    def happened_at(self) -> float | None:
        """When it happened (Unix seconds), where that is told with a time zone."""
        try:
            moment = datetime.fromisoformat(self.occurred_at)
        except ValueError:
            return None
        return moment.timestamp() if moment.tzinfo is not None else None

    @property
    def by(self) -> str:
        """Who did it: the id of a user, or of what acted in a user's place."""
        return str(self.agent.get("id", ""))


def signature(secret: str, body: bytes) -> str:
    """Return what PagerDuty signs a body with."""
    return _SCHEME + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def verify(body: bytes, header: str, secrets: Iterable[str]) -> None:
    """Compare in constant time; raises Refused unless one signature is of one of our secrets."""
    sent = [each.strip().encode("utf-8", "replace") for each in header.split(",")]
    own = [signature(secret, body).encode() for secret in secrets]
    matches = [hmac.compare_digest(ours, theirs) for ours in own for theirs in sent]
    if not any(matches):
        raise Refused(
            "the signature is of none of the webhook secrets; PagerDuty shows a secret once, when the "
            "subscription is made"
        )


def parse(body: bytes) -> PagerEvent:
    """Read one delivery; MalformedAlert names the field that cannot be read, TooLarge what is over 256 KB."""
    if len(body) > MAX_BODY:
        raise TooLarge(f"a webhook of {len(body)} bytes; PagerDuty sends none over {MAX_BODY}")
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedAlert(f"this is not JSON ({error})", where="body") from None
    if not isinstance(raw, Mapping) or not isinstance(raw.get("event"), Mapping):
        raise MalformedAlert("a webhook of version 3 has an object here", where="event")
    try:
        return PagerEvent.model_validate(raw["event"])
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in ("event", *first["loc"]))[:200]
        raise MalformedAlert(str(first["msg"]), where=where) from None
