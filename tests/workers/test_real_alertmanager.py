"""From a real rule that fires to the end of its incident: nothing here is a double.

A shop of real processes breaks; a real Prometheus scrapes it, its rule fires, a real Alertmanager calls the
door with the token; the incident is diagnosed, approved and mended, and Alertmanager says that it is over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.alerting import Alerting, Pace, alerting, find_programs, targets_of
from demo.errors import DidNotStart
from demo.lifecycle import find_shop
from tests.demo.small_shop import TOPOLOGY, shop
from tests.workers.running import RunningAitia, running, wait_for

QUICK = Pace(scrape=0.5, window=4.0, hold=1.0, group_wait=0.2, group_interval=1.0)
QUIET_SCRAPES = 90
FAULT = {"kind": "errors", "service": "store", "share": 0.8, "error": "StorageUnavailable"}


def _left_out() -> str:
    try:
        find_programs()
    except DidNotStart as reason:
        return str(reason)
    return ""


pytestmark = pytest.mark.skipif(bool(_left_out()), reason=_left_out() or "they are here")


@dataclass(frozen=True)
class Told:
    """What was seen on the way."""

    ticket: dict[str, Any]
    fired: set[str]
    left: dict[str, str]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """The whole story, once."""
    home: Path = tmp_path_factory.mktemp("aitia")
    (home / "settings.yaml").write_text("watch_every: 100000000\n")  # who alerts here is Alertmanager
    with running(home) as here, opened(home), watched(here) as prometheus:
        wait_for(lambda: (prometheus.value_of(_scraped("store")) or 0) >= QUIET_SCRAPES, "quiet time")
        find_shop(home, None).post("/faults", content=json.dumps(FAULT))
        question = wait_for(lambda: here.get("/api/approvals"), "the question")[0]
        fired = set(prometheus.firing())
        assert here.cli("approve", question["incident"], "--by", "ada").returncode == 0
        ticket = wait_for(lambda: ended(here), "the end of the incident")
        return Told(ticket, fired, prometheus.firing())


@contextmanager
def opened(home: Path) -> Iterator[None]:
    """The small shop, its telemetry sent to the door."""
    topology = home / "small.yaml"
    topology.write_text(TOPOLOGY)
    try:
        shop(home, "up", str(topology))
        yield
    finally:
        shop(home, "down")


@contextmanager
def watched(here: RunningAitia) -> Iterator[Alerting]:
    """The shop under the eyes of a Prometheus, whose Alertmanager calls the door."""
    targets = targets_of(find_shop(here.home, None).get("/services"))
    webhook = f"{here.run['door']['url']}/webhooks/alertmanager"
    with alerting(here.home / "alerting", targets, webhook, here.home / "token", QUICK) as there:
        yield there


def ended(here: RunningAitia) -> dict[str, Any] | None:
    """The incident, once it is over."""
    found = here.get("/api/incidents")
    return found[0] if found and found[0]["ended_at"] else None


def _scraped(service: str) -> str:
    return f'sum(count_over_time(up{{service="{service}"}}[10m]))'


def test_the_alert_of_a_rule_opens_the_incident(told: Told) -> None:
    assert told.ticket["alert"]["source"] == "alertmanager"


def test_alertmanager_held_the_alert_while_the_question_was_open(told: Told) -> None:
    assert "RequestsFail store" in told.fired


def test_the_service_that_was_broken_is_blamed_first(told: Told) -> None:
    assert told.ticket["hypotheses"][0]["service"] == "store"


def test_the_shop_recovers_by_the_plan_that_was_approved(told: Told) -> None:
    assert told.ticket["status"] == "recovered", told.ticket["timeline"]


def test_alertmanager_holds_no_alert_any_more(told: Told) -> None:
    assert told.left == {}


def test_the_incident_ends_knowing_that_the_alert_is_resolved(told: Told) -> None:
    assert told.ticket["timeline"][-1]["says"] == "the incident is over, and whoever alerted says so"
