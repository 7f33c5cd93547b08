"""The real door on a free port: the token, the API, and what it says to everything else."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from temporalio.client import Client

from causal.errors import Unavailable
from integrations.memory import MemoryApprovals, MemoryAuditLog, MemoryIncidents
from integrations.memory_actions import MemoryAction
from integrations.ports import AuditEntry, AuditRow
from playbooks.approval import token_of
from playbooks.remedy import ApprovalRequest, Outcome
from tests.workers.doors import QUESTION, YES, OpenDoor
from tests.workers.stage import ALERT, PLAYBOOK, Script, Stage
from workers.answering import Answering
from workers.door.approvals import Answer, ApprovalsApi
from workers.door.callers import Callers
from workers.policies import METRIC

PATHS = [
    ("GET", "/api/incidents"),
    ("GET", "/api/incidents/inc-1"),
    ("POST", "/api/incidents/inc-1/cause"),
    ("GET", "/api/approvals"),
    ("POST", "/api/approvals/inc-1-p1"),
    ("POST", "/api/approvals/inc-1-p1/delegate"),
    ("GET", "/api/stop"),
    ("POST", "/api/stop"),
    ("POST", "/api/resume"),
    ("GET", "/api/locks"),
    ("GET", "/api/learning"),
    ("POST", "/api/learning/check"),
    ("POST", "/api/learning/restore"),
    ("GET", "/api/learning/retrain"),
    ("GET", "/api/audit"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/redoc"),
    ("GET", "/nowhere"),
    ("GET", "/healthz/"),
    ("POST", "/v1/traces"),
    ("POST", "/v1/metrics"),
    ("POST", "/v1/logs"),
    ("POST", "/webhooks/alertmanager"),
]
ROWS = 5


@dataclass(frozen=True)
class Story:
    """What the door answered while one incident was approved and another's question expired."""

    question: ApprovalRequest
    outcome: Outcome
    other_plan: httpx.Response
    reasonless: httpx.Response
    tokenless: httpx.Response
    nameless: httpx.Response
    yes: httpx.Response
    replayed: httpx.Response
    afterwards: httpx.Response
    late: httpx.Response
    refusals: tuple[AuditRow, ...]


@pytest.fixture(scope="module")
async def story(opened: OpenDoor, module_client: Client) -> Story:
    """One incident that is approved, and one whose question expires."""
    house = opened.house
    stage = Stage(
        module_client,
        Script(),
        MemoryAction(),
        incidents=house.incidents,
        approvals=house.approvals,
        audit=house.audit,
        people=None,
        key=house.settings.approval_key(),
    )

    async def answer(question: ApprovalRequest, **changes: Any) -> httpx.Response:
        given = {**YES, "binding": question.binding, "token": token_of(question, stage.key), **changes}
        return await asyncio.to_thread(opened.post, f"/api/approvals/{question.id}", json=given)

    async with stage.at_work():
        handle = await stage.alert()
        question = await stage.question()
        other_plan = await answer(question, binding="0" * 64)
        reasonless = await answer(question, approve=False)
        tokenless = await answer(question, token="made up")
        nameless = await answer(question, by="")
        yes, replayed = await answer(question), await answer(question)
        outcome = await handle.result()
        afterwards = await answer(question)
    stage.playbook = PLAYBOOK.replace("expires: 30m", "expires: 1s")
    async with stage.at_work():
        handle = await stage.alert(ALERT.model_copy(update={"fingerprint": "e" * 16}))
        hasty = await stage.question()
        await handle.result()
        late = await answer(hasty)
    refused = tuple(row for row in house.audit.rows() if row.entry.event == "approval.refused")
    return Story(
        question,
        outcome,
        other_plan,
        reasonless,
        tokenless,
        nameless,
        yes,
        replayed,
        afterwards,
        late,
        refused,
    )


@pytest.fixture(scope="module")
def audited(opened: OpenDoor) -> OpenDoor:
    """The door with some rows in its audit log."""
    for number in range(ROWS):
        opened.house.audit.append(
            AuditEntry(incident="inc-paged-1", actor="gate", event="decided", summary=str(number))
        )
    return opened


def error(answer: httpx.Response) -> str:
    """The error that an answer tells; it must have that shape and no other."""
    told: dict[str, str] = answer.json()
    assert list(told) == ["error"]
    return told["error"]


# The token


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_without_a_token_no_path_answers(opened: OpenDoor, method: str, path: str) -> None:
    assert httpx.request(method, opened.url + path).status_code == 401


def test_the_refusal_says_how_to_get_a_token(opened: OpenDoor) -> None:
    assert "aitia token" in error(httpx.get(f"{opened.url}/api/incidents"))


def test_the_refusal_names_the_scheme(opened: OpenDoor) -> None:
    assert httpx.get(f"{opened.url}/api/incidents").headers["www-authenticate"].startswith("Bearer")


def test_health_needs_no_token(opened: OpenDoor) -> None:
    assert httpx.get(f"{opened.url}/healthz", timeout=30).status_code in {200, 503}


@pytest.mark.parametrize(
    "sent",
    [
        b"Bearer wrong",
        b"Bearer",
        b"",
        b"Basic {token}",
        b"{token}",
        b"Bearer {token}x",
        b"Bearer {token} {token}",
        "Bearer schlüssel".encode(),
        b"Bearer \xff\xfe",
        b"Bearer " + b"a" * 10_000,
    ],
)
def test_any_other_credentials_are_refused(opened: OpenDoor, sent: bytes) -> None:
    header = sent.replace(b"{token}", opened.house.settings.token().encode())
    answer = httpx.get(f"{opened.url}/api/incidents", headers={b"authorization": header})
    assert answer.status_code == 401


def test_the_name_of_the_scheme_may_be_written_in_any_case(opened: OpenDoor) -> None:
    header = {"authorization": f"bearer {opened.house.settings.token()}"}
    assert httpx.get(f"{opened.url}/api/incidents", headers=header).status_code == 200


def test_a_token_in_the_address_is_not_looked_at(opened: OpenDoor) -> None:
    token = opened.house.settings.token()
    assert httpx.get(f"{opened.url}/api/incidents", params={"token": token}).status_code == 401


# Reading


def test_an_incident_is_listed_with_its_verdict(opened: OpenDoor, story: Story) -> None:
    listed = {ticket["id"]: ticket for ticket in opened.get("/api/incidents").json()}
    assert listed[story.outcome.incident]["hypotheses"][0]["service"] == "cart"


def test_the_newest_incident_comes_first(opened: OpenDoor, story: Story) -> None:
    listed = [ticket["id"] for ticket in opened.get("/api/incidents").json()]
    assert listed.index(story.outcome.incident) > 0


def test_the_list_is_as_long_as_it_may_be(opened: OpenDoor, story: Story) -> None:
    assert story.outcome
    assert len(opened.get("/api/incidents", params={"limit": 1}).json()) == 1


def test_an_incident_is_shown_with_what_was_done(opened: OpenDoor, story: Story) -> None:
    shown = opened.get(f"/api/incidents/{story.outcome.incident}").json()
    assert shown["attempts"][0]["status"] == "recovered"


def test_the_cause_of_an_ended_incident_can_be_confirmed(opened: OpenDoor, story: Story) -> None:
    answer = opened.post(f"/api/incidents/{story.outcome.incident}/cause", json={"by": "ada"})
    assert (answer.status_code, answer.json()["cause"]["confirmed"]) == (200, True)


def test_a_cause_without_a_name_behind_it_is_refused(opened: OpenDoor, story: Story) -> None:
    answer = opened.post(f"/api/incidents/{story.outcome.incident}/cause", json={"service": "till"})
    assert (answer.status_code, "by" in error(answer)) == (422, True)


def test_an_unknown_incident_is_not_found_by_its_name(opened: OpenDoor) -> None:
    answer = opened.get("/api/incidents/inc-nowhere-1")
    assert (answer.status_code, "inc-nowhere-1" in error(answer)) == (404, True)


@pytest.mark.parametrize("path", ["/api/incidents/%00", "/api/incidents/%FF", "/api/incidents/..%2F..%2Fetc"])
def test_a_strange_name_is_not_found_either(opened: OpenDoor, path: str) -> None:
    assert opened.get(path).status_code == 404


def test_an_answered_question_keeps_its_answer(opened: OpenDoor, story: Story) -> None:
    assert opened.get(f"/api/approvals/{story.question.id}").json()["answered_by"] == ["ada"]


def test_an_answered_question_waits_no_longer(opened: OpenDoor, story: Story) -> None:
    waiting = [question["id"] for question in opened.get("/api/approvals").json()]
    assert story.question.id not in waiting


def test_audit_rows_come_in_pages(audited: OpenDoor) -> None:
    read: list[str] = []
    after, where = 0, {"incident": "inc-paged-1", "limit": 2}
    while rows := audited.get("/api/audit", params={**where, "after": after}).json()["rows"]:
        read += [row["entry"]["summary"] for row in rows]
        after = rows[-1]["seq"]
    assert read == [str(number) for number in range(ROWS)]


def test_audit_rows_of_another_incident_are_left_out(audited: OpenDoor) -> None:
    assert audited.get("/api/audit", params={"incident": "inc-unheard-of-1"}).json() == {"rows": []}


# Mistakes in a request


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/incidents?limit=0", "limit"),
        ("/api/incidents?limit=1001", "limit"),
        ("/api/incidents?limit=many", "limit"),
        ("/api/audit?after=-1", "after"),
        ("/api/audit?limit=10001", "limit"),
    ],
)
def test_a_limit_out_of_bounds_is_named(opened: OpenDoor, path: str, field: str) -> None:
    answer = opened.get(path)
    assert (answer.status_code, error(answer).split(":")[0]) == (422, field)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"binding": None}, "binding"),
        ({"token": None}, "token"),
        ({"approve": "perhaps"}, "approve"),
        ({"by": "a\u0000b"}, "by"),
        ({"by": "\u001b[2J"}, "by"),
        ({"by": "a" * 201}, "by"),
        ({"because": "b" * 2001}, "because"),
    ],
)
def test_a_field_of_an_answer_that_cannot_be_used_is_named(
    opened: OpenDoor, changes: dict[str, object], field: str
) -> None:
    answer = opened.post("/api/approvals/inc-1-p1", json={**YES, **changes})
    assert (answer.status_code, error(answer).split(":")[0]) == (422, field)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"yes"', b"{}"])
def test_a_body_of_another_shape_is_refused_with_words(opened: OpenDoor, body: bytes) -> None:
    answer = opened.post("/api/approvals/x", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, bool(error(answer))) == (422, True)


@pytest.mark.parametrize(
    "body",
    [b"{", b"\xff\xfe", b"{'approve': True}", b"[" * 100_000],
    ids=["half", "no text", "Python", "deep"],
)
def test_a_body_that_is_not_json_is_refused_with_words(opened: OpenDoor, body: bytes) -> None:
    answer = opened.post("/api/approvals/x", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, bool(error(answer))) == (400, True)


def test_half_a_surrogate_pair_in_a_name_is_refused(opened: OpenDoor) -> None:
    body = b'{"binding": "d", "token": "t", "approve": true, "by": "\\ud800"}'
    answer = opened.post("/api/approvals/x", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, "by" in error(answer)) == (422, True)


def test_an_unknown_path_is_told_as_an_error(opened: OpenDoor) -> None:
    answer = opened.get("/api/nowhere")
    assert (answer.status_code, "/api/nowhere" in error(answer)) == (404, True)


def test_an_unknown_method_is_told_with_those_that_are_known(opened: OpenDoor) -> None:
    answer = opened.post("/api/incidents")
    assert (answer.status_code, answer.headers["allow"], "POST" in error(answer)) == (405, "GET", True)


# The description


def test_the_description_knows_every_path(opened: OpenDoor) -> None:
    described = opened.get("/openapi.json").json()["paths"]
    assert {
        "/api/incidents",
        "/api/incidents/{incident}/cause",
        "/api/incidents/{incident}",
        "/api/approvals",
        "/api/approvals/{approval}",
        "/api/approvals/{approval}/delegate",
        "/api/audit",
        "/api/learning",
        "/api/learning/check",
        "/api/learning/restore",
        "/api/learning/retrain",
        "/api/locks",
        "/api/redaction",
        "/api/resume",
        "/api/stop",
        "/webhooks/alertmanager",
        "/webhooks/alerts",
        "/webhooks/grafana",
    } == set(described)


def test_every_operation_is_described_with_its_errors(opened: OpenDoor) -> None:
    paths = opened.get("/openapi.json").json()["paths"].values()
    operations = [operation for path in paths for operation in path.values()]
    assert all(operation["description"] and "default" in operation["responses"] for operation in operations)


def test_the_description_says_that_a_token_is_needed(opened: OpenDoor) -> None:
    described = opened.get("/openapi.json").json()
    assert described["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"


def test_the_description_has_a_page_for_people(opened: OpenDoor) -> None:
    assert "swagger" in opened.get("/docs").text.lower()


# Approvals


def test_a_valid_answer_is_taken(story: Story) -> None:
    assert (story.yes.status_code, story.yes.json()["status"]) == (200, "approved")


def test_an_unknown_approval_is_not_found_by_its_name(opened: OpenDoor) -> None:
    answer = opened.post("/api/approvals/inc-nowhere-1-p1", json=YES)
    assert (answer.status_code, "inc-nowhere-1-p1" in error(answer)) == (404, True)


def test_an_answer_for_another_plan_is_refused_with_its_reason(story: Story) -> None:
    assert (story.other_plan.status_code, "another plan" in error(story.other_plan)) == (409, True)


def test_a_decline_without_a_reason_is_refused(story: Story) -> None:
    assert (story.reasonless.status_code, "reason" in error(story.reasonless)) == (409, True)


def test_an_answer_without_the_questions_token_is_refused(story: Story) -> None:
    assert (story.tokenless.status_code, "no token of" in error(story.tokenless)) == (409, True)


def test_an_answer_without_a_name_is_refused(story: Story) -> None:
    assert (story.nameless.status_code, "needs a name" in error(story.nameless)) == (409, True)


def test_a_replayed_answer_is_refused_with_its_reason(story: Story) -> None:
    assert (story.replayed.status_code, "approved already" in error(story.replayed)) == (409, True)


def test_an_answer_after_the_end_is_refused_with_its_reason(story: Story) -> None:
    assert (story.afterwards.status_code, "approved already" in error(story.afterwards)) == (409, True)


def test_a_late_answer_is_refused_with_its_reason(story: Story) -> None:
    assert (story.late.status_code, "expired already" in error(story.late)) == (409, True)


def test_every_refusal_is_in_the_audit_log_with_its_reason(story: Story) -> None:
    told = [story.other_plan, story.reasonless, story.tokenless, story.nameless]
    told += [story.replayed, story.afterwards, story.late]
    assert [row.entry.summary for row in story.refusals] == [error(answer) for answer in told]


def test_a_refusal_in_the_audit_log_names_who_answered(story: Story) -> None:
    assert {row.entry.actor for row in story.refusals} == {"ada", "somebody without a name"}


def test_a_refusal_in_the_audit_log_names_the_plan_and_no_token(story: Story) -> None:
    facts = story.refusals[2].entry.facts
    assert (facts["binding"], "proof" in facts) == (story.question.binding, False)


def test_a_refused_answer_changes_nothing(story: Story) -> None:
    assert [attempt.approved_by for attempt in story.outcome.attempts] == [("ada",)]


# When Temporal or the agents are away


def test_without_temporal_an_answer_is_to_come_again(stranded: OpenDoor) -> None:
    answer = stranded.post(f"/api/approvals/{QUESTION.id}", json=YES)
    assert (answer.status_code, "retry-after" in answer.headers, bool(error(answer))) == (503, True, True)


def test_without_temporal_the_door_is_not_healthy(stranded: OpenDoor) -> None:
    assert stranded.get("/healthz").status_code == 503


def test_without_temporal_incidents_are_still_shown(stranded: OpenDoor) -> None:
    assert stranded.get("/api/incidents").status_code == 200


async def test_without_agents_an_answer_is_not_waited_for_for_ever(client: Client) -> None:
    await client.start_workflow("RemediationWorkflow", id=QUESTION.id, task_queue=METRIC)
    approvals = MemoryApprovals()
    approvals.put(QUESTION)
    callers = Callers(lambda: None)
    parts = approvals, MemoryIncidents(), MemoryAuditLog()
    answering = Answering(*parts, lambda: client, lambda: b"key", patience=0.5)
    api = ApprovalsApi(approvals, answering, callers)
    anybody = Request({"type": "http"})
    with pytest.raises(Unavailable, match="before answering again"):
        await api.answer(QUESTION.id, Answer.model_validate(YES), anybody)
