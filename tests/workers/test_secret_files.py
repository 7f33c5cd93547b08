"""Secrets in files of their own, named in settings.yaml or in the environment."""

from __future__ import annotations

from pathlib import Path

from tests.workers.test_settings import mistake, settings_of


def secret(folder: Path, text: str = "xoxb-from-a-file\n") -> Path:
    path = folder / "secret"
    path.write_text(text)
    return path


def token_of(home: Path, written: str = "", **variables: str) -> str:
    """The Slack token in force."""
    token = settings_of(home, written, **variables).slack_token
    return token.get_secret_value() if token else ""


def test_a_file_named_in_the_environment_holds_the_secret(tmp_path: Path) -> None:
    assert token_of(tmp_path, AITIA_SLACK_TOKEN_FILE=str(secret(tmp_path))) == "xoxb-from-a-file"


def test_a_file_named_in_the_settings_holds_the_secret(tmp_path: Path) -> None:
    assert token_of(tmp_path, f"slack_token_file: {secret(tmp_path)}") == "xoxb-from-a-file"


def test_the_environment_comes_before_a_file_in_the_settings(tmp_path: Path) -> None:
    written = f"slack_token_file: {secret(tmp_path)}"
    assert token_of(tmp_path, written, AITIA_SLACK_TOKEN="xoxb-own") == "xoxb-own"


def test_a_file_in_the_environment_comes_before_the_settings(tmp_path: Path) -> None:
    file = str(secret(tmp_path))
    assert token_of(tmp_path, "slack_token: xoxb-own", AITIA_SLACK_TOKEN_FILE=file) == "xoxb-from-a-file"


def test_a_secret_given_twice_in_one_place_is_a_mistake(tmp_path: Path) -> None:
    written = f"slack_token_file: {secret(tmp_path)}\nslack_token: xoxb-own"
    assert "keep one of the two" in mistake(tmp_path, written)


def test_a_secret_file_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    assert "can not be read" in mistake(tmp_path, AITIA_SLACK_TOKEN_FILE="/nowhere/secret")


def test_an_empty_secret_file_is_a_mistake(tmp_path: Path) -> None:
    assert "is empty" in mistake(tmp_path, AITIA_SLACK_TOKEN_FILE=str(secret(tmp_path, "\n")))


def test_a_file_for_what_is_no_secret_is_a_mistake(tmp_path: Path) -> None:
    assert "unknown setting" in mistake(tmp_path, f"door_port_file: {secret(tmp_path)}")


def test_several_webhook_secrets_stand_one_a_line(tmp_path: Path) -> None:
    file = str(secret(tmp_path, "one\ntwo\n"))
    found = settings_of(tmp_path, AITIA_PAGERDUTY_WEBHOOK_SECRETS_FILE=file).pagerduty_webhook_secrets
    assert [each.get_secret_value() for each in found] == ["one", "two"]


def test_several_webhook_secrets_may_stand_in_one_variable(tmp_path: Path) -> None:
    found = settings_of(tmp_path, AITIA_PAGERDUTY_WEBHOOK_SECRETS="one, two").pagerduty_webhook_secrets
    assert [each.get_secret_value() for each in found] == ["one", "two"]


def test_a_secret_is_not_shown_with_the_settings(tmp_path: Path) -> None:
    assert "from-a-file" not in repr(settings_of(tmp_path, f"slack_token_file: {secret(tmp_path)}"))
