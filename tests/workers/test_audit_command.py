"""`aitia audit` as people and scripts call it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from benchmarks.audit_story import story
from benchmarks.tamper import CAREFUL, Tampering, sound
from integrations.audit_file import export_rows, verify_file
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


# What the rows say, beyond that they add up


def exported_story(folder: Path, rows: int = 26) -> Path:
    export_rows(story(rows), folder / "story.jsonl")
    return folder / "story.jsonl"


def test_decisions_are_made_again_and_counted(tmp_path: Path) -> None:
    answer = aitia_audit(tmp_path, "verify", exported_story(tmp_path))
    assert "4 of 4 made again from the record" in answer.output


def test_without_an_anchor_it_says_what_cannot_be_found(tmp_path: Path) -> None:
    answer = aitia_audit(tmp_path, "verify", exported_story(tmp_path))
    assert "the footer's own count alone" in answer.output


@pytest.mark.parametrize("tampering", [each for each in CAREFUL if each.found_by in {"decision", "step"}])
def test_a_finding_is_named_and_ends_with_one(tmp_path: Path, tampering: Tampering) -> None:
    file = tmp_path / "tampered.jsonl"
    file.write_bytes(b"".join(tampering.do(sound())))
    answer = aitia_audit(tmp_path, "verify", file)
    assert (answer.exit_code, "FINDING row" in answer.output) == (1, True)


def test_findings_have_an_answer_for_machines(tmp_path: Path) -> None:
    file = tmp_path / "tampered.jsonl"
    file.write_bytes(b"".join(CAREFUL[0].do(sound())))
    told = json.loads(aitia_audit(tmp_path, "verify", file, "--json").stdout)
    assert (told["intact"], told["sound"], told["findings"][0]["row"]) == (True, False, 7)


# Anchors


def settings_with_anchor(home: Path) -> Path:
    heads = home / "elsewhere.jsonl"
    (home / "settings.yaml").write_text(f"audit_anchors: ['file:{heads}']\n")
    return heads


def test_the_head_is_handed_to_the_anchors_of_the_settings(home: Path) -> None:
    heads = settings_with_anchor(home)
    answer = aitia_audit(home, "anchor")
    assert (answer.exit_code, len(heads.read_text().splitlines())) == (0, 1)


def test_a_head_that_the_anchors_have_is_not_handed_out_again(home: Path) -> None:
    settings_with_anchor(home)
    aitia_audit(home, "anchor")
    assert "have the head already" in aitia_audit(home, "anchor").output


def test_handing_out_a_head_without_anchors_is_wrong_usage(home: Path) -> None:
    assert aitia_audit(home, "anchor").exit_code == 2


def test_an_anchor_that_does_not_take_the_head_ends_with_one(home: Path) -> None:
    (home / "settings.yaml").write_text("audit_anchors: file:/nowhere/heads.jsonl\n")
    assert aitia_audit(home, "anchor").exit_code == 1


def test_a_cut_tail_is_found_by_the_file_of_heads(home: Path, tmp_path: Path) -> None:
    heads = settings_with_anchor(home)
    aitia_audit(home, "anchor")
    rows = exported(home).read_bytes().splitlines(keepends=True)[:2]
    footer = {"count": 2, "head": json.loads(rows[-1])["hash"]}
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(b"".join(rows) + json.dumps(footer, separators=(",", ":")).encode() + b"\n")
    codes = [aitia_audit(home, "verify", cut, *more).exit_code for more in ((), ("--anchor", heads))]
    assert codes == [0, 1]


def test_an_older_export_verifies_as_of_when_it_was_made(home: Path) -> None:
    file, heads = exported(home), settings_with_anchor(home)
    aitia_audit(home, "anchor")
    engine: Engine = open_database(f"sqlite:///{home / 'aitia.db'}")
    SqlAuditLog(engine).append(AuditEntry(actor="gate", event="decided", summary="later"))
    engine.dispose()
    aitia_audit(home, "anchor")
    codes = [
        aitia_audit(home, "verify", file, "--anchor", heads, *more).exit_code
        for more in ((), ("--as-of", "2020-01-01"))
    ]
    assert codes == [1, 0]


# Excerpts and retention


def test_one_incident_s_rows_are_exported_to_be_read(home: Path) -> None:
    file = home / "one.jsonl"
    aitia_audit(home, "export", file, "--incident", "inc-a-1")
    assert [json.loads(line)["seq"] for line in file.read_text().splitlines()] == [2, 4]


def test_an_excerpt_does_not_pass_for_a_log(home: Path) -> None:
    aitia_audit(home, "export", home / "one.jsonl", "--incident", "inc-a-1")
    assert aitia_audit(home, "verify", home / "one.jsonl").exit_code == 1


def test_retention_says_what_it_would_do_and_does_nothing(home: Path) -> None:
    answer = aitia_audit(home, "retain", "--older-than", "1ms")
    assert ("would move 4 rows" in answer.output, count_of(home)) == (True, 4)


def test_retention_moves_rows_to_an_archive_and_says_so_in_the_log(home: Path) -> None:
    aitia_audit(home, "retain", "--older-than", "1ms", "--yes", "--archive", home / "old.jsonl")
    assert (verify_file(home / "old.jsonl").count, count_of(home)) == (4, 1)


def test_archive_and_the_rest_verify_as_the_whole_log(home: Path) -> None:
    aitia_audit(home, "retain", "--older-than", "1ms", "--yes", "--archive", home / "old.jsonl")
    rest = exported(home)
    codes = [
        aitia_audit(home, "verify", *files, "--whole").exit_code
        for files in ((rest,), (home / "old.jsonl", rest))
    ]
    assert codes == [1, 0]


def test_an_archive_goes_to_the_home_folder_by_itself(home: Path) -> None:
    aitia_audit(home, "retain", "--older-than", "1ms", "--yes")
    assert verify_file(home / "audit" / "rows-1-4.jsonl").count == 4


@pytest.mark.parametrize("age", ["soon", "-1d", "400"])
def test_an_age_that_is_none_is_wrong_usage(home: Path, age: str) -> None:
    assert aitia_audit(home, "retain", "--older-than", age).exit_code == 2


def test_nothing_is_cut_where_nothing_is_that_old(home: Path) -> None:
    assert "nothing to cut" in aitia_audit(home, "retain", "--older-than", "400d", "--yes").output


def count_of(home: Path) -> int:
    return int(json.loads(aitia_audit(home, "verify", "--json").output)["count"])
