"""PagerDuty's incidents as alerts of ours: what pages people there opens an incident here.

An incident that we made there ourselves (its key is ours) is no news and makes no alert. Notes, priorities
and everything else that happens to an incident make none either.
"""

from __future__ import annotations

from typing import Any

from causal.evidence import Alert, Symptom
from integrations.alertmanager import AlertNotice, guessed_signal
from integrations.pagerduty import INCIDENT_LABEL, SOURCE
from integrations.pagerduty_webhooks import PagerEvent

_OPENS = {"incident.triggered", "incident.reopened"}
_CLOSES = {"incident.resolved"}
_OURS = "aitia:"


def notice_of(event: PagerEvent, *, received_at: float) -> AlertNotice | None:
    """The alert that an event is, or None for one that is none."""
    if event.type not in _OPENS | _CLOSES or not event.incident:
        return None
    if str(event.data.get("incident_key") or "").startswith(_OURS):
        return None
    at = event.happened_at or received_at
    title = str(event.data.get("title") or event.data.get("summary") or "an incident without a title")
    service = _summary(event.data.get("service"))
    alert = Alert(
        fingerprint=f"pagerduty-{event.incident}",
        source=SOURCE,
        symptom=Symptom(service=service or None, signal=guessed_signal(title)),
        raised_at=at,
        began_at=at,
        summary=title,
        labels={INCIDENT_LABEL: event.incident} | ({"service": service} if service else {}),
        url=str(event.data.get("html_url") or "") or None,
    )
    resolved = event.type in _CLOSES
    return AlertNotice(alert=alert, resolved=resolved, key=event.id, ended_at=at if resolved else None)


def _summary(reference: Any) -> str:
    return str(reference.get("summary") or "") if isinstance(reference, dict) else ""
