"""What holds between processes: real ones, that begin together on a database that is not even there yet."""

from integrations.audit import verify_rows
from integrations.database import open_database
from integrations.store import SqlAuditLog, SqlJournal
from tests.integrations.writers import together


def test_processes_that_append_at_once_write_one_chain(database_url: str) -> None:
    together("append", database_url, processes=4, count=25)
    engine = open_database(database_url)
    assert verify_rows(SqlAuditLog(engine).rows()).count == 100
    engine.dispose()


def test_of_processes_with_the_same_alert_exactly_one_opens(database_url: str) -> None:
    opened = together("open", database_url, processes=4, count=15)
    assert [sum(each) for each in zip(*opened, strict=True)] == [1] * 15


def test_of_processes_with_the_same_intent_exactly_one_begins(database_url: str) -> None:
    begun = together("begin", database_url, processes=3, count=15)
    engine = open_database(database_url)
    writers = [intent.plan for intent in SqlJournal(engine).of_incident("i")]
    engine.dispose()
    assert [sum(each) for each in zip(*begun, strict=True)] == [1] * len(writers)


def test_of_processes_that_want_a_target_exactly_one_gets_it(database_url: str) -> None:
    fences = together("acquire", database_url, processes=3, count=15)
    assert [sum(fence > 0 for fence in each) for each in zip(*fences, strict=True)] == [1] * 15


def test_processes_that_take_turns_never_see_a_fence_twice(database_url: str) -> None:
    fences = together("turns", database_url, processes=3, count=10)
    assert len({fence for each in fences for fence in each}) == 30
