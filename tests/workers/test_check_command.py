"""`aitia check` as people and scripts call it: exit codes, JSON, names, and what is never shown."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from tests.doubles.slack import CHANNEL_ID, TOKEN, slack
from tests.workers.checking import written
from workers.cli import app
from workers.commands.check import _names

SLACK = {"AITIA_SLACK_CHANNEL": CHANNEL_ID, "AITIA_SLACK_APP_TOKEN": "xapp-1-made-up"}


def check(home: Path, *words: str, **variables: str) -> Result:
    """Run `aitia check` in a home."""
    own = {"AITIA_HOME": str(home), "TEMPORAL_ADDRESS": None, **variables}
    return CliRunner().invoke(app, ["check", *words], env=own)


def test_an_empty_home_is_well(tmp_path: Path) -> None:
    assert check(tmp_path).exit_code == 0


def test_each_system_has_one_line(tmp_path: Path) -> None:
    lines = check(tmp_path, "home", "policy").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [["ok", "home"], ["ok", "policy"]]


def test_what_is_not_set_up_is_named_at_the_end(tmp_path: Path) -> None:
    assert "slack" in check(tmp_path).stdout.splitlines()[-1]


def test_something_that_failed_ends_with_one(tmp_path: Path) -> None:
    assert check(tmp_path, "temporal", TEMPORAL_ADDRESS="127.0.0.1:9").exit_code == 1


def test_a_warning_ends_with_zero(tmp_path: Path) -> None:
    assert check(tmp_path, "settings", AITIA_DOR_PORT="1").exit_code == 0


def test_an_unknown_name_ends_with_two(tmp_path: Path) -> None:
    assert check(tmp_path, "slak").exit_code == 2


def test_an_unknown_name_is_told_the_nearest(tmp_path: Path) -> None:
    assert "did you mean slack?" in check(tmp_path, "slak").stderr


def test_a_system_that_is_not_set_up_says_what_it_needs(tmp_path: Path) -> None:
    assert "slack_token is not set" in check(tmp_path, "slack").stdout


def test_wrong_settings_are_a_finding_like_any_other(tmp_path: Path) -> None:
    written(tmp_path, "settings.yaml", "dor_port: 1\n")
    told = json.loads(check(tmp_path, "--json").stdout)
    assert [(each["system"], each["state"]) for each in told["systems"]] == [("settings", "failed")]


def test_json_has_each_remark_with_what_to_do(tmp_path: Path) -> None:
    told = json.loads(check(tmp_path, "settings", "--json", AITIA_DOR_PORT="1").stdout)
    assert told["systems"][0]["remarks"][0]["do"] == "rename or unset it"


def test_a_secret_from_a_file_is_used(tmp_path: Path) -> None:
    file = written(tmp_path, "bot", TOKEN + "\n")
    with slack() as double:
        told = check(tmp_path, "slack", AITIA_SLACK_TOKEN_FILE=str(file), AITIA_SLACK_URL=double.url, **SLACK)
    assert told.exit_code == 0


def test_no_secret_is_ever_shown(tmp_path: Path) -> None:
    with slack() as double:
        given = {"AITIA_SLACK_TOKEN": TOKEN, "AITIA_SLACK_URL": double.url, **SLACK}
        told = check(tmp_path, **given).output + check(tmp_path, "--json", **given).output
    assert TOKEN not in told


def test_names_can_be_completed(tmp_path: Path) -> None:
    written(tmp_path, "sources.yaml", "prometheus: {main: {url: 'http://127.0.0.1:9'}}\n")
    with CliRunner().isolation(env={"AITIA_HOME": str(tmp_path)}):
        assert {"slack", "prometheus", "prometheus/main"} <= set(_names())
