"""`aitia check` of what lies on this machine, and of what runs on it."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest
from temporalio.client import Client

from integrations.database import connect, open_database
from integrations.store import schema
from tests.workers.checking import look_at, settings_of, written
from tests.workers.doors import open_door, say_where
from tests.workers.doors import settings_of as settings_with
from workers.checkup.asking import ask_all
from workers.checkup.local import spelling
from workers.checkup.report import Remark, System, well

NOWHERE = "127.0.0.1:9"


def test_checking_makes_nothing_in_the_home(tmp_path: Path) -> None:
    for name in ("home", "settings", "database", "people", "policy", "redaction", "playbooks", "door"):
        look_at(name, settings_of(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_is_not_there_yet_is_well(tmp_path: Path) -> None:
    assert look_at("home", settings_of(tmp_path / "later")).state == "ok"


def test_a_token_that_others_can_read_is_a_warning(tmp_path: Path) -> None:
    written(tmp_path, "token", "word").chmod(0o644)
    assert "chmod 600" in look_at("home", settings_of(tmp_path)).words


def test_less_room_than_telemetry_may_take_is_a_warning(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, telemetry_keep_bytes=1 << 60)
    assert "telemetry_keep_bytes" in look_at("home", settings).words


def test_a_home_below_a_file_is_a_failure(tmp_path: Path) -> None:
    assert look_at("home", settings_of(written(tmp_path, "file", "") / "home")).state == "failed"


def test_a_misspelt_variable_is_told_with_the_nearest(tmp_path: Path) -> None:
    told, _ = spelling(settings_of(tmp_path), {"AITIA_SLAK_TOKEN": "x"})
    assert "did you mean AITIA_SLACK_TOKEN?" in told.says


def test_the_value_of_a_misspelt_variable_is_not_told(tmp_path: Path) -> None:
    told, _ = spelling(settings_of(tmp_path), {"AITIA_SLAK_TOKEN": "xoxb-secret"})
    assert "secret" not in told.says


@pytest.mark.parametrize(
    "name", ["AITIA_SLACK_TOKEN", "AITIA_DATABASE_URL", "AITIA_TOKEN", "aitia_door_port", "OTHER_DOR"]
)
def test_a_variable_that_means_something_is_not_told(tmp_path: Path, name: str) -> None:
    assert [each.state for each in spelling(settings_of(tmp_path), {name: "x"})] == ["ok"]


def test_a_secret_in_settings_that_anybody_can_read_is_a_warning(tmp_path: Path) -> None:
    written(tmp_path, "settings.yaml", "slack_token: xoxb-1\n").chmod(0o644)
    assert "chmod 600" in look_at("settings", settings_of(tmp_path)).words


def test_a_secret_file_that_anybody_can_read_is_a_warning(tmp_path: Path) -> None:
    file = written(tmp_path, "bot", "xoxb-1\n")
    file.chmod(0o644)
    told, _ = spelling(settings_of(tmp_path), {"AITIA_SLACK_TOKEN_FILE": str(file)})
    assert f"chmod 600 {file}" in told.do


def test_settings_without_secrets_may_be_read_by_anybody(tmp_path: Path) -> None:
    written(tmp_path, "settings.yaml", "door_port: 1\n").chmod(0o644)
    assert look_at("settings", settings_of(tmp_path)).state == "ok"


def test_a_database_that_is_not_there_yet_is_well(tmp_path: Path) -> None:
    assert look_at("database", settings_of(tmp_path)).state == "ok"


def test_tables_of_this_version_are_well(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    open_database(settings.database_url).dispose()
    assert schema.newest() in look_at("database", settings).words


def test_tables_of_an_older_version_are_a_warning(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    engine = connect(settings.database_url)
    schema.upgrade(engine, schema.versions()[-2])
    engine.dispose()
    assert "aitia database upgrade" in look_at("database", settings).words


def test_a_database_that_does_not_answer_is_a_failure(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, AITIA_DATABASE_URL=f"postgresql://me:a-password@{NOWHERE}/aitia")
    assert look_at("database", settings).state == "failed"


def test_the_password_of_a_database_is_not_shown(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, AITIA_DATABASE_URL=f"postgresql://me:a-password@{NOWHERE}/aitia")
    assert "a-password" not in str(look_at("database", settings))


def test_a_people_file_that_names_nobody_is_a_warning(tmp_path: Path) -> None:
    written(tmp_path, "people.yaml", "people: []\n")
    assert "nobody may answer" in look_at("people", settings_of(tmp_path)).words


def test_people_without_slack_ids_are_a_warning_where_there_is_slack(tmp_path: Path) -> None:
    written(tmp_path, "people.yaml", "people: [{name: ada, email: ada@example.org}]\n")
    assert "Slack id" in look_at("people", settings_of(tmp_path, slack_token="xoxb-1")).words


def test_a_policy_with_a_mistake_names_the_line(tmp_path: Path) -> None:
    written(tmp_path, "policy.yaml", "autonomy: approve\nact_abov: 0.9\n")
    assert "policy.yaml:2:" in look_at("policy", settings_of(tmp_path)).words


def test_a_policy_that_stops_all_is_a_warning(tmp_path: Path) -> None:
    written(tmp_path, "policy.yaml", "stopped: true\n")
    assert look_at("policy", settings_of(tmp_path)).state == "warning"


def test_keeping_secrets_in_telemetry_is_a_warning(tmp_path: Path) -> None:
    written(tmp_path, "redaction.yaml", "secrets: keep\n")
    assert look_at("redaction", settings_of(tmp_path)).state == "warning"


def test_a_playbook_with_a_mistake_is_a_failure(tmp_path: Path) -> None:
    written(tmp_path, "playbooks/mine.yaml", "name: mine\n")
    assert "mine.yaml:1:" in look_at("playbooks", settings_of(tmp_path)).words


def test_an_anchor_in_a_folder_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, audit_anchors=f"file:{tmp_path}/none/heads")
    assert "there is no folder" in look_at("anchors", settings).words


def test_checking_an_anchor_sends_it_no_head(tmp_path: Path) -> None:
    look_at("anchors", settings_of(tmp_path, audit_anchors=f"file:{tmp_path}/heads"))
    assert list(tmp_path.iterdir()) == []


def test_an_anchor_that_is_none_names_what_to_write(tmp_path: Path) -> None:
    assert look_at("anchors", settings_of(tmp_path, audit_anchors="heads")).state == "failed"


def test_a_temporal_where_nothing_listens_is_a_failure(tmp_path: Path) -> None:
    assert look_at("temporal", settings_of(tmp_path, TEMPORAL_ADDRESS=NOWHERE)).state == "failed"


def test_a_temporal_with_the_namespace_is_well(tmp_path: Path, client: Client) -> None:
    assert look_at("temporal", settings_with(tmp_path, client)).state == "ok"


def test_a_namespace_that_is_not_there_is_a_failure(tmp_path: Path, client: Client) -> None:
    settings = settings_with(tmp_path, client, TEMPORAL_NAMESPACE="nobody-made-this")
    assert "has no namespace nobody-made-this" in look_at("temporal", settings).words


def test_a_door_without_agents_is_a_warning(tmp_path: Path, client: Client) -> None:
    with open_door(settings_with(tmp_path, client)) as opened:
        say_where(opened)
        assert "no agent serves" in look_at("door", opened.house.settings).words


def test_a_door_that_does_not_know_the_token_is_a_failure(tmp_path: Path, client: Client) -> None:
    with open_door(settings_with(tmp_path / "theirs", client)) as opened:
        written(tmp_path / "ours", "token", "another-word").chmod(0o600)
        settings = settings_of(tmp_path / "ours", door_url=opened.url)
        assert "does not know the token" in look_at("door", settings).words


def test_whoever_waits_is_told_who_has_not_answered() -> None:
    released = Event()
    told: list[tuple[str, ...]] = []

    def until_told() -> list[Remark]:
        released.wait(30.0)
        return []

    def note(names: tuple[str, ...]) -> None:
        told.append(names)
        if names == ("slow",):
            released.set()

    list(ask_all([System("slow", until_told), System("quick", lambda: [well("here")])], waiting=note))
    assert told[-1] == ("slow",)


def test_a_system_that_gives_no_answer_is_a_failure_in_time() -> None:
    released = Event()

    def hang() -> list[Remark]:
        released.wait()
        return []

    systems = [System("slow", hang), System("quick", lambda: [well("here")])]
    states = [found.state for found in ask_all(systems, limit=0.2)]
    released.set()
    assert states == ["failed", "ok"]
