"""`aitia audit` as people and scripts call it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from integrations.audit import verify_file
from integrations.database import open_database
from integrations.ports import AuditEntry
from integrations.store import SqlAuditLog
from workers.commands.audit import app

ROWS = 4


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    engine = open_database(f"sqlite:///{folder / 'aitia.db'}")
    log = SqlAuditLog(engine)
    for number in range(ROWS):
        incident = f"inc-a-{number % 2}"
        log.append(
            AuditEntry(actor="gate", event="decided", summary=f"row {number}\x1b[2J", incident=incident)
        )
    engine.dispose()
    return folder


@pytest.fixture
def home(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled, tmp_path / "home"))


def aitia_audit(home: Path, *words: str | Path) -> Result:
    settings = {"AITIA_HOME": str(home), "AITIA_DATABASE_URL": None}
    return CliRunner().invoke(app, [str(word) for word in words], env=settings)


def tampered(home: Path) -> None:
    engine: Engine = open_database(f"sqlite:///{home / 'aitia.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER audit_no_update")
        connection.exec_driver_sql("UPDATE audit SET line = replace(line, 'row 2', 'row 9')")
    engine.dispose()


def exported(home: Path) -> Path:
    file = home / "audit.jsonl"
    assert aitia_audit(home, "export", file).exit_code == 0
    return file


def test_listing_shows_every_row_in_order(home: Path) -> None:
    lines = aitia_audit(home, "list").output.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3", "4"]


def test_listing_an_incident_leaves_out_the_others(home: Path) -> None:
    rows = json.loads(aitia_audit(home, "list", "--incident", "inc-a-1", "--json").output)
    assert [row["seq"] for row in rows] == [2, 4]


def test_a_limited_list_keeps_the_newest_rows(home: Path) -> None:
    rows = json.loads(aitia_audit(home, "list", "--limit", "2", "--json").output)
    assert [row["seq"] for row in rows] == [3, 4]


def test_control_sequences_of_others_never_reach_the_terminal(home: Path) -> None:
    assert "\x1b" not in aitia_audit(home, "list").output


def test_showing_a_row_tells_its_hash_and_its_facts(home: Path) -> None:
    row = json.loads(aitia_audit(home, "show", "3", "--json").output)
    shown = aitia_audit(home, "show", "3").output
    assert all(fact in shown for fact in (row["hash"], row["previous"], "row 2", "inc-a-0"))


def test_a_row_that_is_not_there_is_wrong_usage(home: Path) -> None:
    assert aitia_audit(home, "show", "99").exit_code == 2


def test_an_intact_database_verifies(home: Path) -> None:
    answer = aitia_audit(home, "verify")
    assert (answer.exit_code, answer.output.splitlines()[0]) == (0, f"intact: {ROWS} rows")


def test_a_changed_database_is_found_out(home: Path) -> None:
    tampered(home)
    answer = aitia_audit(home, "verify")
    assert (answer.exit_code, "row 3" in answer.stderr) == (1, True)


def test_a_changed_database_is_not_exported(home: Path) -> None:
    tampered(home)
    assert aitia_audit(home, "export", home / "audit.jsonl").exit_code == 1


def test_an_exported_file_verifies_to_the_same_head(home: Path) -> None:
    head = json.loads(aitia_audit(home, "verify", "--json").output)["head"]
    assert verify_file(exported(home)).head == head


def test_verifying_a_file_needs_neither_settings_nor_a_database(home: Path, tmp_path: Path) -> None:
    file = exported(home)
    (tmp_path / "settings.yaml").write_text("[: no settings")
    assert aitia_audit(tmp_path, "verify", file).exit_code == 0


def test_one_flipped_byte_of_a_file_is_named_by_its_row(home: Path) -> None:
    file = exported(home)
    file.write_bytes(file.read_bytes().replace(b"row 1", b"row 0"))
    answer = aitia_audit(home, "verify", file)
    assert (answer.exit_code, "row 2" in answer.stderr) == (1, True)


def test_a_changed_file_has_an_answer_for_machines(home: Path) -> None:
    file = exported(home)
    file.write_bytes(file.read_bytes().replace(b"row 1", b"row 0"))
    answer = json.loads(aitia_audit(home, "verify", file, "--json").stdout)
    assert (answer["intact"], answer["row"]) == (False, 2)


def test_an_anchor_that_is_in_the_chain_is_named(home: Path) -> None:
    row = json.loads(aitia_audit(home, "show", "2", "--json").output)
    assert (
        "the anchor is row 2" in aitia_audit(home, "verify", exported(home), "--anchor", row["hash"]).output
    )


def test_an_anchor_that_is_not_in_the_chain_is_a_change(home: Path) -> None:
    assert aitia_audit(home, "verify", exported(home), "--anchor", "f" * 64).exit_code == 1


@pytest.mark.parametrize("anchor", ["", "abc", "F" * 64])
def test_an_anchor_that_is_no_hash_is_wrong_usage(home: Path, anchor: str) -> None:
    assert aitia_audit(home, "verify", "--anchor", anchor).exit_code == 2


def test_a_file_that_is_not_there_is_wrong_usage(home: Path) -> None:
    assert aitia_audit(home, "verify", home / "missing.jsonl").exit_code == 2


def test_a_home_without_a_database_says_so(tmp_path: Path) -> None:
    answer = aitia_audit(tmp_path, "verify")
    assert (answer.exit_code, "no database" in answer.stderr) == (2, True)


def test_verifying_a_file_loads_no_database_library(home: Path) -> None:
    code = (
        "import sys; from workers.commands.audit import app;"
        f"app(['verify', {str(exported(home))!r}], standalone_mode=False);"
        "sys.exit('sqlalchemy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0
