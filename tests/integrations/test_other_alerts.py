"""Alerts from Grafana, from PagerDuty, and as anybody may send them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.errors import MalformedAlert, TooLarge
from integrations.alertmanager import GRAFANA, MAX_BODY, parse
from integrations.pagerduty import INCIDENT_LABEL
from integrations.pagerduty_alerts import notice_of
from integrations.pagerduty_events import dedup_key
from integrations.pagerduty_webhooks import PagerEvent
from integrations.plain_alerts import parse_plain

NOW = 1_795_000_000.0


def grafana(**changes: Any) -> bytes:
    """A notification as Grafana's webhook contact point sends it."""
    fired = {
        "status": "firing",
        "labels": {"alertname": "High latency", "service": "checkout", "grafana_folder": "Shop"},
        "annotations": {"summary": "checkout is slow"},
        "startsAt": "2026-11-23T10:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "values": {"A": 4.2},
        "fingerprint": "c6eadffa33fcdf37",
        "silenceURL": "https://grafana.example/alerting/silence/new",
        "dashboardURL": "https://grafana.example/d/shop",
        "panelURL": "https://grafana.example/d/shop?viewPanel=2",
    }
    payload = {"receiver": "aitia", "status": "firing", "orgId": 1, "alerts": [fired], "version": "1"}
    return json.dumps({**payload, "title": "[FIRING:1]", "state": "alerting", **changes}).encode()


def paged(**changes: Any) -> PagerEvent:
    """An incident that somebody else's alert opened in PagerDuty."""
    data = {
        "id": "PINC1",
        "type": "incident",
        "title": "checkout errors",
        "incident_key": "their-key",
        "html_url": "https://example.pagerduty.com/incidents/PINC1",
        "service": {"id": "PSERVICE1", "summary": "checkout"},
    }
    told = {"id": "01", "event_type": "incident.triggered", "resource_type": "incident", "data": data}
    return PagerEvent.model_validate({**told, **changes})


def test_grafanas_alert_is_known_by_its_labels() -> None:
    [notice] = parse(grafana(), dialect=GRAFANA)
    symptom = notice.alert.symptom
    assert (notice.alert.source, symptom.service, symptom.signal) == ("grafana", "checkout", "latency")


def test_grafanas_alert_leads_to_its_panel() -> None:
    [notice] = parse(grafana(), dialect=GRAFANA)
    assert notice.alert.url == "https://grafana.example/d/shop?viewPanel=2"


def test_alertmanagers_payload_at_grafanas_door_says_what_to_mend() -> None:
    with pytest.raises(MalformedAlert, match='Grafana webhook has version "1"'):
        parse(grafana(version="4"), dialect=GRAFANA)


def test_a_page_is_an_alert_of_its_service_that_knows_the_incident_there() -> None:
    notice = notice_of(paged(), received_at=NOW)
    assert notice is not None
    alert = notice.alert
    assert (alert.symptom.service, alert.symptom.signal, alert.labels[INCIDENT_LABEL]) == (
        "checkout",
        "errors",
        "PINC1",
    )


def test_a_page_that_is_resolved_closes_what_it_opened() -> None:
    opened, closed = (
        notice_of(paged(event_type=f"incident.{what}"), received_at=NOW) for what in ("triggered", "resolved")
    )
    assert opened is not None
    assert closed is not None
    assert (closed.resolved, closed.alert.fingerprint) == (True, opened.alert.fingerprint)


def test_an_incident_that_we_made_there_is_no_alert_here() -> None:
    ours = paged().data | {"incident_key": dedup_key("inc-1")}
    assert notice_of(paged(data=ours), received_at=NOW) is None


@pytest.mark.parametrize("kind", ["incident.annotated", "incident.dreamt_of", "service.updated"])
def test_everything_else_that_happens_there_is_no_alert(kind: str) -> None:
    assert notice_of(paged(event_type=kind), received_at=NOW) is None


def test_a_sentence_and_a_service_are_an_alert() -> None:
    [notice] = parse_plain(b'{"summary": "checkout fails", "service": "checkout"}', received_at=NOW)
    assert (notice.alert.symptom.service, notice.alert.raised_at) == ("checkout", NOW)


def test_the_same_words_are_the_same_alert() -> None:
    body = b'[{"summary": "a"}, {"summary": "a"}, {"summary": "b"}]'
    first, again, other = (notice.alert.fingerprint for notice in parse_plain(body, received_at=NOW))
    assert (first == again, first == other) == (True, False)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"{", "body"),
        (b"{}", "summary"),
        (b'{"summary": "a", "sevrice": "b"}', "sevrice"),
        (b'[{"summary": "a"}, {"summary": ""}]', "1.summary"),
        (b'{"summary": "a", "signal": "nonsense"}', "signal"),
        (b"3", "body"),
    ],
)
def test_a_mistake_is_told_at_its_place(body: bytes, where: str) -> None:
    with pytest.raises(MalformedAlert) as mistake:
        parse_plain(body, received_at=NOW)
    assert mistake.value.where == where


def test_a_body_that_is_too_large_is_refused_before_it_is_read() -> None:
    with pytest.raises(TooLarge):
        parse_plain(b" " * (MAX_BODY + 1), received_at=NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["summary", "labels"]), inner)
    ),
)


@given(value=JSON)
def test_whatever_comes_is_alerts_or_a_mistake_with_a_place(value: object) -> None:
    try:
        told = "".join(
            notice.alert.fingerprint for notice in parse_plain(json.dumps(value).encode(), received_at=1)
        )
    except MalformedAlert as mistake:
        told = mistake.where
    assert told or value == []
