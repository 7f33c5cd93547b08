"""Alertmanager's webhook, payload version 4: what is taken, what is refused, and what is guessed."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.errors import MalformedAlert, TooLarge
from integrations.alertmanager import MAX_BODY, SERVICE_LABELS, AlertNotice, parse

STARTS = "2026-08-16T09:30:00.5Z"
STARTED = 1_786_872_600.5


def sent(**changes: Any) -> dict[str, Any]:
    made = {
        "status": "firing",
        "labels": {"alertname": "HighErrorRate", "service": "checkout", "severity": "critical"},
        "annotations": {"summary": "Many requests to checkout fail", "runbook_url": "http://runbook"},
        "startsAt": STARTS,
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": "3f2a91bc77aa01de",
    }
    return {name: value for name, value in {**made, **changes}.items() if value is not ...}


def payload(*alerts: dict[str, Any], **changes: Any) -> bytes:
    made = {
        "version": "4",
        "groupKey": '{}:{alertname="HighErrorRate"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "aitia",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager",
        "notification_reason": "group_wait",
        "routeLabels": {},
        "alerts": list(alerts),
    }
    return json.dumps(
        {name: value for name, value in {**made, **changes}.items() if value is not ...}
    ).encode()


def one(alert: dict[str, Any], **changes: Any) -> AlertNotice:
    (notice,) = parse(payload(alert, **changes), received_at=7.0)
    return notice


def labelled(labels: Mapping[str, str], annotations: Mapping[str, str] | None = None) -> AlertNotice:
    return one(sent(labels=dict(labels), annotations=dict(annotations or {})))


def test_a_firing_alert_keeps_its_own_fingerprint() -> None:
    assert one(sent()).alert.fingerprint == "3f2a91bc77aa01de"


def test_a_firing_alert_is_not_resolved() -> None:
    assert not one(sent()).resolved


def test_a_resolved_alert_says_when_it_ended() -> None:
    notice = one(sent(status="resolved", endsAt="2026-08-16T09:31:00.5Z"))
    assert (notice.resolved, notice.ended_at) == (True, STARTED + 60)


def test_an_alert_without_status_has_that_of_its_group() -> None:
    assert one(sent(status=...), status="resolved").resolved


def test_the_trouble_began_when_the_alert_did() -> None:
    assert one(sent()).alert.began_at == STARTED


@pytest.mark.parametrize("text", ["2026-08-16T11:30:00.5+02:00", "2026-08-16T09:30:00.500000000Z"])
def test_times_are_read_in_any_zone_and_to_any_digit(text: str) -> None:
    assert one(sent(startsAt=text)).alert.began_at == STARTED


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "", ...])
def test_without_a_beginning_it_was_raised_when_received(text: object) -> None:
    alert = one(sent(startsAt=text)).alert
    assert (alert.raised_at, alert.began_at) == (7.0, None)


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-08-16", "2026-08-16T09:30:00", "2026-13-45T99:00:00Z", "1"]
)
def test_a_bad_time_is_named_with_its_place(text: str) -> None:
    with pytest.raises(MalformedAlert, match=r"^alerts\[1\]\.startsAt: "):
        parse(payload(sent(), sent(startsAt=text)))


def test_the_summary_is_the_alerts_own() -> None:
    assert one(sent()).alert.summary == "Many requests to checkout fail"


@pytest.mark.parametrize(
    ("annotations", "summary"),
    [
        ({"description": "so slow"}, "so slow"),
        ({"title": "Slow", "description": "so"}, "Slow"),
        ({}, "HighErrorRate"),
    ],
)
def test_without_a_summary_the_next_best_words_are_taken(annotations: dict[str, str], summary: str) -> None:
    assert one(sent(annotations=annotations)).alert.summary == summary


def test_truncated_alerts_are_told_in_the_summary() -> None:
    assert one(sent(), truncatedAlerts=12).alert.summary.endswith(
        "(Alertmanager left out 12 more alerts of this group)"
    )


def test_truncated_alerts_are_counted() -> None:
    assert one(sent(), truncatedAlerts=12).truncated == 12


def test_all_alerts_of_a_group_are_read() -> None:
    assert [notice.resolved for notice in parse(payload(sent(), sent(status="resolved")))] == [False, True]


def test_labels_are_kept_letter_for_letter() -> None:
    hostile = {"alertname": "'; DROP TABLE x; --", "service": "$(reboot)", "x": "{{ .Evil }}"}
    assert labelled(hostile).alert.labels == hostile


def test_the_nul_character_does_not_reach_a_database() -> None:
    assert labelled({"alertname": "a\0b"}).alert.labels == {"alertname": "a\ufffdb"}


def test_half_a_surrogate_pair_does_not_reach_a_database() -> None:
    (notice,) = parse(payload(sent(annotations={"summary": "LONE"})).replace(b"LONE", b"\\ud800"))
    assert notice.alert.summary.encode() == b"?"


def test_a_repeat_has_the_same_key() -> None:
    assert one(sent()).key == one(sent(annotations={"summary": "other words"})).key


@pytest.mark.parametrize(
    "changes", [{"status": "resolved"}, {"startsAt": "2026-08-17T09:30:00Z"}, {"fingerprint": "00"}]
)
def test_other_news_has_another_key(changes: dict[str, str]) -> None:
    assert one(sent()).key != one(sent(**changes)).key


def test_the_same_alert_in_another_group_has_another_key() -> None:
    assert one(sent()).key != one(sent(), groupKey="another").key


def test_without_a_fingerprint_the_labels_make_one() -> None:
    left = one(sent(fingerprint=..., labels={"a": "1", "b": "2"}))
    right = one(sent(fingerprint=..., labels={"b": "2", "a": "1"}))
    assert (left.alert.fingerprint, len(left.alert.fingerprint)) == (right.alert.fingerprint, 16)


def test_other_labels_make_another_fingerprint() -> None:
    left = one(sent(fingerprint=..., labels={"a": "1"}))
    assert left.alert.fingerprint != one(sent(fingerprint=..., labels={"a": "2"})).alert.fingerprint


@pytest.mark.parametrize("at", range(len(SERVICE_LABELS)))
def test_the_service_is_the_first_label_in_the_documented_order(at: int) -> None:
    labels = {name: name.replace("_", "-") for name in reversed(SERVICE_LABELS[at:])}
    assert labelled(labels).alert.symptom.service == SERVICE_LABELS[at].replace("_", "-")


def test_of_a_job_with_a_namespace_the_service_is_the_rest() -> None:
    assert labelled({"job": "shop/cart"}).alert.symptom.service == "cart"


def test_without_any_known_label_the_service_is_unknown() -> None:
    assert labelled({"alertname": "Slow", "service": " "}).alert.symptom.service is None


@pytest.mark.parametrize(
    ("name", "signal"),
    [
        ("HighErrorRate", "errors"),
        ("Checkout5xx", "errors"),
        ("high_error_rate", "errors"),
        ("HTTPRequestsFailing", "errors"),
        ("CheckoutP99LatencyHigh", "latency"),
        ("ServiceSlow", "latency"),
        ("HighP95", "latency"),
        ("QueueLatency", "latency"),
        ("TargetDown", "availability"),
        ("PodCrashLooping", "availability"),
        ("CPUThrottlingHigh", "saturation"),
        ("NodeMemoryHigh", "saturation"),
        ("TrafficDropped", "traffic"),
        ("AgentTaskUnhappy", "task_failure"),
        ("Watchdog", "unknown"),
        ("DownloadStalled", "unknown"),
        ("Terrorism", "unknown"),
    ],
)
def test_the_signal_is_read_from_words_of_the_name(name: str, signal: str) -> None:
    assert labelled({"alertname": name}).alert.symptom.signal == signal


def test_a_label_that_names_the_signal_goes_first() -> None:
    assert labelled({"alertname": "HighErrorRate", "signal": "traffic"}).alert.symptom.signal == "traffic"


def test_an_annotation_may_name_the_signal() -> None:
    assert labelled({"alertname": "Watchdog"}, {"signal": "latency"}).alert.symptom.signal == "latency"


def test_the_severity_is_never_the_signal() -> None:
    assert labelled({"alertname": "Watchdog", "severity": "error"}).alert.symptom.signal == "unknown"


def test_a_name_without_signal_gives_way_to_the_summary() -> None:
    assert labelled({"alertname": "Watchdog"}, {"summary": "cart is slow"}).alert.symptom.signal == "latency"


@pytest.mark.parametrize("version", ["3", "5", "", 4, None, ["4"], ...])
def test_another_version_is_refused_with_what_to_do(version: object) -> None:
    with pytest.raises(MalformedAlert, match=r"^version: .*take the custom `payload` out"):
        parse(payload(sent(), version=version))


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"null", b"[]", b'"4"', b"[" * 100_000, b"1" * 5000]
)
def test_what_is_no_payload_at_all_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedAlert):
        parse(body)


@pytest.mark.parametrize(
    ("broken", "where"),
    [
        ({"alerts": ...}, "alerts"),
        ({"alerts": {}}, "alerts"),
        ({"alerts": [7]}, r"alerts\[0\]"),
        ({"alerts": [{"labels": {"a": 1}}]}, r"alerts\[0\]\.labels\.a"),
        ({"alerts": [{"status": "burning"}]}, r"alerts\[0\]\.status"),
        ({"truncatedAlerts": -1}, "truncatedAlerts"),
    ],
)
def test_a_broken_field_is_named_with_its_place(broken: dict[str, Any], where: str) -> None:
    with pytest.raises(MalformedAlert, match=f"^{where}: "):
        parse(payload(**broken))


def test_unknown_fields_and_missing_ones_are_tolerated() -> None:
    (notice,) = parse(b'{"version": "4", "new": {"deep": [1]}, "alerts": [{"labels": null, "x": 1}]}')
    assert notice.alert.summary == "an alert without a name"


def test_a_payload_without_alerts_gives_no_notices() -> None:
    assert parse(payload()) == ()


def test_a_body_at_the_limit_is_read() -> None:
    body = payload(sent())
    assert len(parse(body + b" " * (MAX_BODY - len(body)))) == 1


def test_a_body_over_the_limit_is_too_large() -> None:
    body = payload(sent())
    with pytest.raises(TooLarge, match="max_alerts"):
        parse(body + b" " * (MAX_BODY - len(body) + 1))


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
FIELDS = st.sampled_from(
    ["status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint", "x"]
)
ANY = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner)
)
TIMES = st.datetimes().map(lambda moment: moment.isoformat() + "Z") | st.text(max_size=30)
ALERTS = st.lists(
    st.dictionaries(FIELDS, ANY | TIMES | st.dictionaries(st.text(), st.text())) | ANY, max_size=4
)


def read(body: bytes) -> tuple[AlertNotice, ...] | MalformedAlert:
    try:
        return parse(body, received_at=7.0)
    except MalformedAlert as error:
        return error


@given(ANY)
def test_any_json_gives_notices_or_a_malformed_alert(value: object) -> None:
    assert isinstance(read(json.dumps(value).encode()), tuple | MalformedAlert)


@given(ALERTS)
def test_any_alerts_give_notices_or_a_malformed_alert(alerts: list[object]) -> None:
    assert isinstance(read(json.dumps({"version": "4", "alerts": alerts}).encode()), tuple | MalformedAlert)


@given(st.binary(max_size=200))
def test_any_bytes_give_notices_or_a_malformed_alert(body: bytes) -> None:
    assert isinstance(read(body), tuple | MalformedAlert)


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=6))
def test_any_notice_can_be_written_and_read_again(labels: dict[str, str]) -> None:
    notice = labelled(labels, labels)
    assert AlertNotice.model_validate_json(notice.model_dump_json()) == notice
