"""Who may answer, as it is written in people.yaml."""

from __future__ import annotations

import pytest

from causal.errors import MalformedSettings, NotFound
from playbooks.approval import question
from playbooks.people import People, Person, digest_of, read_people, who_is_missing
from tests.playbooks.test_approval import PLAN

TEXT = f"""
people:
  - name: Ada
    roles: [sre]
    slack: U123
    email: ada@example.com
    token_sha256: {digest_of("ada's token")}
  - name: Bob
    roles: [sre]
"""
TEAM = read_people(TEXT, "people.yaml")
ASKED = question(PLAN, now=0.0)


def test_a_person_is_found_by_their_token() -> None:
    assert TEAM.with_token(b"ada's token") == TEAM.people[0]


@pytest.mark.parametrize("token", [b"", b"bob's token", digest_of("ada's token").encode(), b"\xff"])
def test_nobody_is_found_by_anything_else(token: bytes) -> None:
    assert TEAM.with_token(token) is None


def test_a_person_is_found_by_their_slack_user() -> None:
    assert TEAM.of_slack("U123") == TEAM.people[0]


def test_a_person_is_found_by_their_mail_in_any_letters() -> None:
    assert TEAM.of_email("ADA@example.com") == TEAM.people[0]


def test_nobody_is_found_by_no_mail() -> None:
    assert TEAM.of_email("") is None


def test_an_unknown_name_is_told_with_those_that_are_known() -> None:
    with pytest.raises(NotFound, match="did you mean Ada"):
        TEAM.named("Ida")


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("people:\n  - {name: ada, rolls: [sre]}", ":2:17", "unknown field"),
        ("people:\n  - {roles: [sre]}", ":2:5", "is missing"),
        ("people:\n  - {name: ada, roles: [operator]}", ":2:17", "name another"),
        ("people:\n  - {name: ada, token_sha256: abc}", ":2:17", "aitia people add"),
        ("people:\n  - {name: ada, slack: ada}", ":2:17", "such as U0123ABCD"),
        ("people:\n  - {name: ada}\n  - {name: ADA}", ":1:1", "two people have the name ada"),
        ("people: [", ":1", "not YAML"),
    ],
    ids=["unknown field", "nameless", "operator", "digest", "slack", "twice", "no YAML"],
)
def test_a_mistake_is_told_with_its_place(text: str, place: str, words: str) -> None:
    with pytest.raises(MalformedSettings) as wrong:
        read_people(text, "people.yaml")
    assert f"people.yaml{place}" in str(wrong.value)
    assert words in str(wrong.value)


def test_without_a_file_approvers_are_told_that_everybody_counts() -> None:
    assert "no people.yaml" in who_is_missing(None, ASKED)


def test_too_few_people_with_the_role_are_told_before_the_question_expires() -> None:
    alone = People(people=(Person(name="ada", roles=("sre",), slack="U1"),))
    assert who_is_missing(alone, ASKED) == "2 must approve, and 1 in people.yaml have one of the roles sre"


def test_a_person_who_can_not_be_recognised_does_not_count() -> None:
    assert "1 in people.yaml" in who_is_missing(TEAM, ASKED)


def test_enough_people_with_the_role_need_no_note() -> None:
    two = People(people=tuple(Person(name=name, roles=("sre",), slack=f"U{name.upper()}") for name in "AB"))
    assert who_is_missing(two, ASKED) == ""
