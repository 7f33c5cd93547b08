"""Retention: what is cut goes to an archive first, and the log proves which rows they were."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from causal.errors import Refused, Tampered
from integrations.audit import verify_rows
from integrations.audit_chain import Head, Heads
from integrations.audit_file import export_rows, verify_file, verify_files
from integrations.database import open_database
from integrations.memory import MemoryAuditLog
from integrations.ports import AuditEntry, AuditLog
from integrations.retention import cuttable, retain
from integrations.store import SqlAuditLog
from tests.integrations.writers import together

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def daily() -> Callable[[], datetime]:
    """A clock on which each row is a day younger than the one before: row n is of the nth of January."""
    days = iter(BEGAN + timedelta(days=day) for day in range(1000))
    return lambda: next(days)


def filled(log: AuditLog, rows: int = 10) -> AuditLog:
    for number in range(rows):
        log.append(AuditEntry(actor="gate", event="decided", summary=f"row {number}"))
    return log


@pytest.fixture
def log() -> AuditLog:
    return filled(MemoryAuditLog(daily()))


def january(day: int) -> datetime:
    return datetime(2026, 1, day, tzinfo=UTC)


def test_only_rows_that_are_older_would_be_cut(log: AuditLog) -> None:
    found = cuttable(log, january(5))
    assert (found.first, found.last, found.count) == (1, 4, 4)


def test_nothing_would_be_cut_where_nothing_is_older(log: AuditLog) -> None:
    assert cuttable(log, january(1)).count == 0


def test_saying_what_would_be_cut_cuts_nothing(log: AuditLog) -> None:
    cuttable(log, january(5))
    assert verify_rows(log.rows()).first == 1


def test_an_archive_verifies_alone(log: AuditLog, tmp_path: Path) -> None:
    retain(log, january(5), tmp_path / "1.jsonl", "ops")
    assert (verify_file(tmp_path / "1.jsonl").first, verify_file(tmp_path / "1.jsonl").last) == (1, 4)


def test_a_later_archive_verifies_alone_too(log: AuditLog, tmp_path: Path) -> None:
    retain(log, january(3), tmp_path / "1.jsonl", "ops")
    retain(log, january(6), tmp_path / "2.jsonl", "ops")
    assert (verify_file(tmp_path / "2.jsonl").first, verify_file(tmp_path / "2.jsonl").proof) == (3, 11)


def test_what_is_left_exports_and_verifies_by_the_row_that_tells_of_the_cut(
    log: AuditLog, tmp_path: Path
) -> None:
    retain(log, january(5), tmp_path / "1.jsonl", "ops")
    export_rows(log.rows(), tmp_path / "rest.jsonl")
    done = verify_file(tmp_path / "rest.jsonl")
    assert (done.first, done.last, done.proof) == (5, 11, 11)


def archives(log: AuditLog, folder: Path) -> list[Path]:
    retain(log, january(3), folder / "1.jsonl", "ops")
    retain(log, january(6), folder / "2.jsonl", "ops")
    export_rows(log.rows(), folder / "rest.jsonl")
    return [folder / name for name in ("1.jsonl", "2.jsonl", "rest.jsonl")]


def test_archives_and_the_rest_are_the_whole_chain_again(log: AuditLog, tmp_path: Path) -> None:
    done = verify_files(archives(log, tmp_path))
    assert (done.first, done.last, done.proof) == (1, 12, None)


def test_a_missing_archive_in_between_is_found(log: AuditLog, tmp_path: Path) -> None:
    first, _, rest = archives(log, tmp_path)
    with pytest.raises(Tampered, match="row 3"):
        verify_files([first, rest])


def test_an_archive_that_was_put_together_anew_is_not_the_one_that_was_cut(
    log: AuditLog, tmp_path: Path
) -> None:
    first, second, rest = archives(log, tmp_path)
    rows = second.read_bytes().splitlines(keepends=True)
    footer, _ = rows[-1].split(b',"proof":')
    second.write_bytes(b"".join(rows[:-1]) + footer + b"}\n")
    with pytest.raises(Tampered, match="not the archive"):
        verify_files([first, second, rest])


def test_more_rows_gone_than_the_log_tells_of_are_found(log: AuditLog, tmp_path: Path) -> None:
    retain(log, january(5), tmp_path / "1.jsonl", "ops")
    with pytest.raises(Tampered, match="nothing in it proves"):
        verify_rows(list(log.rows())[1:])


def test_an_anchor_for_the_last_row_that_was_cut_proves_the_beginning(log: AuditLog, tmp_path: Path) -> None:
    fourth = list(log.rows())[3]
    retain(log, january(5), tmp_path / "1.jsonl", "ops")
    kept = [row for row in log.rows() if row.entry.event != "audit.cut"]
    heads = Heads.of([Head(count=4, head=fourth.hash)])
    assert verify_rows(kept, heads).first == 5


def test_an_archive_is_never_overwritten(log: AuditLog, tmp_path: Path) -> None:
    (tmp_path / "1.jsonl").write_text("something else")
    with pytest.raises(Refused):
        retain(log, january(5), tmp_path / "1.jsonl", "ops")
    assert verify_rows(log.rows()).first == 1


def test_a_log_that_was_changed_is_not_cut(tmp_path: Path) -> None:
    memory = MemoryAuditLog(daily())
    filled(memory)
    del memory._rows[5]
    with pytest.raises(Tampered):
        retain(memory, january(5), tmp_path / "1.jsonl", "ops")
    assert list(tmp_path.iterdir()) == []


def test_the_row_that_tells_of_a_cut_names_who_did_it(log: AuditLog, tmp_path: Path) -> None:
    row = retain(log, january(5), tmp_path / "1.jsonl", "ops")
    assert row is not None
    assert (row.entry.actor, row.entry.facts["last"]) == ("ops", 4)


@pytest.fixture
def engine(database_url: str) -> Engine:
    return open_database(database_url)


@pytest.mark.parametrize("statement", ["DELETE FROM audit", "UPDATE audit SET incident = 'x'"])
def test_a_database_refuses_changes_again_after_a_cut(engine: Engine, tmp_path: Path, statement: str) -> None:
    log = filled(SqlAuditLog(engine, daily()))
    retain(log, january(5), tmp_path / "1.jsonl", "ops")
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def test_a_database_has_the_same_rows_left_as_its_twin(engine: Engine, tmp_path: Path) -> None:
    log = filled(SqlAuditLog(engine, daily()))
    retain(log, january(5), tmp_path / "1.jsonl", "ops")
    assert (verify_rows(log.rows()).first, verify_rows(log.rows()).last) == (5, 11)
    engine.dispose()


def test_processes_that_append_while_rows_are_cut_write_one_chain(database_url: str, tmp_path: Path) -> None:
    engine = open_database(database_url)
    log = filled(SqlAuditLog(engine, daily()))
    with ThreadPoolExecutor(1) as thread:
        written = thread.submit(together, "append", database_url, processes=3, count=20)
        for day in (3, 5, 7):
            retain(log, january(day), tmp_path / f"{day}.jsonl", "ops")
        written.result()
    assert (verify_rows(log.rows()).first, verify_rows(log.rows()).last) == (7, 73)
    engine.dispose()
