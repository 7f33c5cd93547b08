"""Maintenance windows: which alerts are expected, and when."""

import datetime as dt

import pytest

from causal.errors import MalformedSettings
from causal.evidence import Symptom
from playbooks.maintenance import Maintenance, read_maintenance
from tests.playbooks.made_up import alert

WRITTEN = """
windows:
  - {because: new switches, from: 2026-12-01T22:00, to: 2026-12-02T02:00, zone: UTC, service: "payment*"}
  - {because: nightly batch, weekdays: [mon], hours: "23:00-01:00", zone: UTC, signal: latency}
"""
WITHIN = dt.datetime(2026, 12, 1, 23, 0, tzinfo=dt.UTC).timestamp()
AFTER = dt.datetime(2026, 12, 2, 2, 0, tzinfo=dt.UTC).timestamp()
MONDAY_NIGHT = dt.datetime(2026, 11, 24, 0, 30, tzinfo=dt.UTC).timestamp()


def known() -> Maintenance:
    return read_maintenance(WRITTEN, "maintenance.yaml")


def of(service: str, signal: str = "errors") -> Symptom:
    return Symptom.model_validate({"service": service, "signal": signal})


@pytest.mark.parametrize(
    ("symptom", "now", "because"),
    [
        (of("payment-eu"), WITHIN, "new switches"),
        (of("payment-eu"), AFTER, None),
        (of("cart"), WITHIN, None),
        (of("cart", "latency"), MONDAY_NIGHT, "nightly batch"),
        (of("cart", "errors"), MONDAY_NIGHT, None),
    ],
)
def test_an_alert_is_expected_where_time_and_all_patterns_match(
    symptom: Symptom, now: float, because: str | None
) -> None:
    assert known().expected(alert(symptom=symptom), now) == because


def test_an_empty_file_expects_nothing() -> None:
    assert read_maintenance("", "maintenance.yaml").expected(alert(), WITHIN) is None


def test_a_mistake_is_told_at_its_place() -> None:
    with pytest.raises(MalformedSettings, match=r"maintenance.yaml:2:3.*mumble|mumble"):
        read_maintenance("windows:\n  - {because: x, weekdays: [mumble], zone: UTC}\n", "maintenance.yaml")
