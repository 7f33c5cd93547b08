"""A database that is gone for a while: told as Unavailable, and well again without anybody's help."""

import signal
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from benchmarks.postgres import LocalPostgres, local_postgres
from causal.errors import Unavailable
from causal.evidence import Alert, Lesson
from integrations.audit import verify_rows
from integrations.database import open_database
from integrations.ports import AuditEntry, Intent, MessageRef
from integrations.slack_messages import SqlMessageRefs
from integrations.store import (
    SqlApprovals,
    SqlAuditLog,
    SqlIncidents,
    SqlJournal,
    SqlKillSwitch,
    SqlLocks,
    SqlPriorStore,
)
from playbooks.remedy import StepResult, StepStatus
from tests.integrations.relay import Relay, relayed

INTENT = Intent(key="i/p/s", incident="i", plan="p", step="s", action="a", started_at=1.0)
ENTRY = AuditEntry(actor="gate", event="decided", summary="no", key="once")

CALLS: dict[str, Callable[[Engine], object]] = {
    "an alert": lambda engine: SqlIncidents(engine).open_or_join(
        Alert(fingerprint="a", raised_at=1.0), frozenset(), 60.0
    ),
    "the open incidents": lambda engine: SqlIncidents(engine).open(),
    "a row of the audit": lambda engine: SqlAuditLog(engine).append(ENTRY),
    "the rows of the audit": lambda engine: list(SqlAuditLog(engine).rows()),
    "an intent": lambda engine: SqlJournal(engine).begin(INTENT),
    "the intents": lambda engine: SqlJournal(engine).of_incident("i"),
    "the open questions": lambda engine: SqlApprovals(engine).open(),
    "the priors": lambda engine: SqlPriorStore(engine).current(),
    "a lesson": lambda engine: SqlPriorStore(engine).learn(Lesson(incident="i")),
    "a lock": lambda engine: SqlLocks(engine).acquire(frozenset({"cart"}), "a", now=1.0, lease=60.0),
    "the locks": lambda engine: SqlLocks(engine).held(now=1.0),
    "the kill switch": lambda engine: SqlKillSwitch(engine).state(),
    "a throw": lambda engine: SqlKillSwitch(engine).throw(by="ada", because="it loops", at=1.0),
    "a claim": lambda engine: SqlMessageRefs(engine).claim("i", "message", now=1.0, lease=60.0),
    "a post": lambda engine: SqlMessageRefs(engine).put("i", "message", MessageRef(channel="C", ts="1")),
}


class Gone(NamedTuple):
    """An engine whose pool holds connections to a server that can be stopped."""

    engine: Engine
    server: LocalPostgres


@pytest.fixture(scope="module")
def server() -> Iterator[LocalPostgres]:
    with local_postgres() as started:
        yield started


@pytest.fixture
def gone(server: LocalPostgres) -> Iterator[Gone]:
    engine = open_database(server.url)
    CALLS["the priors"](engine)
    server.stop()
    yield Gone(engine, server)
    server.start()
    engine.dispose()


@pytest.mark.parametrize("call", CALLS)
def test_whoever_asks_a_database_that_is_gone_is_told_so(gone: Gone, call: str) -> None:
    with pytest.raises(Unavailable, match="did not answer"):
        CALLS[call](gone.engine)


@pytest.mark.parametrize("call", CALLS)
def test_the_first_call_after_the_database_came_back_is_answered(gone: Gone, call: str) -> None:
    gone.server.start()
    CALLS[call](gone.engine)
    gone.server.stop()


def test_what_was_committed_outlives_a_crash_of_the_database(server: LocalPostgres) -> None:
    engine = open_database(server.url)
    written = SqlAuditLog(engine).append(AuditEntry(actor="gate", event="decided", summary="kept"))
    server.stop(signal.SIGQUIT)
    server.start()
    assert verify_rows(SqlAuditLog(engine).rows()).head == written.hash
    engine.dispose()


def test_a_result_told_twice_because_of_an_outage_is_the_same_result(server: LocalPostgres) -> None:
    engine = open_database(server.url)
    journal = SqlJournal(engine)
    journal.begin(INTENT)
    done = StepResult(step="s", action="a", key=INTENT.key, status=StepStatus.DONE)
    journal.finish(INTENT.key, done)
    server.stop()
    server.start()
    journal.finish(INTENT.key, done)
    assert journal.begin(INTENT).result == done
    engine.dispose()


def url_through(relay: Relay) -> str:
    return f"postgresql://postgres@127.0.0.1:{relay.port}/postgres?connect_timeout=2"


def test_an_answer_that_never_comes_ends_the_call(server: LocalPostgres) -> None:
    with relayed(server.folder / ".s.PGSQL.5432") as relay:
        engine = open_database(url_through(relay), patience=0.5)
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
            relay.silent.set()
            with pytest.raises(OperationalError, match=r"no answer within 0\.5 seconds"):
                connection.exec_driver_sql("SELECT 2")
        engine.dispose()


def test_a_network_that_falls_silent_is_not_waited_for_for_ever(server: LocalPostgres) -> None:
    with relayed(server.folder / ".s.PGSQL.5432") as relay:
        engine = open_database(url_through(relay), patience=0.5)
        relay.silent.set()
        with pytest.raises(Unavailable):
            CALLS["a row of the audit"](engine)
        engine.dispose()


def test_a_network_that_speaks_again_is_used_again(server: LocalPostgres) -> None:
    with relayed(server.folder / ".s.PGSQL.5432") as relay:
        engine = open_database(url_through(relay), patience=0.5)
        relay.silent.set()
        with pytest.raises(Unavailable):
            CALLS["the priors"](engine)
        relay.silent.clear()
        CALLS["the priors"](engine)
        engine.dispose()
