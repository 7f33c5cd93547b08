"""`aitia init`: what it finds, what it writes, and that the house can read all of it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest
from temporalio.client import Client
from typer.testing import CliRunner, Result

from integrations.backends.written import read_sources
from integrations.connections import read_connections
from integrations.people import PeopleFile
from integrations.redaction import Redaction, read_redaction
from playbooks.people import read_people
from playbooks.policy import Policy, read_policy
from tests.doubles.serving import Answered, Asked, serving
from tests.doubles.telemetry_backends import JaegerDouble, running
from workers import discovery, skeletons
from workers.cli import app
from workers.settings import Settings

NOWHERE = ("--host", "127.0.0.1:9")
OURS = {"AITIA_HOME": None, "TEMPORAL_ADDRESS": "127.0.0.1:9"}
WRITTEN = {
    "settings.yaml",
    "sources.yaml",
    "people.yaml.example",
    "policy.yaml",
    "redaction.yaml",
    "connections.d/site.yaml",
}


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A working folder that is no repository, and the home beside it."""
    (tmp_path / "work").mkdir()
    with chdir(tmp_path / "work"):
        yield tmp_path / "home"


def init(home: Path, *words: str, answers: str = "", **variables: str) -> Result:
    """Run `aitia init` with a home of its own, and where nothing is found unless a host is given."""
    command = ["init", "--home", str(home), *(() if "--host" in words else NOWHERE), *words]
    return CliRunner().invoke(app, command, input=answers, env={**OURS, **variables})


def host_of(url: str) -> str:
    return url.removeprefix("http://")


def uncommented(text: str) -> str:
    """The text with every setting and every example in force."""
    return re.sub(r"^#(?=\S)", "", text, flags=re.MULTILINE)


def files_in(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}


def test_all_files_are_written(elsewhere: Path) -> None:
    init(elsewhere, "--yes")
    assert files_in(elsewhere) >= WRITTEN


def test_with_yes_nothing_is_asked(elsewhere: Path) -> None:
    assert init(elsewhere, "--yes").exit_code == 0


def test_what_is_written_leaves_every_setting_at_its_default(elsewhere: Path) -> None:
    init(elsewhere, "--yes")
    assert Settings(home=elsewhere).model_fields_set == {"home"}


def test_the_policy_that_is_written_is_the_default_one(elsewhere: Path) -> None:
    init(elsewhere, "--yes")
    assert read_policy((elsewhere / "policy.yaml").read_text(), "policy") == Policy()


def test_the_redaction_that_is_written_is_the_default_one(elsewhere: Path) -> None:
    init(elsewhere, "--yes")
    assert read_redaction(elsewhere / "redaction.yaml") == Redaction()


def test_nothing_may_be_touched_at_first(elsewhere: Path) -> None:
    init(elsewhere, "--yes")
    assert not read_connections(elsewhere / "connections.d").repositories


def test_whoever_has_the_token_may_answer_at_first(elsewhere: Path) -> None:
    init(elsewhere, "--yes")
    assert PeopleFile(elsewhere / "people.yaml").read() is None


def test_files_are_for_their_owner_alone(elsewhere: Path) -> None:
    init(elsewhere, "--yes")
    assert (elsewhere / "settings.yaml").stat().st_mode & 0o077 == 0


def test_a_file_that_is_there_is_never_overwritten(elsewhere: Path) -> None:
    elsewhere.mkdir()
    (elsewhere / "policy.yaml").write_text("autonomy: observe\n")
    init(elsewhere, "--yes")
    assert (elsewhere / "policy.yaml").read_text() == "autonomy: observe\n"


def test_running_it_twice_changes_nothing(elsewhere: Path) -> None:
    init(elsewhere, "--yes")
    before = {name: (elsewhere / name).stat().st_mtime_ns for name in WRITTEN}
    init(elsewhere, "--yes")
    assert {name: (elsewhere / name).stat().st_mtime_ns for name in WRITTEN} == before


def test_a_mistake_in_a_file_that_was_there_is_told(elsewhere: Path) -> None:
    elsewhere.mkdir()
    (elsewhere / "sources.yaml").write_text("promethus: {}\n")
    assert "did you mean prometheus" in init(elsewhere, "--yes").stderr


def test_a_home_that_can_not_be_written_ends_with_one(elsewhere: Path) -> None:
    elsewhere.write_text("a file where a folder should be")
    assert init(elsewhere, "--yes").exit_code == 1


def test_it_ends_with_three_lines_on_what_to_do_next(elsewhere: Path) -> None:
    *_, first, second, third = init(elsewhere, "--yes").stdout.splitlines()
    assert [line[:6] for line in (first, second, third)] == ["next 1", "next 2", "next 3"]


def test_a_jaeger_at_a_given_host_is_a_source(elsewhere: Path) -> None:
    with running(JaegerDouble()) as url:
        init(elsewhere, "--yes", "--host", host_of(url))
    assert [source.name for source in read_sources(elsewhere / "sources.yaml")] == ["main"]


def test_an_alertmanager_is_known_by_what_it_answers() -> None:
    def answer(asked: Asked) -> Answered:
        found = asked.path == "/api/v2/status"
        return Answered(200, {"versionInfo": {"version": "0.28.0"}}) if found else Answered(404, {})

    with serving(answer) as url:
        assert discovery.Place("alertmanager", url) in discovery.places([host_of(url)])


def test_something_that_answers_anything_is_taken_for_nothing() -> None:
    with serving(lambda _: Answered(200, b"<html>", {"Content-Type": "text/html"})) as url:
        assert discovery.places([host_of(url)]) == ()


def test_a_temporal_that_runs_is_used(elsewhere: Path, client: Client) -> None:
    address = client.service_client.config.target_host
    init(elsewhere, "--yes", TEMPORAL_ADDRESS=address)
    assert f'temporal_address: "{address}"' in (elsewhere / "settings.yaml").read_text().splitlines()


def test_hosts_are_asked_for_where_nothing_was_found(elsewhere: Path) -> None:
    with running(JaegerDouble()) as url:
        init(elsewhere, answers=f"{host_of(url)}\n\n")
    assert [source.name for source in read_sources(elsewhere / "sources.yaml")] == ["main"]


def test_the_one_who_may_approve_is_named(elsewhere: Path) -> None:
    init(elsewhere, answers="\nada\n")
    assert PeopleFile(elsewhere / "people.yaml").named().named("ada").name == "ada"


def test_a_repository_may_be_touched_once_somebody_says_so(elsewhere: Path) -> None:
    subprocess.run(["git", "init", "-b", "live", "."], check=True, capture_output=True)
    init(elsewhere, answers="\ny\n\n")
    [found] = read_connections(elsewhere / "connections.d").repositories.values()
    assert found.branch == "live"


def test_nothing_is_written_where_nobody_answers(elsewhere: Path) -> None:
    init(elsewhere)
    assert not elsewhere.exists()


def test_every_default_setting_can_be_taken_in_as_it_stands(tmp_path: Path) -> None:
    text = re.sub(r"^#?\w+_file: /run/secrets/.*$", "", skeletons.settings_text(), flags=re.MULTILINE)
    (tmp_path / "settings.yaml").write_text(uncommented(text))
    assert Settings(home=tmp_path).door_port == 4318


def test_every_setting_is_in_the_file() -> None:
    named = set(re.findall(r"^#?(\w+):", skeletons.settings_text(), flags=re.MULTILINE))
    assert {name for name in Settings.model_fields if not {name, f"{name}_file"} & named} == {"home"}


def test_every_example_of_a_source_is_sound(tmp_path: Path) -> None:
    (tmp_path / "sources.yaml").write_text(uncommented(skeletons.sources_text()))
    assert len(read_sources(tmp_path / "sources.yaml")) == 4


def test_every_example_of_the_policy_is_sound() -> None:
    assert len(read_policy(uncommented(skeletons.POLICY), "policy").rules) == 1


def test_every_example_of_redaction_is_sound(tmp_path: Path) -> None:
    (tmp_path / "redaction.yaml").write_text(uncommented(skeletons.REDACTION))
    assert read_redaction(tmp_path / "redaction.yaml").attributes


def test_the_example_of_people_is_sound() -> None:
    assert read_people(uncommented(skeletons.people_text(example=True)), "people").people


def test_every_example_of_a_connection_is_sound(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(uncommented(skeletons.connections_text(None, allowed=False)))
    assert read_connections(tmp_path).of_kind("alertmanagers")
