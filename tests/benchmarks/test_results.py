from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from benchmarks.calibration import calibration
from benchmarks.plot import calibration_picture
from benchmarks.report import Report
from benchmarks.results import SECTIONS, SKELETON, put, quote, reasons, write
from benchmarks.run import OURS, Bench
from tests.benchmarks.made_up import grade


@pytest.fixture
def report() -> Report:
    grades = [grade(0.9, right=True), grade(0.4, right=False, case="case_002")]
    return Report(Bench(sets={"set": {OURS: grades}}), together={"folder": ["set"]})


def test_a_page_that_is_not_there_is_begun(tmp_path: Path, report: Report) -> None:
    write(tmp_path / "RESULTS.md", report, "aitia bench")
    assert "| aitia | 2 | 0.500 (0.09-0.91) |" in (tmp_path / "RESULTS.md").read_text()


def test_the_command_stands_on_the_page(tmp_path: Path, report: Report) -> None:
    write(tmp_path / "RESULTS.md", report, "aitia bench --root sets")
    assert "```\naitia bench --root sets\n```" in (tmp_path / "RESULTS.md").read_text()


def test_what_people_wrote_is_kept(tmp_path: Path, report: Report) -> None:
    page = tmp_path / "RESULTS.md"
    write(page, report, "aitia bench")
    page.write_text(page.read_text().replace("# Results", "# Results\n\nRead with care."))
    write(page, report, "aitia bench")
    assert "Read with care." in page.read_text()


def test_the_reason_of_a_wrong_case_is_kept(tmp_path: Path, report: Report) -> None:
    page = tmp_path / "RESULTS.md"
    write(page, report, "aitia bench")
    page.write_text(page.read_text().replace("not looked into yet", "its logs are missing"))
    write(page, report, "aitia bench")
    assert reasons(page.read_text()) == {"set/case_002": "its logs are missing"}


def test_measuring_again_changes_nothing_else(tmp_path: Path, report: Report) -> None:
    page = tmp_path / "RESULTS.md"
    write(page, report, "aitia bench")
    first = page.read_text()
    write(page, report, "aitia bench")
    assert page.read_text() == first


def test_sections_that_others_write_are_left_alone(tmp_path: Path, report: Report) -> None:
    page = tmp_path / "RESULTS.md"
    page.write_text(put(SKELETON, "scale", "a curve"))
    write(page, report, "aitia bench")
    assert "<!-- measured: scale -->\na curve\n<!-- end of scale -->" in page.read_text()


def test_a_page_without_marks_gets_them_at_its_end() -> None:
    assert put("# Mine\n", "table", "1") == "# Mine\n\n<!-- measured: table -->\n1\n<!-- end of table -->\n"


@pytest.mark.parametrize("name", SECTIONS)
def test_a_new_page_has_every_section(name: str) -> None:
    assert f"<!-- measured: {name} -->\n<!-- end of {name} -->" in SKELETON


def _quoted(page: Path, told: str) -> int:
    app = typer.Typer()
    app.command()(quote)
    words = ["scale", str(page), "--command", "measure"]
    return CliRunner().invoke(app, words, input=told).exit_code


def test_what_another_program_prints_is_quoted(tmp_path: Path) -> None:
    _quoted(tmp_path / "RESULTS.md", "10 services  0.1 s\n")
    told = (tmp_path / "RESULTS.md").read_text()
    assert "<!-- measured: scale -->\n```\n$ measure\n10 services  0.1 s\n```\n<!-- end" in told


def test_a_program_that_printed_nothing_leaves_the_page_alone(tmp_path: Path) -> None:
    page = tmp_path / "RESULTS.md"
    page.write_text(SKELETON)
    assert (_quoted(page, ""), page.read_text()) == (1, SKELETON)


def test_a_picture_is_named_from_where_the_page_lies(tmp_path: Path, report: Report) -> None:
    write(tmp_path / "RESULTS.md", report, "aitia bench", tmp_path / "pictures" / "calibration.svg")
    assert "](pictures/calibration.svg)" in (tmp_path / "RESULTS.md").read_text()


def test_the_same_figures_give_the_same_picture(tmp_path: Path) -> None:
    judged = {"set": calibration([grade(0.9, right=True), grade(0.4, right=False)])}
    for name in ("one.svg", "two.svg"):
        calibration_picture(judged, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_the_picture_says_what_it_shows(tmp_path: Path) -> None:
    calibration_picture({"set": calibration([grade(0.9, right=True)])}, tmp_path / "new" / "one.svg")
    assert "Risk against coverage" in (tmp_path / "new" / "one.svg").read_text()
