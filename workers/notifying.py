"""Whom tickets are shown to: a notifier for each system that the settings name, built from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pydantic import SecretStr, ValidationError

from causal.errors import MalformedSettings
from integrations.pagerduty import PagerDutyNotifier, PagerDutySettings
from integrations.pagerduty_api import PagerDutyRest, RestSettings
from integrations.ports import MessageRefs, Notifier
from integrations.servicenow import ServiceNowNotifier, ServiceNowSettings
from integrations.slack import SlackNotifier, SlackSettings
from playbooks.approval import token_of
from playbooks.remedy import ApprovalRequest
from workers.settings import Settings


def notifiers_of(settings: Settings, refs: Callable[[], MessageRefs]) -> tuple[Notifier, ...]:
    """A notifier for each system that is set up; ``refs`` is only asked for where there is one."""
    return tuple(_notifiers(settings, refs))


def _notifiers(settings: Settings, refs: Callable[[], MessageRefs]) -> Iterator[Notifier]:
    if slack := slack_settings(settings):
        yield SlackNotifier(slack, refs(), _tokens(settings) if hears_slack(settings) else None)
    if pagerduty := pagerduty_settings(settings):
        hears = bool(settings.pagerduty_webhook_secrets)
        yield PagerDutyNotifier(pagerduty, refs(), _tokens(settings) if hears else None)
    if servicenow := servicenow_settings(settings):
        yield ServiceNowNotifier(servicenow, refs())


def _tokens(settings: Settings) -> Callable[[ApprovalRequest], str]:
    """What gives the one-shot token of the next answer to a question."""
    return lambda question: token_of(question, settings.approval_key())


def hears_slack(settings: Settings) -> bool:
    """Whether a press in Slack reaches us at all; buttons that lead nowhere are not shown."""
    return settings.slack_app_token is not None or settings.slack_signing_secret is not None


def slack_settings(settings: Settings) -> SlackSettings | None:
    """What the Slack notifier needs; None unless token and channel are set."""
    if settings.slack_token is None or not settings.slack_channel:
        return None
    return SlackSettings(
        token=settings.slack_token, channel=settings.slack_channel, base_url=settings.slack_url
    )


def pagerduty_settings(settings: Settings) -> PagerDutySettings | None:
    """What the PagerDuty notifier needs; None with neither a routing key nor a REST token."""
    if settings.pagerduty_routing_key is None and settings.pagerduty_token is None:
        return None
    return PagerDutySettings(
        routing_key=settings.pagerduty_routing_key,
        token=settings.pagerduty_token,
        from_email=settings.pagerduty_from,
        events_url=settings.pagerduty_events_url.rstrip("/"),
        api_url=settings.pagerduty_url.rstrip("/"),
    )


def pagerduty_rest(settings: Settings) -> PagerDutyRest | None:
    """PagerDuty's REST API; None without a token for it."""
    if settings.pagerduty_token is None:
        return None
    url = settings.pagerduty_url.rstrip("/")
    rest = RestSettings(token=settings.pagerduty_token, from_email=settings.pagerduty_from, url=url)
    return PagerDutyRest(rest)


def servicenow_settings(settings: Settings) -> ServiceNowSettings | None:
    """What the ServiceNow notifier needs; None unless an instance is named.

    MalformedSettings for an address that is none.
    """
    if settings.servicenow_url is None:
        return None
    given: dict[str, str | SecretStr | None] = {
        "url": settings.servicenow_url,
        "token": settings.servicenow_token,
        "user": settings.servicenow_user,
        "password": settings.servicenow_password,
        "assignment_group": settings.servicenow_assignment_group,
        "close_code": settings.servicenow_close_code,
    }
    try:
        return ServiceNowSettings.model_validate(given)
    except ValidationError as error:
        raise MalformedSettings("is not an http or https address", where="setting servicenow_url") from error
