"""The ports' docstrings as tests, the same for the twins in memory, SQLite and a real PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from causal.errors import Conflict, Malformed, NotFound
from causal.evidence import Alert, Deed, Fault, Lesson, Priors, Symptom
from causal.learn import learn
from integrations.memory import (
    MemoryIncidents,
    MemoryNotifier,
)
from integrations.ports import Claim, Intent
from playbooks.remedy import ApprovalRequest, StepResult, StepStatus
from playbooks.ticket import Ticket, TicketStatus
from tests.integrations.conftest import Store


def alert(fingerprint: str, service: str | None = None, at: float = 100.0) -> Alert:
    return Alert(
        fingerprint=fingerprint, symptom=Symptom(service=service), raised_at=at, summary=f"{service}!"
    )


def opened(store: Store, told: Alert, *related: str, within: float = 60.0) -> str:
    return store.incidents.open_or_join(told, frozenset(related), within).incident


def put(store: Store, incident: str, status: TicketStatus, ended_at: float | None = None) -> Ticket:
    changes = {"status": status, "ended_at": ended_at}
    ticket = store.incidents.get(incident).model_copy(update=changes)
    store.incidents.put(ticket)
    return ticket


# Incidents


def test_an_incident_is_named_after_its_fingerprint(store: Store) -> None:
    assert opened(store, alert("0123456789abcdef")) == "inc-01234567-1"


def test_an_odd_fingerprint_makes_a_name_safe_for_paths(store: Store) -> None:
    assert opened(store, alert("../a b&c")) == "inc----a-b-c-1"


def test_a_first_alert_opens_a_new_incident(store: Store) -> None:
    assert store.incidents.open_or_join(alert("a"), frozenset(), 60.0).is_new


def test_a_repeated_alert_joins_its_open_incident(store: Store) -> None:
    opened(store, alert("a"))
    assert not store.incidents.open_or_join(alert("a", at=9e9), frozenset(), 60.0).is_new


def test_a_repeated_alert_is_kept_once(store: Store) -> None:
    incident = opened(store, alert("a", at=100.0))
    opened(store, alert("a", at=200.0))
    assert store.incidents.alerts(incident) == (alert("a", at=100.0),)


def test_a_related_alert_joins_the_incident_of_its_neighbour(store: Store) -> None:
    incident = opened(store, alert("a", "cart"))
    assert opened(store, alert("b", "gateway", at=160.0), "cart", "payment") == incident


def test_alerts_that_are_taken_together_meet_in_one_incident(store: Store) -> None:
    claims = [
        Claim(alert=alert(name, service), related=frozenset({"cart", "gateway"}))
        for name, service in (("a", "cart"), ("b", "gateway"), ("a", "cart"))
    ]
    taken = [found for found in store.incidents.take(claims, 60.0) if found]
    assert [(found.incident, found.is_new, found.is_known) for found in taken] == [
        ("inc-a-1", True, False),
        ("inc-a-1", False, False),
        ("inc-a-1", False, True),
    ]


def test_whoever_joins_is_told_the_alert_that_opened(store: Store) -> None:
    opened(store, alert("a", "cart"))
    [joined] = store.incidents.take([Claim(alert=alert("b"), related=frozenset({"cart"}))], 60.0)
    assert joined is not None
    assert joined.first == alert("a", "cart")


def test_a_claim_that_must_not_open_an_incident_opens_none(store: Store) -> None:
    taken = store.incidents.take([Claim(alert=alert("a"), opens=False)], 60.0)
    assert (taken, dict(store.incidents.open())) == ((None,), {})


def test_a_claim_that_must_not_open_an_incident_joins_its_own(store: Store) -> None:
    incident = opened(store, alert("a"))
    [joined] = store.incidents.take([Claim(alert=alert("a"), opens=False)], 60.0)
    assert joined is not None
    assert joined.incident == incident


def test_of_two_incidents_nearby_the_newer_one_is_joined(store: Store) -> None:
    opened(store, alert("a", "cart"))
    newer = opened(store, alert("b", "mail"))
    opened(store, alert("a", "cart", at=150.0))
    claims = [Claim(alert=alert(name, "x"), related=frozenset({"cart", "mail"})) for name in ("c", "d")]
    assert {found.incident for found in store.incidents.take(claims, 60.0) if found} == {newer}


def test_more_alerts_than_a_question_has_room_for_are_taken_once_each(store: Store) -> None:
    claims = [Claim(alert=alert(f"{number}", "cart"), related=frozenset({"cart"})) for number in range(1200)]
    store.incidents.take(claims, 60.0)
    store.incidents.take(claims, 60.0)
    assert len(store.incidents.alerts("inc-0-1")) == len(claims)


def test_a_related_alert_that_comes_too_late_opens_another_incident(store: Store) -> None:
    incident = opened(store, alert("a", "cart"))
    assert opened(store, alert("b", "gateway", at=160.1), "cart") != incident


def test_a_repeat_keeps_an_incident_recent_for_its_neighbours(store: Store) -> None:
    incident = opened(store, alert("a", "cart"))
    opened(store, alert("a", "cart", at=500.0))
    assert opened(store, alert("b", "gateway", at=510.0), "cart") == incident


def test_an_unrelated_alert_opens_another_incident(store: Store) -> None:
    incident = opened(store, alert("a", "cart"))
    assert opened(store, alert("b", "mail"), "payment") != incident


def test_an_alert_without_a_service_is_related_to_nothing(store: Store) -> None:
    incident = opened(store, alert("a", None))
    assert opened(store, alert("b", "mail"), "mail", "None", "") != incident


def test_a_related_alert_joins_the_newest_incident_that_fits(store: Store) -> None:
    opened(store, alert("a", "cart"))
    newest = opened(store, alert("b", "cart"))
    assert opened(store, alert("c", "gateway"), "cart") == newest


def test_a_fingerprint_counts_more_than_a_newer_neighbour(store: Store) -> None:
    own = opened(store, alert("a", "cart"))
    opened(store, alert("b", "cart"))
    assert opened(store, alert("a", "cart"), "cart") == own


def test_an_alert_that_joined_brings_its_own_neighbours(store: Store) -> None:
    incident = opened(store, alert("a", "cart"))
    opened(store, alert("b", "gateway"), "cart")
    assert opened(store, alert("c", "web"), "gateway") == incident


def test_alerts_come_in_the_order_they_joined(store: Store) -> None:
    incident = opened(store, alert("b", "cart"))
    opened(store, alert("a", "gateway", at=90.0), "cart")
    assert [told.fingerprint for told in store.incidents.alerts(incident)] == ["b", "a"]


def test_an_ended_incident_is_joined_by_nobody(store: Store) -> None:
    incident = opened(store, alert("a", "cart"))
    put(store, incident, "recovered", ended_at=200.0)
    assert opened(store, alert("a", "cart"), "cart") == "inc-a-2"


def test_an_incident_that_is_left_to_humans_is_open_until_it_ends(store: Store) -> None:
    incident = opened(store, alert("a", "cart"))
    put(store, incident, "left_to_humans")
    assert opened(store, alert("a", "cart")) == incident


def test_a_late_ticket_does_not_open_an_ended_incident_again(store: Store) -> None:
    incident = opened(store, alert("a"))
    put(store, incident, "recovered", ended_at=200.0)
    put(store, incident, "verifying")
    assert store.incidents.open() == {}


def test_an_incident_has_a_ticket_from_its_first_moment(store: Store) -> None:
    assert store.incidents.get(opened(store, alert("a", "cart"))).status == "observing"


def test_a_ticket_comes_back_as_it_was_put(store: Store) -> None:
    ticket = put(store, opened(store, alert("a")), "diagnosing")
    assert store.incidents.get(ticket.id) == ticket


def test_a_ticket_of_an_unknown_incident_is_refused(store: Store) -> None:
    ticket = store.incidents.get(opened(store, alert("a")))
    with pytest.raises(NotFound):
        store.incidents.put(ticket.model_copy(update={"id": "inc-nobody-1"}))


def test_an_unknown_incident_has_no_ticket(store: Store) -> None:
    with pytest.raises(NotFound):
        store.incidents.get("inc-nobody-1")


def test_an_unknown_incident_has_no_alerts(store: Store) -> None:
    with pytest.raises(NotFound):
        store.incidents.alerts("inc-nobody-1")


def test_the_newest_tickets_come_first(store: Store) -> None:
    names = [opened(store, alert(name)) for name in "abc"]
    assert [ticket.id for ticket in store.incidents.all(limit=2)] == [names[2], names[1]]


def test_only_open_incidents_are_open(store: Store) -> None:
    ended, still = opened(store, alert("a")), opened(store, alert("b"))
    put(store, ended, "declined", ended_at=200.0)
    assert store.incidents.open() == {still: (alert("b"),)}


def test_an_alert_with_no_moment_is_malformed(store: Store) -> None:
    with pytest.raises(Malformed):
        opened(store, alert("a", at=float("nan")))


def test_a_malformed_alert_leaves_no_incident_behind(store: Store) -> None:
    with pytest.raises(Malformed):
        opened(store, alert("a", at=float("nan")))
    assert store.incidents.all() == ()


def test_alerts_of_a_storm_in_threads_open_one_incident(store: Store) -> None:
    with ThreadPoolExecutor(8) as threads:
        told = threads.map(lambda _: store.incidents.open_or_join(alert("a"), frozenset(), 60.0), range(16))
    assert sum(answer.is_new for answer in told) == 1


# Journal


def intent(key: str = "inc-a-1/plan-1/revert", plan: str = "plan-1") -> Intent:
    return Intent(
        key=key,
        incident="inc-a-1",
        plan=plan,
        step="revert",
        action="git.revert",
        started_at=1.0,
        params={"n": 1},
    )


def result(status: StepStatus = StepStatus.DONE) -> StepResult:
    return StepResult(step="revert", action="git.revert", key="k", status=status, effect={"commit": "abc"})


def test_a_first_intent_comes_back_unfinished(store: Store) -> None:
    assert store.journal.begin(intent()) == intent()


def test_an_intent_that_is_there_already_comes_back_as_it_was(store: Store) -> None:
    store.journal.begin(intent())
    assert store.journal.begin(intent(plan="plan-2")).plan == "plan-1"


def test_a_finished_intent_comes_back_with_its_result(store: Store) -> None:
    store.journal.begin(intent())
    store.journal.finish(intent().key, result())
    assert store.journal.begin(intent()).result == result()


def test_finishing_twice_with_the_same_result_changes_nothing(store: Store) -> None:
    store.journal.begin(intent())
    store.journal.finish(intent().key, result())
    store.journal.finish(intent().key, result())
    assert store.journal.begin(intent()).result == result()


def test_finishing_again_with_another_result_is_a_conflict(store: Store) -> None:
    store.journal.begin(intent())
    store.journal.finish(intent().key, result())
    with pytest.raises(Conflict):
        store.journal.finish(intent().key, result(StepStatus.FAILED))


def test_finishing_what_was_never_begun_is_refused(store: Store) -> None:
    with pytest.raises(NotFound):
        store.journal.finish("nobody", result())


def test_the_intents_of_an_incident_come_in_order(store: Store) -> None:
    for key in ("b", "a", "c"):
        store.journal.begin(intent(key))
    assert [known.key for known in store.journal.of_incident("inc-a-1")] == ["b", "a", "c"]


def test_the_intents_of_another_incident_stay_out(store: Store) -> None:
    store.journal.begin(intent())
    assert store.journal.of_incident("inc-b-1") == ()


# Approvals


def request(name: str, asked_at: float = 1.0, **changed: object) -> ApprovalRequest:
    asked = ApprovalRequest(
        id=name, incident="i", plan="p", plan_digest="d", asked_at=asked_at, expires_at=asked_at + 60
    )
    return asked.model_copy(update=changed)


def test_an_approval_comes_back_as_it_was_put(store: Store) -> None:
    store.approvals.put(request("a", approvers=("sre",)))
    assert store.approvals.get("a") == request("a", approvers=("sre",))


def test_an_approval_is_replaced_by_its_answer(store: Store) -> None:
    store.approvals.put(request("a"))
    store.approvals.put(request("a", status="approved", answered_by=("kim",)))
    assert store.approvals.get("a").answered_by == ("kim",)


def test_an_answered_approval_is_open_no_longer(store: Store) -> None:
    store.approvals.put(request("a"))
    store.approvals.put(request("a", status="declined"))
    assert store.approvals.open() == ()


def test_open_approvals_come_oldest_first(store: Store) -> None:
    for name, asked_at in (("b", 2.0), ("c", 3.0), ("a", 1.0)):
        store.approvals.put(request(name, asked_at))
    assert [asked.id for asked in store.approvals.open()] == ["a", "b", "c"]


def test_an_unknown_approval_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound):
        store.approvals.get("nobody")


# Priors


def lesson(incident: str, playbook: str | None = "revert", *, worked: bool | None = True) -> Lesson:
    return Lesson(
        incident=incident,
        playbook=playbook,
        service="cart",
        fault=Fault.CONFIG_CHANGE,
        worked=worked,
        confirmed=True,
    )


def test_nothing_was_learned_at_first(store: Store) -> None:
    assert store.priors.current() == Priors()


def test_a_lesson_is_in_force_for_the_next_reader(store: Store) -> None:
    store.priors.learn(lesson("i"))
    assert store.priors.current() == learn(Priors(), lesson("i"))


def test_the_lessons_come_back_in_the_order_they_were_taken_in(store: Store) -> None:
    told = [lesson("b"), lesson("a"), lesson("b", "restart")]
    for each in (*told, told[0]):
        store.priors.learn(each)
    assert store.priors.lessons() == tuple(told)


def test_a_lesson_that_is_told_again_counts_once(store: Store) -> None:
    store.priors.learn(lesson("i"))
    assert store.priors.learn(lesson("i", worked=False)) == learn(Priors(), lesson("i"))


def test_a_lesson_without_a_playbook_counts_once_too(store: Store) -> None:
    store.priors.learn(lesson("i", None, worked=None))
    assert store.priors.learn(lesson("i", None, worked=None)).version == 1


def test_another_playbook_of_the_same_incident_is_another_lesson(store: Store) -> None:
    store.priors.learn(lesson("i", "revert"))
    assert store.priors.learn(lesson("i", "restart")).version == 2


def test_two_plans_of_one_playbook_in_an_incident_are_two_lessons(store: Store) -> None:
    for plan in ("p1", "p2", "p1"):
        store.priors.learn(lesson("i").model_copy(update={"plan": plan}))
    assert store.priors.current().version == 2


def test_a_later_correction_reaches_the_deed_that_was_learned_before(store: Store) -> None:
    deed = Deed(
        incident="i",
        plan="p1",
        playbook="revert",
        fault=Fault.CONFIG_CHANGE,
        service="cart",
        chance=0.9,
        alone=True,
        wrong=False,
        at=1.0,
        credit=1.0,
    )
    store.priors.learn(lesson("i").model_copy(update={"plan": "p1", "deed": deed}))
    store.priors.learn(Lesson(incident="i", service="gateway", confirmed=False, raw_probability=0.9))
    known = store.priors.current()
    assert [each.wrong for each in known.deeds] == [True]
    assert known.record("revert", Fault.CONFIG_CHANGE).successes == 0.0


def test_lessons_told_at_once_in_threads_all_count(store: Store) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: store.priors.learn(lesson(f"i{number}")), range(8)))
    assert store.priors.current().record("revert", Fault.CONFIG_CHANGE).successes == 8.0


# Notifier


def test_a_ticket_published_twice_is_seen_once() -> None:
    incidents, notifier = MemoryIncidents(), MemoryNotifier()
    ticket = incidents.get(incidents.open_or_join(alert("a"), frozenset(), 60.0).incident)
    notifier.publish(ticket)
    notifier.publish(ticket)
    assert notifier.messages == {"inc-a-1": [ticket]}


def test_a_changed_ticket_updates_its_message() -> None:
    incidents, notifier = MemoryIncidents(), MemoryNotifier()
    ticket = incidents.get(incidents.open_or_join(alert("a"), frozenset(), 60.0).incident)
    notifier.publish(ticket)
    notifier.publish(ticket.model_copy(update={"status": "diagnosing"}))
    assert [seen.status for seen in notifier.messages["inc-a-1"]] == ["observing", "diagnosing"]
