"""Opening databases, and what they refuse."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from causal.errors import Malformed, MalformedSettings, NotFound, Tampered, Unavailable
from causal.evidence import Alert
from integrations.audit import verify_rows
from integrations.audit_chain import Heads
from integrations.database import open_database
from integrations.ports import AuditEntry
from integrations.store import SqlAuditLog, SqlIncidents
from tests.integrations.conftest import new_database


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    opened = open_database(database_url)
    yield opened
    opened.dispose()


def write(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)


def append(engine: Engine, rows: int) -> SqlAuditLog:
    log = SqlAuditLog(engine)
    for number in range(rows):
        log.append(AuditEntry(actor="gate", event="decided", summary=f"row {number}", incident="i"))
    return log


@pytest.mark.parametrize("statement", ["UPDATE audit SET line = 'x'", "DELETE FROM audit WHERE seq = 2"])
def test_the_database_itself_refuses_to_change_rows(engine: Engine, statement: str) -> None:
    append(engine, 2)
    with pytest.raises(DBAPIError, match="append-only"):
        write(engine, statement)


def test_sqlite_refuses_to_replace_a_row(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    append(engine, 2)
    with pytest.raises(DBAPIError, match="append-only"):
        write(engine, "INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE seq = 2")
    engine.dispose()


def test_postgresql_refuses_to_empty_the_table(postgres: str) -> None:
    engine = open_database(new_database(postgres))
    append(engine, 1)
    with pytest.raises(DBAPIError, match="append-only"):
        write(engine, "TRUNCATE audit")
    engine.dispose()


TRIGGERS_OFF = {
    "sqlite": (
        "DROP TRIGGER audit_no_update",
        "DROP TRIGGER audit_no_delete",
        "DROP TRIGGER audit_no_replace",
    ),
    "postgresql": ("DROP TRIGGER audit_append_only ON audit",),
}


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        ("UPDATE audit SET line = replace(line, 'row 1', 'row 7') WHERE seq = 2", 2),
        ("UPDATE audit SET incident = 'elsewhere' WHERE seq = 2", 2),
        ("UPDATE audit SET line = 'nonsense' WHERE seq = 3", 3),
        ("DELETE FROM audit WHERE seq = 2", 2),
        ("DELETE FROM audit WHERE seq = 1", 1),
        ("UPDATE audit SET seq = 0 WHERE seq = 1", 0),
    ],
)
def test_an_owner_who_drops_the_triggers_is_found_out(engine: Engine, statement: str, row: int) -> None:
    log = append(engine, 4)
    for trigger in TRIGGERS_OFF[engine.dialect.name]:
        write(engine, trigger)
    write(engine, statement)
    with pytest.raises(Tampered) as found:
        verify_rows(log.rows())
    assert found.value.row == row


def test_a_tail_cut_in_the_database_is_found_by_an_anchor(engine: Engine) -> None:
    log = append(engine, 3)
    head = verify_rows(log.rows()).head
    for trigger in TRIGGERS_OFF[engine.dialect.name]:
        write(engine, trigger)
    write(engine, "DELETE FROM audit WHERE seq = 3")
    with pytest.raises(Tampered):
        verify_rows(log.rows(), Heads(frozenset({head})))


def test_what_was_written_is_there_after_opening_again(database_url: str) -> None:
    first = open_database(database_url)
    SqlIncidents(first).open_or_join(Alert(fingerprint="a", raised_at=1.0), frozenset(), 60.0)
    first.dispose()
    second = open_database(database_url)
    assert list(SqlIncidents(second).open()) == ["inc-a-1"]
    second.dispose()


def test_sqlite_keeps_a_write_ahead_log(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    engine.dispose()


def test_a_reader_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.begin():
        assert SqlIncidents(engine).all() == ()
    engine.dispose()


def test_a_text_that_postgresql_cannot_hold_is_malformed(postgres: str) -> None:
    engine = open_database(new_database(postgres))
    with pytest.raises(Malformed):
        SqlIncidents(engine).open_or_join(Alert(fingerprint="a\x00b", raised_at=1.0), frozenset(), 60.0)
    engine.dispose()


def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"something else entirely, and long enough to be looked at" * 20)
    with pytest.raises(Unavailable):
        open_database(f"sqlite:///{tmp_path / 'a.db'}")


def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        open_database(f"postgresql://nobody:hunter2@/none?host={tmp_path}")


def test_no_error_repeats_the_password_of_the_database(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as refused:
        open_database(f"postgresql://nobody:hunter2@/none?host={tmp_path}")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("url", ["", "no url", "mysql://host/name", "sqlite://", "sqlite:///:memory:"])
def test_a_url_that_no_database_has_is_malformed(url: str) -> None:
    with pytest.raises(MalformedSettings):
        open_database(url)


def test_a_database_that_must_exist_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        open_database(f"sqlite:///{tmp_path / 'a.db'}", create=False)
    assert list(tmp_path.iterdir()) == []
