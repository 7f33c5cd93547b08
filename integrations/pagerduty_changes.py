"""Changes that others told PagerDuty of, as changes that a diagnosis may blame.

Deployment pipelines send change events there; they are read back for the time of an incident. A change event
of several services is one change of each. Source: developer.pagerduty.com, "List Change Events".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlencode

from causal.errors import NotFound, Refused, Unavailable
from causal.evidence import Change, Window
from integrations.pagerduty_api import PagerDutyRest

PAGE, MOST = 100, 500
_DEPLOYMENT = re.compile(r"\b(deploy\w*|release\w*|rollout|rolled out|build)\b", re.IGNORECASE)
_CONFIG = re.compile(r"\b(config\w*|setting\w*|flag\w*)\b", re.IGNORECASE)


@dataclass(frozen=True)
class PagerDutyChanges:
    """A `ports.ChangeSource` over the change events of an account; at most `MOST` of a window are read."""

    rest: PagerDutyRest

    def changes(self, window: Window) -> tuple[Change, ...]:
        try:
            found = [change for told in self._told(window) for change in _changes(told)]
        except (Refused, NotFound) as error:
            raise Unavailable(f"PagerDuty's change events can not be read: {error}") from error
        within = [change for change in found if window.start <= change.at <= window.end]
        return tuple(sorted(within, key=lambda change: change.at))

    def _told(self, window: Window) -> Iterator[Mapping[str, Any]]:
        span = {"since": _iso(window.start), "until": _iso(window.end), "limit": PAGE}
        for offset in range(0, MOST, PAGE):
            page = self.rest.ask("GET", f"/change_events?{urlencode({**span, 'offset': offset})}")
            yield from (told for told in page.get("change_events") or () if isinstance(told, Mapping))
            if not page.get("more"):
                return


def _changes(told: Mapping[str, Any]) -> Iterator[Change]:
    at = _moment(str(told.get("timestamp", "")))
    if at is None or not told.get("id"):
        return
    title = str(told.get("summary", ""))
    for service in _services(told) or (None,):
        yield Change(
            id=str(told["id"]),
            kind=_kind(title),
            service=service,
            at=at,
            title=title[:500],
            author=str(_details(told).get("author") or _details(told).get("user") or "")[:200],
        )


def _services(told: Mapping[str, Any]) -> tuple[str, ...]:
    """What changed: the service that the details name, else those of PagerDuty's that it was sent to."""
    named = _details(told).get("service")
    if isinstance(named, str) and named:
        return (named,)
    listed = told.get("services") or ()
    names = (str(each.get("summary") or "") for each in listed if isinstance(each, Mapping))
    return tuple(dict.fromkeys(name for name in names if name))


def _details(told: Mapping[str, Any]) -> Mapping[str, Any]:
    details = told.get("custom_details")
    return details if isinstance(details, Mapping) else {}


def _kind(title: str) -> Literal["config", "deployment", "unknown"]:
    if _DEPLOYMENT.search(title):
        return "deployment"
    return "config" if _CONFIG.search(title) else "unknown"


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo is not None else None
