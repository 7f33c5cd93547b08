from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from playbooks.catalog import LIBRARY
from workers.commands.playbook import app


def aitia_playbook(home: Path, *words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"AITIA_HOME": str(home)})


@pytest.fixture
def typo(tmp_path: Path) -> Path:
    """A file of the library with one field misspelt."""
    text = (LIBRARY / "restart-service.yaml").read_text().replace("impact:", "impackt:")
    file = tmp_path / "typo.yaml"
    file.write_text(text)
    return file


def test_the_list_names_every_playbook_of_the_library(tmp_path: Path) -> None:
    listed = json.loads(aitia_playbook(tmp_path, "list", "--json").stdout)
    assert {each["name"] for each in listed} == {file.stem for file in LIBRARY.glob("*.yaml")}


def test_the_list_names_the_sites_own_playbooks_too(tmp_path: Path) -> None:
    own = tmp_path / "playbooks" / "own.yaml"
    own.parent.mkdir()
    own.write_text((LIBRARY / "reload-service.yaml").read_text().replace("name: reload-service", "name: own"))
    assert "own" in {line.split(" ")[0] for line in aitia_playbook(tmp_path, "list").stdout.splitlines()}


def test_a_playbook_is_shown_as_it_was_written(tmp_path: Path) -> None:
    shown = aitia_playbook(tmp_path, "show", "reload-service").stdout
    assert (LIBRARY / "reload-service.yaml").read_text().strip() in shown


def test_a_playbook_is_shown_as_it_was_understood(tmp_path: Path) -> None:
    shown = json.loads(aitia_playbook(tmp_path, "show", "reload-service", "--json").stdout)
    assert shown["playbook"]["steps"][0]["with"]["path"] == "/reload/${service}"


def test_an_unknown_playbook_ends_with_one(tmp_path: Path) -> None:
    result = aitia_playbook(tmp_path, "show", "cure-all")
    assert (result.exit_code, "no playbook is called cure-all" in result.stderr) == (1, True)


def test_a_sound_library_lints_without_a_word_on_stdout(tmp_path: Path) -> None:
    result = aitia_playbook(tmp_path, "lint")
    assert (result.exit_code, result.stdout) == (0, "")


def test_a_problem_is_one_line_with_file_line_and_column(tmp_path: Path, typo: Path) -> None:
    result = aitia_playbook(tmp_path, "lint", str(typo))
    line = next(number for number, text in enumerate(typo.read_text().splitlines(), 1) if "impackt" in text)
    assert result.exit_code == 1
    assert f"{typo}:{line}:1: impackt: unknown field; did you mean impact?" in result.stdout


def test_a_file_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    assert aitia_playbook(tmp_path, "lint", str(tmp_path / "none.yaml")).exit_code == 2


def test_a_broken_playbook_of_the_site_stops_the_list(tmp_path: Path, typo: Path) -> None:
    (tmp_path / "playbooks").mkdir()
    typo.rename(tmp_path / "playbooks" / "typo.yaml")
    result = aitia_playbook(tmp_path, "list")
    assert (result.exit_code, "impackt: unknown field" in result.stderr) == (1, True)
