from __future__ import annotations

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from causal.evidence import Demotion, Fault, Lesson
from integrations.database import open_database
from integrations.store import SqlIncidents, SqlPriorStore
from playbooks.catalog import LIBRARY
from playbooks.remedy import AttemptStatus
from playbooks.schema import FILE
from tests.playbooks import made_up
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


def written(home: Path, name: str, text: str) -> Path:
    """A playbook of the site's own."""
    file = home / "playbooks" / f"{name}.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return file


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A home with one repository, whose configuration of the cart broke it, and an incident about that."""
    work = tmp_path / "config"
    (work / "services").mkdir(parents=True)
    (work / "services" / "cart.yaml").write_text("pool: 2\n")
    (tmp_path / "connections.d").mkdir()
    connections = {
        "environment": "staging",
        "repositories": {"shop-config": {"path": str(work), "services": "services/{service}.yaml"}},
        "http": {"shop-admin": {"base_url": "http://127.0.0.1:9"}},
    }
    with (tmp_path / "connections.d" / "shop.yaml").open("w") as file:
        YAML(typ="safe").dump(connections, file)
    engine = open_database(f"sqlite:///{tmp_path / 'aitia.db'}")
    incidents = SqlIncidents(engine)
    opened = incidents.open_or_join(made_up.alert(), frozenset(), 60.0)
    attempt = made_up.attempt(AttemptStatus.RECOVERED)
    incidents.put(made_up.ticket("recovered", id=opened.incident, attempts=(attempt,)))
    SqlPriorStore(engine).learn(
        Lesson(
            incident=opened.incident, playbook="revert-config-change", fault=Fault.CONFIG_CHANGE, worked=True
        )
    )
    engine.dispose()
    return tmp_path


POST_ONLY = """\
name: post-only
description: Posts.
cures: [{fault: config_change}]
impact: low
parameters: {service: {from: $cause.service}, admin: {from: $service.admin}}
steps:
  - {id: post, action: http.request, with: {connection: $admin, method: POST, path: "/reload/${service}"}}
verify: {recovered_when: {within: 5m, quiet_for: 20s}}
"""


def test_the_schema_that_is_printed_is_the_committed_one(tmp_path: Path) -> None:
    assert aitia_playbook(tmp_path, "schema").stdout == FILE.read_text(encoding="utf-8")


def test_problems_are_told_as_json_too(tmp_path: Path, typo: Path) -> None:
    result = aitia_playbook(tmp_path, "lint", "--json", str(typo))
    told = {(problem["path"], problem["severity"]) for problem in json.loads(result.stdout)["problems"]}
    assert (result.exit_code, ("impackt", "error") in told) == (1, True)


def test_a_connection_that_the_site_has_not_is_a_problem(site: Path) -> None:
    text = POST_ONLY.replace("connection: $admin", "connection: shop-amdin").replace(
        ", admin: {from: $service.admin}", ""
    )
    result = aitia_playbook(site, "lint", str(written(site, "post-only", text)))
    assert (result.exit_code, "did you mean shop-admin?" in result.stdout) == (1, True)


@pytest.mark.parametrize(("strict", "code"), [((), 0), (("--strict",), 1)])
def test_a_warning_counts_only_where_that_is_asked_for(
    tmp_path: Path, strict: tuple[str, ...], code: int
) -> None:
    file = written(tmp_path, "post-only", POST_ONLY + "limits: {per_service_cooldown: 1m}\n")
    result = aitia_playbook(tmp_path, "lint", *strict, str(file))
    assert (result.exit_code, "warning: limits.per_service_cooldown" in result.stdout) == (code, True)


def test_a_new_playbook_lints_clean_and_has_its_schema_beside_it(tmp_path: Path) -> None:
    made = aitia_playbook(tmp_path, "new", "mine", "--fault", "config_change")
    assert made.exit_code == aitia_playbook(tmp_path, "lint", made.stdout.strip()).exit_code == 0
    assert (tmp_path / "playbooks" / "playbook.schema.json").read_text() == FILE.read_text()


def test_a_draft_lies_where_nothing_reads_it(tmp_path: Path) -> None:
    made = aitia_playbook(tmp_path, "new", "mine", "--action", "http.request")
    assert made.stdout.startswith(str(tmp_path / "playbooks" / "drafts" / "mine.yaml"))
    assert "is still to be filled in" in made.stdout


def test_a_new_playbook_never_replaces_a_file(tmp_path: Path) -> None:
    file = written(tmp_path, "mine", POST_ONLY)
    result = aitia_playbook(tmp_path, "new", "mine")
    assert (result.exit_code, file.read_text()) == (1, POST_ONLY)


@pytest.mark.parametrize(
    "words", [("new", "Mine!"), ("new", "mine", "--action", "git.rewert"), ("test",), ("plan", "x")]
)
def test_what_can_not_be_meant_is_wrong_usage(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert aitia_playbook(tmp_path, *words).exit_code == 2


def test_a_plan_is_shown_with_the_gates_answer_and_its_preview(site: Path) -> None:
    written(site, "post-only", POST_ONLY)
    result = aitia_playbook(site, "plan", "post-only", "--incident", incident_of(site), "--json")
    (planned,) = json.loads(result.stdout)["plans"]
    assert planned["plan"]["steps"][0]["preview"].startswith("POST http://127.0.0.1:9/reload/cart")
    assert (planned["decision"]["verdict"], planned["plan"]["environment"]) == ("ask", "staging")


def test_a_plan_for_people_ends_by_saying_that_nothing_was_done(site: Path) -> None:
    written(site, "post-only", POST_ONLY)
    shown = aitia_playbook(site, "plan", "post-only", "--incident", incident_of(site)).stdout
    assert shown.endswith("Nothing was changed, and nobody was asked.\n")


def test_a_plan_changes_nothing_in_the_home(site: Path) -> None:
    written(site, "post-only", POST_ONLY)
    before = {
        path: path.stat().st_mtime_ns for path in site.rglob("*") if not path.name.startswith("aitia.db")
    }
    aitia_playbook(site, "plan", "post-only", "--incident", incident_of(site))
    after = {
        path: path.stat().st_mtime_ns for path in site.rglob("*") if not path.name.startswith("aitia.db")
    }
    assert after == before


def test_a_playbook_that_does_not_apply_says_why(site: Path) -> None:
    result = aitia_playbook(site, "plan", "scale-out", "--incident", incident_of(site))
    assert (result.exit_code, "scale-out is for traffic" in result.stdout) == (1, True)


def test_a_look_up_that_is_not_known_is_told_as_the_reason(site: Path) -> None:
    result = aitia_playbook(site, "plan", "revert-config-and-restart", "--incident", incident_of(site))
    assert (result.exit_code, "parameter process has no value" in result.stdout) == (1, True)


def test_a_service_that_nobody_blames_is_named(site: Path) -> None:
    result = aitia_playbook(site, "plan", "scale-out", "--incident", incident_of(site), "--service", "ledger")
    assert (result.exit_code, "no hypothesis blames ledger" in result.stderr) == (1, True)


def test_a_playbook_is_rehearsed_without_a_server(tmp_path: Path) -> None:
    result = aitia_playbook(tmp_path, "test", "reload-service", "--json")
    (found,) = json.loads(result.stdout)
    assert (result.exit_code, found["holds"], {scene["step"] for scene in found["scenes"]}) == (
        0,
        True,
        {"all", "reload"},
    )


def test_a_playbook_that_nothing_made_up_fits_is_not_called_sound(tmp_path: Path) -> None:
    written(tmp_path, "post-only", POST_ONLY.replace("$cause.service}", '$cause.service, pattern: "(?=b)a"}'))
    result = aitia_playbook(tmp_path, "test", "post-only")
    assert (result.exit_code, "rehearse it with --case" in result.stdout) == (1, True)


def test_the_history_counts_runs_and_gives_an_interval(site: Path) -> None:
    (found,) = json.loads(aitia_playbook(site, "history", "revert-config-change", "--json").stdout)
    (standing,) = found["standing"]
    assert standing["successes"] == pytest.approx(1.0)
    assert standing["floor"] < standing["mean"] < standing["ceiling"]


def test_the_history_shows_how_runs_ended_and_who_approved_them(site: Path) -> None:
    (found,) = json.loads(aitia_playbook(site, "history", "revert-config-change", "--json").stdout)
    assert [(run["status"], run["approved_by"], run["service"]) for run in found["runs"]] == [
        ("recovered", ["bob"], "cart")
    ]


def test_the_history_names_the_level_in_force_in_each_environment(site: Path) -> None:
    (site / "policy.yaml").write_text(
        "rules: [{playbook: 'reload-*', environment: staging, autonomy: auto}]\n"
    )
    (found,) = json.loads(aitia_playbook(site, "history", "reload-service", "--json").stdout)
    assert [(level["environment"], level["autonomy"]) for level in found["levels"]] == [("staging", "auto")]


def test_a_level_that_was_withdrawn_is_not_the_one_in_force(site: Path) -> None:
    (site / "policy.yaml").write_text("autonomy: auto\n")
    engine = open_database(f"sqlite:///{site / 'aitia.db'}")
    demotion = Demotion(playbook="reload-service", because="it helps less than told", at=1.0)
    SqlPriorStore(engine).learn(Lesson(incident="", plan="d", at=1.0, demotion=demotion))
    engine.dispose()
    shown = aitia_playbook(site, "history", "reload-service").stdout
    assert "autonomy approve in staging, any service, not auto: it helps less than told" in shown


def test_a_site_without_a_database_has_an_empty_history(tmp_path: Path) -> None:
    shown = aitia_playbook(tmp_path, "history").stdout
    assert shown.count("no runs on record") == len(list(LIBRARY.glob("*.yaml")))
    assert not (tmp_path / "aitia.db").exists()


def incident_of(home: Path) -> str:
    engine = open_database(f"sqlite:///{home / 'aitia.db'}", create=False)
    try:
        return SqlIncidents(engine).all()[0].id
    finally:
        engine.dispose()
