"""The ServiceNow notifier against an instance with the real one's traps, over real sockets."""

from collections.abc import Iterator
from typing import Any

import pytest

from causal.errors import Conflict, Refused, Unavailable
from integrations.servicenow import ServiceNowNotifier, ServiceNowSettings, correlation_id
from integrations.slack_messages import MemoryMessageRefs
from tests.doubles.servicenow import PASSWORD, USER, ServiceNowDouble, servicenow
from tests.playbooks.made_up import ticket


@pytest.fixture
def instance() -> Iterator[ServiceNowDouble]:
    with servicenow() as double:
        yield double


def notifier(
    instance: ServiceNowDouble, refs: MemoryMessageRefs | None = None, **settings: Any
) -> ServiceNowNotifier:
    given = {"url": instance.url, "user": USER, "password": PASSWORD, **settings}
    return ServiceNowNotifier(ServiceNowSettings.model_validate(given), refs or MemoryMessageRefs())


def test_an_incident_is_one_record_with_our_correlation_id(instance: ServiceNowDouble) -> None:
    notifier(instance).publish(ticket())
    assert [row["correlation_id"] for row in instance.records] == [correlation_id(ticket().id)]


def test_a_record_that_is_there_already_is_found_and_not_made_again(instance: ServiceNowDouble) -> None:
    notifier(instance).publish(ticket())
    notifier(instance).publish(ticket("executing"))  # with no memory of the first
    assert len(instance.records) == 1


def test_records_of_others_are_never_written_to(instance: ServiceNowDouble) -> None:
    instance.records = [{"sys_id": "other", "number": "INC0000001", "correlation_id": "", "state": "1"}]
    notifier(instance).publish(ticket())
    assert (instance.records[0]["state"], "other" in instance.notes) == ("1", False)


def test_two_records_with_our_correlation_id_are_a_conflict(instance: ServiceNowDouble) -> None:
    twin = {"number": "INC0000001", "correlation_id": correlation_id(ticket().id), "state": "1"}
    instance.records = [{**twin, "sys_id": "one"}, {**twin, "sys_id": "two"}]
    with pytest.raises(Conflict, match="keep one"):
        notifier(instance).publish(ticket())


@pytest.mark.parametrize("hostile", ["inc^ORstate=1", "inc=1", "inc\n", "i" * 200])
def test_an_id_that_could_break_out_of_a_query_is_refused(hostile: str) -> None:
    with pytest.raises(Refused):
        correlation_id(hostile)


def test_each_new_status_is_one_work_note(instance: ServiceNowDouble) -> None:
    teller = notifier(instance)
    for status in ("waiting_for_approval", "waiting_for_approval", "executing"):
        teller.publish(ticket(status))
    assert [len(notes) for notes in instance.notes.values()] == [2]


def test_an_incident_that_is_over_is_resolved_with_its_mandatory_fields(instance: ServiceNowDouble) -> None:
    teller = notifier(instance)
    teller.publish(ticket("executing"))
    teller.publish(ticket("recovered"))
    assert (instance.records[0]["state"], bool(instance.records[0]["close_notes"])) == ("6", True)


def test_a_user_who_may_not_write_says_which_role_is_missing(instance: ServiceNowDouble) -> None:
    instance.may_write = False
    with pytest.raises(Refused, match="itil"):
        notifier(instance).publish(ticket())


def test_a_wrong_password_says_what_to_check(instance: ServiceNowDouble) -> None:
    with pytest.raises(Refused, match="check user and password"):
        notifier(instance, password="wrong").ping()


def test_a_rate_rule_is_waited_for_by_trying_later(instance: ServiceNowDouble) -> None:
    instance.calls_left = 0
    with pytest.raises(Unavailable, match="hourly"):
        notifier(instance).ping()


def test_a_sleeping_instance_is_unavailable_and_no_success(instance: ServiceNowDouble) -> None:
    instance.asleep = True
    with pytest.raises(Unavailable, match="sleeping"):
        notifier(instance).ping()


def test_after_a_failure_the_next_publish_tells_it(instance: ServiceNowDouble) -> None:
    teller = notifier(instance)
    instance.calls_left = 1
    with pytest.raises(Unavailable):
        teller.publish(ticket())
    instance.calls_left = 100
    teller.publish(ticket())
    assert len(instance.records) == 1
