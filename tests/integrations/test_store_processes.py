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
