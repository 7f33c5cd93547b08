"""`aitia database` as people and scripts call it, on SQLite."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from integrations.database import connect
from integrations.store.schema import newest, versions
from workers.commands.database import app


def aitia_database(home: Path, *words: str, answer: str | None = None) -> Result:
    settings = {"AITIA_HOME": str(home), "AITIA_DATABASE_URL": None}
    return CliRunner().invoke(app, words, env=settings, input=answer)


def told(result: Result) -> Any:
    return json.loads(result.stdout)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home folder whose database is at the newest version."""
    assert aitia_database(tmp_path, "upgrade").exit_code == 0
    return tmp_path


def write(home: Path, statement: str) -> None:
    engine = connect(f"sqlite:///{home / 'aitia.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def test_an_upgrade_of_nothing_makes_the_database(tmp_path: Path) -> None:
    assert told(aitia_database(tmp_path, "upgrade", "--json"))["done"] == list(versions()[1:])


def test_the_status_names_both_versions(home: Path) -> None:
    status = told(aitia_database(home, "status", "--json"))
    assert (status["version"], status["newest"], status["pending"]) == (newest(), newest(), [])


def test_the_status_says_what_is_to_do(tmp_path: Path) -> None:
    aitia_database(tmp_path, "upgrade", "0001")
    assert "to do    0002" in aitia_database(tmp_path, "status").stdout


def test_looking_at_what_is_not_there_makes_nothing(tmp_path: Path) -> None:
    assert aitia_database(tmp_path, "status").exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_a_check_of_what_is_well_ends_with_zero(home: Path) -> None:
    assert aitia_database(home, "check").exit_code == 0


def test_a_check_of_what_differs_ends_with_one(home: Path) -> None:
    write(home, "ALTER TABLE target_lock DROP COLUMN fence")
    assert aitia_database(home, "check").exit_code == 1


def test_a_check_says_what_differs(home: Path) -> None:
    write(home, "ALTER TABLE target_lock DROP COLUMN fence")
    assert "fence" in " ".join(told(aitia_database(home, "check", "--json"))["differences"])


def test_a_check_of_an_older_version_ends_with_one(tmp_path: Path) -> None:
    aitia_database(tmp_path, "upgrade", "0001")
    assert aitia_database(tmp_path, "check").exit_code == 1


def test_a_downgrade_that_was_not_meant_changes_nothing(home: Path) -> None:
    aitia_database(home, "downgrade", "base", answer="n\n")
    assert told(aitia_database(home, "status", "--json"))["version"] == newest()


def test_a_downgrade_says_what_it_undid(home: Path) -> None:
    assert told(aitia_database(home, "downgrade", "0001", "--yes", "--json"))["undone"][-1] == "0002"


def test_a_newer_database_is_told_on_stderr(home: Path) -> None:
    write(home, "UPDATE alembic_version SET version_num = '9999'")
    refused = aitia_database(home, "upgrade")
    assert (refused.exit_code, "a newer Aitia made it" in refused.stderr) == (1, True)


def test_an_unknown_version_is_told_on_stderr(home: Path) -> None:
    refused = aitia_database(home, "upgrade", "nonsense")
    assert (refused.exit_code, "there are base, 0001" in refused.stderr) == (1, True)
