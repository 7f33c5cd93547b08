"""Settings: where they come from, what a mistake in them is told, and the token."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from causal.errors import MalformedSettings
from workers.settings import Settings, read_settings

OURS = {"AITIA_HOME": None, "AITIA_DOOR_PORT": None, "AITIA_DATABASE_URL": None, "TEMPORAL_ADDRESS": None}


@contextmanager
def environment(home: Path | str | None, **variables: str) -> Iterator[None]:
    """The environment of a command: a home folder and variables, and none of those around the tests."""
    own = {**OURS, "AITIA_HOME": None if home is None else str(home), **variables}
    with CliRunner().isolation(env=own):
        yield


def settings_of(home: Path | str | None, written: str = "", **variables: str) -> Settings:
    """The settings in force with a settings.yaml in a home folder, and environment variables."""
    if written and home is not None:
        (Path(home) / "settings.yaml").write_text(written)
    with environment(home, **variables):
        return read_settings()


def mistake(home: Path, written: str = "", **variables: str) -> str:
    """What is said about wrong settings."""
    with pytest.raises(MalformedSettings) as told:
        settings_of(home, written, **variables)
    return str(told.value)


def test_a_setting_that_nobody_set_has_its_default(tmp_path: Path) -> None:
    assert settings_of(tmp_path).door_port == 4318


def test_the_file_comes_before_the_default(tmp_path: Path) -> None:
    assert settings_of(tmp_path, "door_port: 1234").door_port == 1234


def test_the_environment_comes_before_the_file(tmp_path: Path) -> None:
    assert settings_of(tmp_path, "door_port: 1234", AITIA_DOOR_PORT="99").door_port == 99


def test_an_empty_variable_is_as_good_as_none(tmp_path: Path) -> None:
    assert settings_of(tmp_path, "door_port: 1234", AITIA_DOOR_PORT="").door_port == 1234


def test_an_empty_home_variable_means_the_users_data_folder(tmp_path: Path) -> None:
    assert settings_of("", XDG_DATA_HOME=str(tmp_path)).home == tmp_path / "aitia"


def test_the_home_may_be_written_with_a_tilde(tmp_path: Path) -> None:
    assert settings_of("~/state", HOME=str(tmp_path)).home == tmp_path / "state"


def test_the_file_of_a_home_with_a_tilde_is_read(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("door_port: 1234")
    assert settings_of("~", HOME=str(tmp_path)).door_port == 1234


def test_a_home_that_is_given_has_its_own_file_read(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("door_port: 1234")
    with environment(None, HOME="/nowhere"):
        assert Settings(home=tmp_path).door_port == 1234


@pytest.mark.parametrize(
    ("written", "name", "value"),
    [
        ("database: sqlite:////d.db", "database", "sqlite:////d.db"),
        ("temporal_address: there:7233", "temporal_address", "there:7233"),
        ("temporal_namespace: shop", "temporal_namespace", "shop"),
    ],
)
def test_a_setting_with_a_variable_of_another_name_is_read_from_the_file(
    tmp_path: Path, written: str, name: str, value: str
) -> None:
    assert getattr(settings_of(tmp_path, written), name) == value


def test_an_unknown_name_in_the_file_is_a_mistake_with_file_and_name(tmp_path: Path) -> None:
    assert f"{tmp_path}/settings.yaml: colour: unknown setting" in mistake(tmp_path, "colour: blue")


def test_a_misspelt_name_in_the_file_gets_the_nearest_known_one(tmp_path: Path) -> None:
    assert "did you mean door_port?" in mistake(tmp_path, "door_prot: 1")


def test_a_home_cannot_be_set_in_its_own_file(tmp_path: Path) -> None:
    assert "set AITIA_HOME" in mistake(tmp_path, "home: /elsewhere")


@pytest.mark.parametrize("written", ["- a list", "{", "door_port: 1\ndoor_port: 2", "\xff"])
def test_a_file_that_is_no_mapping_is_a_mistake_with_its_name(tmp_path: Path, written: str) -> None:
    (tmp_path / "settings.yaml").write_bytes(written.encode("latin-1"))
    assert "settings.yaml" in mistake(tmp_path)


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    assert settings_of(tmp_path, "# nothing yet\n").door_port == 4318


@pytest.mark.parametrize("variables", [{"AITIA_DOOR_PORT": "high"}, {"AITIA_DOOR_PORT": "70000"}])
def test_a_wrong_variable_is_named(tmp_path: Path, variables: dict[str, str]) -> None:
    assert "setting door_port" in mistake(tmp_path, **variables)


def test_a_wrong_value_in_the_file_is_named(tmp_path: Path) -> None:
    assert "setting look_back" in mistake(tmp_path, "look_back: -1")


def test_a_secret_is_not_repeated_in_a_mistake(tmp_path: Path) -> None:
    assert "xoxb-secret" not in mistake(tmp_path, "slack_token: [xoxb-secret]")


def test_the_token_is_made_once(tmp_path: Path) -> None:
    assert settings_of(tmp_path).token() == settings_of(tmp_path).token()


def test_the_token_is_for_its_owner_alone(tmp_path: Path) -> None:
    settings_of(tmp_path / "new").token()
    assert (tmp_path / "new" / "token").stat().st_mode & 0o777 == 0o600


def test_making_a_token_leaves_nothing_beside_it(tmp_path: Path) -> None:
    settings_of(tmp_path).token()
    assert [file.name for file in tmp_path.iterdir()] == ["token"]


def test_a_token_that_somebody_chose_stands(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("chosen\n")
    assert settings_of(tmp_path).token() == "chosen"


@pytest.mark.parametrize("written", ["", " \n", "two words", "two\nlines", "schlüssel"])
def test_a_token_that_no_header_can_carry_is_refused(tmp_path: Path, written: str) -> None:
    (tmp_path / "token").write_text(written)
    with pytest.raises(MalformedSettings, match="token"):
        settings_of(tmp_path).token()


def test_many_threads_at_once_have_one_token(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    with ThreadPoolExecutor(16) as threads:
        made = list(threads.map(lambda _: settings.token(), range(200)))
    assert len(set(made)) == 1


def test_two_processes_at_once_have_one_token(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "workers", "token"]
    ours = {**os.environ, "AITIA_HOME": str(tmp_path)}
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, env=ours) for _ in range(2)]
    made = {process.communicate()[0] for process in both}
    assert len(made) == 1
