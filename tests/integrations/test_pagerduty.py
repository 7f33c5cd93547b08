"""The PagerDuty notifier and its webhooks against a PagerDuty that bites, over real sockets."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.errors import AitiaError, MalformedAlert, Refused, TooLarge, Unavailable
from integrations.pagerduty import INCIDENT_LABEL, PagerDutyNotifier, PagerDutySettings
from integrations.pagerduty_events import MAX_EVENT, SHORTENED, dedup_key, event
from integrations.pagerduty_webhooks import MAX_BODY, PagerEvent, parse, signature, verify
from integrations.slack_messages import MemoryMessageRefs
from playbooks.ticket import Link
from tests.doubles.pagerduty import EMAIL, ROUTING_KEY, TOKEN, PagerDutyDouble, pagerduty
from tests.playbooks.made_up import alert, ticket


@pytest.fixture
def account() -> Iterator[PagerDutyDouble]:
    with pagerduty() as double:
        yield double


def notifier(account: PagerDutyDouble, **settings: Any) -> PagerDutyNotifier:
    given_settings = {
        "routing_key": ROUTING_KEY,
        "token": TOKEN,
        "from_email": EMAIL,
        "events_url": account.url,
        "api_url": account.url,
        **settings,
    }
    clock = account.clock
    return PagerDutyNotifier(
        PagerDutySettings(**given_settings), MemoryMessageRefs(), clock=clock.time, pause=clock.advance
    )


def test_a_new_incident_is_one_alert_with_its_first_cause(account: PagerDutyDouble) -> None:
    notifier(account).publish(ticket())
    assert [each.payload["component"] for each in account.incidents] == [ticket().top[0].service]


def test_publishing_again_triggers_nothing_again(account: PagerDutyDouble) -> None:
    teller = notifier(account)
    teller.publish(ticket())
    teller.publish(ticket())
    assert [each.triggers for each in account.incidents] == [1]


def test_two_workers_with_the_same_memory_trigger_one_alert(account: PagerDutyDouble) -> None:
    teller = notifier(account)
    again = PagerDutyNotifier(teller.settings, teller.refs, clock=account.clock.time)
    teller.publish(ticket())
    again.publish(ticket())
    assert account.incidents[0].triggers == 1


def test_an_incident_that_is_worked_on_is_acknowledged(account: PagerDutyDouble) -> None:
    teller = notifier(account)
    teller.publish(ticket())
    teller.publish(ticket("executing"))
    assert account.incidents[0].status == "acknowledged"


def test_an_incident_that_is_over_is_resolved_under_the_same_key(account: PagerDutyDouble) -> None:
    teller = notifier(account)
    for status in ("waiting_for_approval", "executing", "recovered"):
        teller.publish(ticket(status))
    assert [(each.key, each.status) for each in account.incidents] == [(dedup_key(ticket().id), "resolved")]


def test_each_new_status_is_written_into_one_note(account: PagerDutyDouble) -> None:
    teller = notifier(account)
    for status in ("waiting_for_approval", "waiting_for_approval", "executing"):
        teller.publish(ticket(status))
    assert len(account.incidents[0].notes) == 2


def test_an_incident_that_pagerduty_told_us_of_gets_notes_and_no_new_alert(account: PagerDutyDouble) -> None:
    notifier(account).publish(ticket())
    told = account.incidents[0].id
    paged = alert(source="pagerduty", labels={INCIDENT_LABEL: told}, fingerprint="other")
    notifier(account).publish(ticket(id="inc-other-1", alert=paged))
    assert (len(account.incidents), len(account.incidents[0].notes)) == (1, 2)


def test_without_a_rest_token_alerts_are_sent_and_no_notes_written(account: PagerDutyDouble) -> None:
    notifier(account, token=None).publish(ticket())
    assert (len(account.incidents), account.incidents[0].notes) == (1, [])


def test_a_rate_limit_is_waited_for(account: PagerDutyDouble) -> None:
    account.failures = [429]
    notifier(account, token=None).publish(ticket())
    assert (account.clock.slept, len(account.incidents)) == ([1.0], 1)


def test_a_failure_on_their_side_is_tried_again_by_the_next_publish(account: PagerDutyDouble) -> None:
    account.failures = [503]
    teller = notifier(account, token=None)
    with pytest.raises(Unavailable):
        teller.publish(ticket())
    teller.publish(ticket())
    assert len(account.incidents) == 1


def test_a_wrong_routing_key_is_refused_with_their_words(account: PagerDutyDouble) -> None:
    with pytest.raises(Refused, match="should be 32 characters"):
        notifier(account, routing_key="short").publish(ticket())


def test_an_unknown_rest_token_says_where_to_make_one(account: PagerDutyDouble) -> None:
    with pytest.raises(Refused, match="API Access Keys"):
        notifier(account, token="wrong").ping()


def test_notes_without_a_known_sender_are_refused_with_their_words(account: PagerDutyDouble) -> None:
    with pytest.raises(Refused, match="Requester User Not Found"):
        notifier(account, from_email="").publish(ticket())


def test_nothing_secret_is_told_when_they_refuse(account: PagerDutyDouble) -> None:
    secret = "u+very-secret"
    with pytest.raises(AitiaError) as refused:
        notifier(account, token=secret).ping()
    assert secret not in str(refused.value)


def test_a_huge_ticket_keeps_its_links_and_loses_its_longest_details() -> None:
    links = (Link(title="the incident", url="https://aitia.example/incidents/1"),)
    wide = tuple(f"{number} " + "x" * 190 for number in range(4_000))
    verdict = ticket().diagnosis
    assert verdict is not None
    huge = ticket(diagnosis=verdict.model_copy(update={"missing_evidence": wide}), links=links)
    made = event(huge, "trigger", routing_key=ROUTING_KEY)
    details = made["payload"]["custom_details"]
    assert (made["links"][0]["href"], details["missing evidence"]) == (links[0].url, SHORTENED)


@given(words=st.text(max_size=400), times=st.integers(1, 3_000))
def test_no_ticket_makes_an_event_that_is_too_large(words: str, times: int) -> None:
    verdict = ticket().diagnosis
    assert verdict is not None
    huge = ticket(
        title=words * 10, diagnosis=verdict.model_copy(update={"missing_evidence": (words,) * times})
    )
    assert len(json.dumps(event(huge, "trigger", routing_key=ROUTING_KEY)).encode()) <= MAX_EVENT


SECRET = "whsec-one"
BODY = b'{"event": {"id": "01", "event_type": "incident.triggered", "resource_type": "incident"}}'


def test_a_signature_of_ours_is_accepted_among_others() -> None:
    header = f"v1={'0' * 64}, {signature(SECRET, BODY)}"
    verify(BODY, header, ["whsec-new", SECRET])
    assert parse(BODY).id == "01"


@given(at=st.integers(0, len(BODY) - 1), to=st.integers(0, 255))
def test_a_changed_byte_is_refused(at: int, to: int) -> None:
    changed = BODY[:at] + bytes([to]) + BODY[at + 1 :]
    header = signature(SECRET, BODY)
    if changed != BODY:
        with pytest.raises(Refused):
            verify(changed, header, [SECRET])


@given(header=st.text(max_size=200))
def test_no_made_up_signature_is_accepted(header: str) -> None:
    with pytest.raises(Refused):
        verify(BODY, header, [SECRET])


def test_without_a_secret_nothing_is_accepted() -> None:
    with pytest.raises(Refused):
        verify(BODY, signature("", BODY), [])


def test_an_event_type_that_nobody_knows_is_an_event_all_the_same() -> None:
    assert parse(BODY.replace(b"triggered", b"dreamt_of")).type == "incident.dreamt_of"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
DELIVERIES = st.binary(max_size=300) | JSON.map(lambda value: json.dumps({"event": value}).encode())


@given(body=DELIVERIES)
def test_whatever_comes_is_an_event_or_an_error_that_names_its_place(body: bytes) -> None:
    try:
        told = parse(body).id
    except MalformedAlert as error:
        told = error.where
    assert told


def test_a_body_over_their_limit_is_too_large() -> None:
    with pytest.raises(TooLarge):
        parse(b" " * (MAX_BODY + 1))


@pytest.mark.parametrize(
    ("resource", "data", "incident"),
    [
        ("incident", {"id": "PINC1", "type": "incident"}, "PINC1"),
        ("incident_note", {"id": "PNOTE1", "incident": {"id": "PINC1"}}, "PINC1"),
        ("service", {"id": "PSERVICE1", "type": "service"}, ""),
    ],
)
def test_an_event_names_the_incident_that_it_is_about(
    resource: str, data: dict[str, Any], incident: str
) -> None:
    told = PagerEvent(id="01", event_type="any", resource_type=resource, data=data)
    assert told.incident == incident
