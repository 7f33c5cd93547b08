"""What the tests of `aitia check` stand on: settings of a home, and one system looked at."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.doubles.pagerduty import ROUTING_KEY, PagerDutyDouble
from tests.doubles.pagerduty import TOKEN as REST_TOKEN
from tests.doubles.servicenow import PASSWORD, USER, ServiceNowDouble
from tests.doubles.slack import CHANNEL_ID, SlackDouble
from tests.doubles.slack import TOKEN as BOT_TOKEN
from workers.checkup.asking import ask_all
from workers.checkup.reach import Way
from workers.checkup.report import Finding
from workers.checkup.systems import all_systems, chosen, secrets_of
from workers.settings import Settings


def settings_of(home: Path, **given: Any) -> Settings:
    """Settings of a home, with these."""
    return Settings.model_validate({"home": home, "TEMPORAL_ADDRESS": None, **given})


def look_at(name: str, settings: Settings, *, clock_off: float = 0.0, limit: float = 30.0) -> Finding:
    """What `aitia check NAME` finds, with a clock that is off by so many seconds."""
    way = Way(clock=lambda: time.time() + clock_off)
    [found] = ask_all(chosen(all_systems(settings, way), [name]), secrets=secrets_of(settings), limit=limit)
    return found


def with_slack(home: Path, double: SlackDouble, **given: Any) -> Settings:
    """Settings that have all of Slack."""
    usual = {
        "slack_token": BOT_TOKEN,
        "slack_channel": CHANNEL_ID,
        "slack_url": double.url,
        "slack_app_token": "xapp-1-made-up",
        "slack_open": True,
    }
    return settings_of(home, **usual | given)


def with_pagerduty(home: Path, double: PagerDutyDouble, **given: Any) -> Settings:
    """Settings that have all of PagerDuty."""
    usual = {
        "pagerduty_routing_key": ROUTING_KEY,
        "pagerduty_token": REST_TOKEN,
        "pagerduty_from": "ada@example.org",
        "pagerduty_url": double.url,
        "pagerduty_events_url": double.url,
    }
    return settings_of(home, **usual | given)


def with_servicenow(home: Path, double: ServiceNowDouble, **given: Any) -> Settings:
    """Settings that have all of ServiceNow."""
    usual = {"servicenow_url": double.url, "servicenow_user": USER, "servicenow_password": PASSWORD}
    return settings_of(home, **usual | given)


def written(home: Path, name: str, text: str) -> Path:
    """A file in a home."""
    path = home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@contextmanager
def only_readable(path: Path, mode: int) -> Iterator[None]:
    """A file or folder with other rights for as long as the block lasts."""
    before = path.stat().st_mode
    path.chmod(mode)
    try:
        yield
    finally:
        path.chmod(before)
