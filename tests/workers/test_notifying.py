"""Which notifiers there are, by what is set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from causal.errors import MalformedSettings
from integrations.slack_messages import MemoryMessageRefs
from tests.workers.checking import settings_of, written
from workers.house import House
from workers.notifying import notifiers_of

SLACK = {"slack_token": "xoxb-1", "slack_channel": "C1"}
PAGERDUTY = {"pagerduty_routing_key": "k" * 32}
SERVICENOW = {"servicenow_url": "https://made-up.service-now.com", "servicenow_token": "t"}


def names(home: Path, **given: Any) -> list[str]:
    return [type(each).__name__ for each in notifiers_of(settings_of(home, **given), MemoryMessageRefs)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, []),
        ({"slack_token": "xoxb-1"}, []),
        (SLACK, ["SlackNotifier"]),
        (PAGERDUTY, ["PagerDutyNotifier"]),
        (SERVICENOW, ["ServiceNowNotifier"]),
        (SLACK | PAGERDUTY | SERVICENOW, ["SlackNotifier", "PagerDutyNotifier", "ServiceNowNotifier"]),
    ],
)
def test_each_system_that_is_set_up_has_a_notifier(
    tmp_path: Path, given: dict[str, Any], expected: list[str]
) -> None:
    assert names(tmp_path, **given) == expected


def test_a_servicenow_address_that_is_none_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(MalformedSettings, match="servicenow_url"):
        names(tmp_path, servicenow_url="not an address")


def test_the_house_has_the_sources_of_its_file(tmp_path: Path) -> None:
    written(tmp_path, "sources.yaml", "loki: {logs: {url: 'http://127.0.0.1:9'}}\n")
    assert [source.name for source in House(settings_of(tmp_path)).sources()] == ["logs"]


def test_the_house_redacts_by_its_file(tmp_path: Path) -> None:
    written(tmp_path, "redaction.yaml", "attributes: {user.id: hash}\n")
    assert House(settings_of(tmp_path)).redactor.rules.attributes == {"user.id": "hash"}


def test_hashes_of_one_site_stay_the_same(tmp_path: Path) -> None:
    assert House(settings_of(tmp_path)).redactor.key == House(settings_of(tmp_path)).redactor.key
