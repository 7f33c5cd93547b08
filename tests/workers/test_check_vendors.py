"""`aitia check` of Slack, PagerDuty and ServiceNow, against doubles over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.pagerduty import PagerDutyDouble, pagerduty
from tests.doubles.servicenow import ServiceNowDouble, servicenow
from tests.doubles.serving import Answered, Asked, serving
from tests.doubles.slack import TOKEN, SlackDouble, slack
from tests.workers.checking import look_at, settings_of, with_pagerduty, with_servicenow, with_slack


@pytest.fixture
def workspace() -> Iterator[SlackDouble]:
    with slack() as double:
        yield double


@pytest.fixture
def pager() -> Iterator[PagerDutyDouble]:
    with pagerduty() as double:
        yield double


@pytest.fixture
def instance() -> Iterator[ServiceNowDouble]:
    with servicenow() as double:
        yield double


def test_a_slack_with_all_scopes_is_well(workspace: SlackDouble, tmp_path: Path) -> None:
    assert look_at("slack", with_slack(tmp_path, workspace)).state == "ok"


def test_the_workspace_of_the_token_is_named(workspace: SlackDouble, tmp_path: Path) -> None:
    assert "Made-up team" in look_at("slack", with_slack(tmp_path, workspace)).words


@pytest.mark.parametrize("scope", ["chat:write", "files:write", "commands"])
def test_a_missing_slack_scope_is_named(workspace: SlackDouble, tmp_path: Path, scope: str) -> None:
    workspace.scopes = ",".join({"chat:write", "files:write", "commands"} - {scope})
    assert f"lacks the scope {scope}" in look_at("slack", with_slack(tmp_path, workspace)).words


def test_a_missing_slack_scope_is_a_failure(workspace: SlackDouble, tmp_path: Path) -> None:
    workspace.scopes = "commands"
    assert look_at("slack", with_slack(tmp_path, workspace)).state == "failed"


def test_checking_slack_posts_nothing(workspace: SlackDouble, tmp_path: Path) -> None:
    look_at("slack", with_slack(tmp_path, workspace))
    assert [method for method, _ in workspace.calls] == ["auth.test"]


def test_a_token_that_slack_does_not_know_is_a_failure(workspace: SlackDouble, tmp_path: Path) -> None:
    settings = with_slack(tmp_path, workspace, slack_token="xoxb-of-somebody-else")
    assert "Slack does not know the token" in look_at("slack", settings).words


def test_a_token_is_never_shown(workspace: SlackDouble, tmp_path: Path) -> None:
    assert TOKEN not in str(look_at("slack", with_slack(tmp_path, workspace)))


def test_a_server_that_repeats_the_token_does_not_get_it_shown(tmp_path: Path) -> None:
    def repeat(asked: Asked) -> Answered:
        return Answered(200, {"ok": False, "error": asked.headers.get("authorization", "")})

    with serving(repeat) as url:
        settings = settings_of(tmp_path, slack_token="made-up-word", slack_channel="C1", slack_url=url)
        assert "made-up-word" not in str(look_at("slack", settings))


def test_app_and_bot_tokens_that_are_swapped_are_noticed(workspace: SlackDouble, tmp_path: Path) -> None:
    settings = with_slack(tmp_path, workspace, slack_app_token="xoxb-1")
    assert "slack_app_token does not begin with xapp-" in look_at("slack", settings).words


def test_a_slack_without_a_way_back_is_a_warning(workspace: SlackDouble, tmp_path: Path) -> None:
    settings = with_slack(tmp_path, workspace, slack_app_token=None)
    assert look_at("slack", settings).state == "warning"


def test_a_slack_where_nobody_is_named_is_a_warning(workspace: SlackDouble, tmp_path: Path) -> None:
    settings = with_slack(tmp_path, workspace, slack_open=False)
    assert "nobody may press" in look_at("slack", settings).words


def test_a_slack_without_a_channel_says_so(workspace: SlackDouble, tmp_path: Path) -> None:
    settings = with_slack(tmp_path, workspace, slack_channel=None)
    assert "slack_channel is not set" in look_at("slack", settings).words


def test_an_app_outside_of_its_channel_is_told_to_come_in(workspace: SlackDouble, tmp_path: Path) -> None:
    workspace.scopes += ",channels:read"
    workspace.member_of.clear()
    assert "/invite" in look_at("slack", with_slack(tmp_path, workspace)).words


def test_a_slack_address_of_something_else_is_noticed(instance: ServiceNowDouble, tmp_path: Path) -> None:
    instance.asleep = True
    settings = settings_of(tmp_path, slack_token=TOKEN, slack_channel="C1", slack_url=instance.url)
    assert "is not Slack" in look_at("slack", settings).words


def test_a_clock_that_is_off_is_a_warning(workspace: SlackDouble, tmp_path: Path) -> None:
    found = look_at("slack", with_slack(tmp_path, workspace), clock_off=300.0)
    assert "s ahead of the server's" in found.words


def test_a_clock_that_is_off_by_less_than_a_minute_is_well(workspace: SlackDouble, tmp_path: Path) -> None:
    assert look_at("slack", with_slack(tmp_path, workspace), clock_off=-30.0).state == "ok"


def test_a_pagerduty_that_knows_the_token_is_well(pager: PagerDutyDouble, tmp_path: Path) -> None:
    assert look_at("pagerduty", with_pagerduty(tmp_path, pager)).state == "ok"


def test_checking_pagerduty_pages_nobody(pager: PagerDutyDouble, tmp_path: Path) -> None:
    look_at("pagerduty", with_pagerduty(tmp_path, pager))
    assert pager.calls == [("GET", "/abilities")]


def test_a_rest_token_that_pagerduty_does_not_know_is_a_failure(
    pager: PagerDutyDouble, tmp_path: Path
) -> None:
    settings = with_pagerduty(tmp_path, pager, pagerduty_token="u+somebody-else")
    assert "REST token is not known" in look_at("pagerduty", settings).words


def test_a_routing_key_of_the_wrong_length_is_a_failure(pager: PagerDutyDouble, tmp_path: Path) -> None:
    settings = with_pagerduty(tmp_path, pager, pagerduty_routing_key="R0UT1NG")
    assert "has 7 characters" in look_at("pagerduty", settings).words


def test_notes_without_an_author_are_a_failure(pager: PagerDutyDouble, tmp_path: Path) -> None:
    settings = with_pagerduty(tmp_path, pager, pagerduty_from="")
    assert "pagerduty_from is not set" in look_at("pagerduty", settings).words


def test_a_servicenow_that_lets_us_read_is_well(instance: ServiceNowDouble, tmp_path: Path) -> None:
    assert look_at("servicenow", with_servicenow(tmp_path, instance)).state == "ok"


def test_checking_servicenow_only_reads(instance: ServiceNowDouble, tmp_path: Path) -> None:
    look_at("servicenow", with_servicenow(tmp_path, instance))
    assert {asked.method for asked in instance.asked} == {"GET"}


def test_a_wrong_servicenow_password_is_a_failure(instance: ServiceNowDouble, tmp_path: Path) -> None:
    settings = with_servicenow(tmp_path, instance, servicenow_password="not-this")
    assert "does not know the user" in look_at("servicenow", settings).words


def test_a_sleeping_servicenow_is_told_as_such(instance: ServiceNowDouble, tmp_path: Path) -> None:
    instance.asleep = True
    assert "sleeping" in look_at("servicenow", with_servicenow(tmp_path, instance)).words


def test_a_servicenow_without_a_password_is_not_asked(instance: ServiceNowDouble, tmp_path: Path) -> None:
    look_at("servicenow", with_servicenow(tmp_path, instance, servicenow_password=None))
    assert instance.asked == []
