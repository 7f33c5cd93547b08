import json
from pathlib import Path

import typer
from typer.testing import CliRunner

from benchmarks.command import app, main
from tests.benchmarks.made_up import case_folder


def _run(*words: str) -> tuple[int, str]:
    alone = typer.Typer()
    alone.command()(main)
    done = CliRunner().invoke(alone, list(words))
    return done.exit_code, done.output


def test_nothing_to_grade_is_wrong_usage(tmp_path: Path) -> None:
    assert _run("--root", str(tmp_path))[0] == 2


def test_an_unknown_peer_is_wrong_usage(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_001")
    code, told = _run("--root", str(tmp_path), "--compare", "gut-feeling")
    assert (code, "gut-feeling" in told) == (2, True)


def test_a_case_that_cannot_be_read_is_exit_code_one(tmp_path: Path) -> None:
    (case_folder(tmp_path, "set/case_001") / "alert.json").write_text("{")
    assert _run("--root", str(tmp_path))[0] == 1


def test_a_folder_may_be_named_without_its_option(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_001")
    code, told = _run(str(tmp_path))
    assert (code, told.split()[0]) == (0, "set")


def test_wrong_cases_are_listed_on_demand(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_007")
    told = _run("--root", str(tmp_path), "--wrong")[1]
    assert "set/case_007: truth onyx (latency); said nothing" in told


def test_figures_are_there_for_programs(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_001")
    told = json.loads(_run("--root", str(tmp_path), "--json")[1])
    first = told["sets"][0]
    assert (first["name"], first["n"], first["top1"]) == ("set", 1, 0.0)


def test_intervals_and_calibration_are_there_for_programs(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_001")
    first = json.loads(_run("--root", str(tmp_path), "--json")[1])["sets"][0]
    assert (first["top1_interval"][0], first["calibration"]["n"]) == (0.0, 1)


def test_calibration_is_told_on_demand(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_001")
    assert "set: 1 cases, Brier" in _run("--root", str(tmp_path), "--calibration")[1]


def test_sets_of_one_folder_are_told_together_too(tmp_path: Path) -> None:
    case_folder(tmp_path, "one/case_001")
    case_folder(tmp_path, "two/case_001")
    assert f"all of {tmp_path.name}" in _run("--root", str(tmp_path))[1]


def test_shortcuts_can_be_left_out(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_001")
    assert "most frequent answer" not in _run("--root", str(tmp_path), "--no-shortcuts")[1]


def test_the_page_does_not_say_where_the_sets_lay(tmp_path: Path) -> None:
    case_folder(tmp_path / "sets", "one/case_001")
    page = tmp_path / "RESULTS.md"
    _run("--root", str(tmp_path / "sets"), "--results", str(page))
    told = page.read_text()
    assert ("aitia bench --root sets" in told, str(tmp_path) in told) == (True, False)


def test_public_folders_are_graded_as_they_are(tmp_path: Path) -> None:
    case = tmp_path / "RE1-OB" / "cartservice_cpu" / "1"
    case.mkdir(parents=True)
    (case / "inject_time.txt").write_text("1700000000")
    rows = [f"{1_700_000_000 + at},{90 if at >= 0 else 10}" for at in range(-300, 300, 10)]
    (case / "data.csv").write_text("\n".join(["time,cartservice_cpu", *rows]))
    words = ("--root", str(tmp_path / "RE1-OB"), "--layout", "rcaeval", "--all")
    assert "RE1-OB/case_001: truth cartservice (cpu)" in _run(*words)[1]


def test_options_may_follow_the_folder_on_the_real_command_line(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_007")
    root = typer.Typer()
    root.add_typer(app, name="bench")
    done = CliRunner().invoke(root, ["bench", str(tmp_path), "--wrong"])
    assert "set/case_007: truth onyx" in done.output
