"""Where alerts of all doors wait for their turn; those that come together are put in their places at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from causal.correlate import downstream, neighbourhood
from causal.evidence import Alert
from integrations.alertmanager import AlertNotice
from integrations.ports import Opened
from workers.intake import Intake, Sought
from workers.rolling import Rolling
from workers.together import Together

MOST_ALERTS = 5000
"""Alerts that may wait at the door at one time."""
Notices = tuple[AlertNotice, ...]


class Accepted(BaseModel):
    """Which incidents the alerts belong to now; ``expected`` ones, in a maintenance window, open none."""

    incidents: list[str]
    resolved: int = 0
    expected: int = 0


@dataclass
class AlertDesk:
    """Takes notifications; ``most`` alerts may wait, above that a sender is told to come again."""

    intake: Intake
    rolling: Rolling
    most: int = MOST_ALERTS
    _together: Together[Notices, Accepted] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._together = Together(self._take_all, len, self.most)

    async def take(self, notices: Notices) -> Accepted:
        """Put the alerts of a notification where they belong; raises Unavailable."""
        return await self._together.ask(notices)

    async def _take_all(self, batch: Sequence[Notices]) -> list[Accepted]:
        """Take the notifications that came at one time as if they were one."""
        last = {notice.alert.fingerprint: notice for notices in batch for notice in notices}
        firing = [notice.alert for notices in batch for notice in notices if not notice.resolved]
        sought = await run_in_threadpool(self._sought, firing)
        taken = await self.intake.accept_all(sought)
        await self.intake.resolve({name for name, notice in last.items() if notice.resolved})
        where = {id(alert): opened for (alert, _), opened in zip(sought, taken, strict=True)}
        return [_accepted(notices, where) for notices in batch]

    def _sought(self, alerts: Sequence[Alert]) -> list[Sought]:
        """Each alert with the services that it may be about: those around the one it names, or all.

        Callers come before those they call, so that an incident is opened by the trouble that is nearest to
        the customers: it is over when what they feel is over.
        """
        if not alerts:
            return []
        rollup = self.rolling.until(max(alert.raised_at for alert in alerts))
        around = cache(lambda service: neighbourhood({service}, rollup.calls))
        below = cache(lambda service: downstream(service, rollup.calls))
        named = sorted(
            ((alert, alert.symptom.service) for alert in alerts),
            key=lambda each: -below(each[1]) if each[1] else 0,
        )
        return [(alert, around(service) if service else rollup.services) for alert, service in named]


def _accepted(notices: Notices, where: Mapping[int, Opened | None]) -> Accepted:
    opened = [where[id(notice.alert)] for notice in notices if not notice.resolved]
    return Accepted(
        incidents=list(dict.fromkeys(known.incident for known in opened if known)),
        resolved=sum(notice.resolved for notice in notices),
        expected=sum(known is None for known in opened),
    )
