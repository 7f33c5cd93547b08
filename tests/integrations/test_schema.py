"""The versions of the tables: forward, backward, at once, taken over and refused, on both databases."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect

from causal.errors import NotFound, Refused
from causal.evidence import Alert
from integrations.audit import verify_rows
from integrations.database import connect, open_database
from integrations.ports import AuditEntry
from integrations.store import SqlAuditLog, SqlIncidents
from integrations.store.schema import (
    METADATA,
    NOTHING,
    differences,
    downgrade,
    newest,
    ready,
    revise,
    upgrade,
    version,
)
from tests.integrations.writers import together


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    opened = connect(database_url)
    yield opened
    opened.dispose()


def tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names())


def write(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)


def test_what_the_revisions_make_is_what_the_rows_describe(engine: Engine) -> None:
    upgrade(engine)
    assert differences(engine) == ()


def test_a_column_that_no_revision_makes_is_a_difference(engine: Engine) -> None:
    upgrade(engine)
    write(engine, "ALTER TABLE target_lock DROP COLUMN fence")
    assert [difference for difference in differences(engine) if "fence" in difference]


def test_an_upgrade_says_which_versions_it_went_through(engine: Engine) -> None:
    assert upgrade(engine)[0] == "0001"
    assert version(engine) == newest()


def test_an_upgrade_of_what_is_newest_changes_nothing(engine: Engine) -> None:
    upgrade(engine)
    assert upgrade(engine) == ()


def test_each_version_can_be_undone_and_done_again(engine: Engine) -> None:
    for step in upgrade(engine):
        downgrade(engine, NOTHING)
        upgrade(engine, step)
        assert version(engine) == step
    assert differences(engine) == ()


def test_at_the_very_beginning_no_table_is_left(engine: Engine) -> None:
    upgrade(engine)
    downgrade(engine, NOTHING)
    assert tables(engine) == {"alembic_version"}


def test_a_downgrade_says_what_it_undid(engine: Engine) -> None:
    upgrade(engine)
    assert downgrade(engine, "0001")[-1] == "0002"


def test_rows_of_older_tables_outlive_a_step_back_and_forward(engine: Engine) -> None:
    upgrade(engine)
    SqlAuditLog(engine).append(AuditEntry(actor="gate", event="decided", summary="no"))
    downgrade(engine, "0001")
    upgrade(engine)
    assert verify_rows(SqlAuditLog(engine).rows()).count == 1


def test_a_database_from_before_there_were_versions_is_taken_over(engine: Engine) -> None:
    upgrade(engine, "0001")
    SqlIncidents(engine).open_or_join(Alert(fingerprint="a", raised_at=1.0), frozenset(), 60.0)
    write(engine, "DROP TABLE alembic_version")
    write(engine, "DROP TABLE slack_message")  # it was made when it was first needed
    upgrade(engine)
    assert (differences(engine), list(SqlIncidents(engine).open())) == ((), ["inc-a-1"])


def test_a_database_of_a_newer_program_is_refused(engine: Engine, database_url: str) -> None:
    upgrade(engine)
    write(engine, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Refused, match="at version 9999, this program knows them up to"):
        open_database(database_url)


def test_a_database_of_a_newer_program_is_not_taken_back(engine: Engine) -> None:
    upgrade(engine)
    write(engine, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Refused, match="a newer Aitia made it"):
        downgrade(engine, NOTHING)


def test_who_only_reads_is_told_to_upgrade_first(engine: Engine, database_url: str) -> None:
    upgrade(engine, "0001")
    with pytest.raises(Refused, match="aitia database upgrade"):
        open_database(database_url, create=False)


def test_a_database_at_the_newest_version_is_ready(engine: Engine) -> None:
    upgrade(engine)
    ready(engine)


def test_a_version_that_nobody_knows_is_not_found(engine: Engine) -> None:
    with pytest.raises(NotFound, match="there are base, 0001"):
        upgrade(engine, "nonsense")


def test_threads_that_upgrade_at_once_go_each_way_once(database_url: str) -> None:
    engines = [connect(database_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        gone = [step for steps in threads.map(upgrade, engines) for step in steps]
    for engine in engines:
        engine.dispose()
    assert len(gone) == len(set(gone)) > 1


def test_processes_that_start_at_once_go_each_way_once(database_url: str) -> None:
    gone = [step for steps in together("upgrade", database_url, processes=3, count=1) for step in steps]
    assert len(gone) == len(set(gone)) > 1


def test_a_failed_upgrade_leaves_the_database_as_it_was(engine: Engine) -> None:
    upgrade(engine, "0001")
    write(engine, "CREATE VIEW target_lock AS SELECT 1 AS one")
    with pytest.raises(Exception, match="target_lock"):
        upgrade(engine)
    assert version(engine) == "0001"


def test_sqlite_holds_foreign_keys_again_after_an_upgrade(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    engine.dispose()


def test_every_table_has_a_name_that_sql_need_not_quote() -> None:
    assert all(name.isidentifier() and name.islower() for name in METADATA.tables)


def test_a_revision_is_not_drafted_where_nothing_differs(engine: Engine) -> None:
    upgrade(engine)
    with pytest.raises(NotFound, match="nothing differs"):
        revise(engine, "nothing")
