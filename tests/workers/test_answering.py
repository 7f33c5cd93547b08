"""Who speaks, and to which question a token belongs; what counts is tested with the workflows."""

from __future__ import annotations

import pytest
from temporalio.client import Client

from causal.errors import NotFound, Refused, Unavailable
from integrations.memory import MemoryApprovals, MemoryAuditLog, MemoryIncidents
from playbooks.approval import sealed, token_of
from playbooks.people import People, Person
from playbooks.remedy import ApprovalRequest
from tests.playbooks.made_up import alert, request, ticket
from tests.workers.stage import KEY
from workers.answering import Answering, Speaker, Verdict, how_it_stands, speaker_of

ADA = Speaker("ada", ("sre",))
PEOPLE = People(people=(Person(name="ada", roles=("sre",), slack="U0ADA"),))


def question(**changes: object) -> ApprovalRequest:
    """An open question with its seals."""
    wanted = {"binding": "b" * 64, "approvers": ("sre",), "expires_at": 9e9, **changes}
    return sealed(request().model_copy(update=wanted), KEY)


def nobody() -> Client:
    raise Unavailable("not connected to Temporal yet")


def answering(*questions: ApprovalRequest) -> Answering:
    made = Answering(MemoryApprovals(), MemoryIncidents(), MemoryAuditLog(), nobody, lambda: KEY)
    for each in questions:
        made.approvals.put(each)
    return made


def refused(made: Answering) -> list[tuple[str, str, str]]:
    rows = [row.entry for row in made.audit.rows()]
    return [(entry.event, entry.actor, entry.incident) for entry in rows]


def of(user: str, people: People | None = PEOPLE) -> Speaker:
    return speaker_of(people, lambda known: known.of_slack(user), user)


def test_a_known_person_speaks_with_their_roles() -> None:
    assert of("U0ADA") == ADA


def test_somebody_unknown_is_a_stranger_with_what_to_do() -> None:
    assert "nobody in people.yaml is U0NO" in of("U0NO").stranger


def test_where_nobody_is_named_everybody_is_a_stranger() -> None:
    assert "aitia people add" in of("U0ADA", None).stranger


async def test_a_token_leads_to_its_open_question() -> None:
    made = answering(question())
    assert (await made.question_of(token_of(question(), KEY), ADA)).id == question().id


async def test_a_token_leads_to_its_question_also_once_that_is_closed() -> None:
    made, closed = answering(), question(status="declined")
    opened = made.incidents.open_or_join(alert(), frozenset(), 0.0)
    made.incidents.put(ticket("declined", id=opened.incident, approval=closed))
    assert (await made.question_of(token_of(question(), KEY), ADA)).status == "declined"


async def test_a_token_of_nothing_is_refused_and_audited() -> None:
    made = answering(question())
    with pytest.raises(Refused, match="belongs to no question"):
        await made.question_of("made up", ADA)
    assert refused(made) == [("approval.refused", "ada", "")]


async def test_a_question_is_found_by_its_incident() -> None:
    assert (await answering(question()).by_name(question().incident)).id == question().id


async def test_an_unknown_name_is_no_question() -> None:
    with pytest.raises(NotFound):
        await answering(question()).by_name("inc-no-1")


@pytest.mark.parametrize(
    ("speaker", "reason"),
    [
        (Speaker("kim"), "kim has none of the roles"),
        (Speaker("U0NO", stranger="who is that?"), "who is that"),
    ],
)
async def test_who_could_not_decline_is_refused_before_they_say_why(speaker: Speaker, reason: str) -> None:
    made, asked = answering(question()), question()
    with pytest.raises(Refused, match=reason):
        await made.allow(asked, token_of(asked, KEY), speaker)
    assert refused(made) == [("approval.refused", speaker.name, asked.incident)]


async def test_who_may_decline_is_let_on_to_say_why() -> None:
    made = answering(question())
    await made.allow(question(), token_of(question(), KEY), ADA)
    assert refused(made) == []


async def test_an_answer_that_nobody_can_take_is_not_a_refusal() -> None:
    made, asked = answering(question()), question()
    with pytest.raises(Unavailable):
        await made.answer(asked, token_of(asked, KEY), Verdict(approve=True), ADA)
    assert refused(made) == []


@pytest.mark.parametrize("speaker", [Speaker("kim"), Speaker("ada", ("sre",), stranger="no")])
def test_who_may_not_answer_is_given_no_token(speaker: Speaker) -> None:
    assert answering().token_for(question(), speaker) == ""


def test_how_a_question_stands_is_told_in_votes_while_it_is_open() -> None:
    assert how_it_stands(question(quorum=2)) == f"{question().id} has 0 of 2 votes"
