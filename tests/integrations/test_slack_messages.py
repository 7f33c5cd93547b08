"""Which post shows what: one contract, in memory, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from integrations.database import open_database
from integrations.ports import MessageRef, MessageRefs
from integrations.slack_messages import MemoryMessageRefs, SqlMessageRefs
from tests.integrations.conftest import new_database

REF = MessageRef(channel="C1", ts="1.000100", content="ab", shown_at=7.0)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def refs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MessageRefs]:
    if request.param == "memory":
        yield MemoryMessageRefs()
        return
    url = f"sqlite:///{tmp_path / 'aitia.db'}"
    if request.param == "postgresql":
        url = new_database(request.getfixturevalue("postgres"))
    engine = open_database(url)
    yield SqlMessageRefs(engine)
    engine.dispose()


def test_an_unknown_part_has_no_reference(refs: MessageRefs) -> None:
    assert refs.get("inc-1", "message") is None


def test_what_was_put_is_got_again(refs: MessageRefs) -> None:
    refs.put("inc-1", "message", REF)
    assert refs.get("inc-1", "message") == REF


def test_putting_again_replaces_the_reference(refs: MessageRefs) -> None:
    refs.put("inc-1", "message", REF)
    newer = REF.model_copy(update={"content": "cd"})
    refs.put("inc-1", "message", newer)
    assert refs.get("inc-1", "message") == newer


def test_a_claim_alone_is_no_reference(refs: MessageRefs) -> None:
    refs.claim("inc-1", "message", now=100.0, lease=30.0)
    assert refs.get("inc-1", "message") is None


def test_a_second_claim_is_turned_down(refs: MessageRefs) -> None:
    claims = [refs.claim("inc-1", "message", now=100.0, lease=30.0) for _ in range(2)]
    assert claims == [True, False]


def test_an_old_claim_can_be_taken_over(refs: MessageRefs) -> None:
    refs.claim("inc-1", "message", now=100.0, lease=30.0)
    assert refs.claim("inc-1", "message", now=130.0, lease=30.0)


def test_a_posted_part_is_never_claimed_again(refs: MessageRefs) -> None:
    refs.claim("inc-1", "message", now=100.0, lease=30.0)
    refs.put("inc-1", "message", REF)
    assert not refs.claim("inc-1", "message", now=9999.0, lease=30.0)


def test_a_released_claim_is_free_at_once(refs: MessageRefs) -> None:
    refs.claim("inc-1", "message", now=100.0, lease=30.0)
    refs.release("inc-1", "message")
    assert refs.claim("inc-1", "message", now=100.0, lease=30.0)


def test_releasing_forgets_the_reference(refs: MessageRefs) -> None:
    refs.put("inc-1", "message", REF)
    refs.release("inc-1", "message")
    assert refs.get("inc-1", "message") is None


def test_releasing_what_is_not_there_changes_nothing(refs: MessageRefs) -> None:
    refs.release("inc-1", "message")
    assert refs.get("inc-1", "message") is None


def test_parts_of_one_incident_are_claimed_apart(refs: MessageRefs) -> None:
    refs.claim("inc-1", "message", now=100.0, lease=30.0)
    assert refs.claim("inc-1", "details", now=100.0, lease=30.0)


def test_of_many_at_once_one_gets_the_claim(refs: MessageRefs) -> None:
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: refs.claim("inc-1", "message", now=1.0, lease=30.0), range(16)))
    assert claims.count(True) == 1


def test_of_many_who_take_over_one_gets_the_claim(refs: MessageRefs) -> None:
    refs.claim("inc-1", "message", now=1.0, lease=30.0)
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: refs.claim("inc-1", "message", now=50.0, lease=30.0), range(16)))
    assert claims.count(True) == 1


def test_references_outlive_the_process(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'aitia.db'}"
    first = open_database(url)
    SqlMessageRefs(first).put("inc-1", "message", REF)
    first.dispose()
    second = open_database(url)
    found = SqlMessageRefs(second).get("inc-1", "message")
    second.dispose()
    assert found == REF
