"""Slack, PagerDuty and ServiceNow: do they know the keys, and what may be done with them?

Only what changes nothing is asked. What a key may write is told by Slack's scopes; PagerDuty and ServiceNow
tell it only when something is written, so that is said rather than tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import SecretStr

from causal.errors import AitiaError
from integrations.pagerduty import PagerDutyNotifier, PagerDutySettings
from integrations.servicenow import ServiceNowNotifier
from integrations.slack_messages import MemoryMessageRefs
from integrations.slack_setup import CAN_SEE, Standing, is_member, missing, standing
from workers.checkup.reach import Way
from workers.checkup.report import Remark, System, doubt, well, wrong
from workers.notifying import servicenow_settings, slack_settings
from workers.settings import Settings

_ROUTING_KEY = re.compile(r"[A-Za-z0-9]{32}")
_SIGNING_SECRET = re.compile(r"[0-9a-f]{32}")


def vendor_systems(settings: Settings, way: Way) -> tuple[System, ...]:
    """The three, each set up as soon as one of its keys is."""
    has_slack = bool(settings.slack_token or settings.slack_app_token or settings.slack_signing_secret)
    has_pagerduty = bool(
        settings.pagerduty_routing_key or settings.pagerduty_token or settings.pagerduty_webhook_secrets
    )
    return (
        System("slack", lambda: slack(settings, way), has_slack),
        System("pagerduty", lambda: pagerduty(settings, way), has_pagerduty),
        System("servicenow", lambda: servicenow(settings, way), settings.servicenow_url is not None),
    )


def slack(settings: Settings, way: Way) -> Iterator[Remark]:
    """The shapes of what is set, who we are there, and which scopes that has."""
    yield from _shapes(settings)
    given = slack_settings(settings)
    if given is None:
        needed = "slack_channel" if settings.slack_token else "slack_token"
        yield wrong(f"{needed} is not set, so no ticket is shown", "see docs/slack.md")
        return
    on_the_way = way.head(settings.slack_url)
    yield from on_the_way
    if any(each.state == "failed" for each in on_the_way):
        return
    here = standing(given)
    yield from _scopes(here, settings)
    if CAN_SEE & here.scopes and not is_member(given):
        yield wrong(f"the app is not in {given.channel}", "in that channel: /invite @Aitia")
    buttons = "Socket Mode (not opened to check)" if settings.slack_app_token else "no Socket Mode"
    yield well(
        f"{here.user} in {here.team}; {', '.join(sorted(here.scopes)) or 'scopes not told'}; {buttons}"
    )


def _shapes(settings: Settings) -> Iterator[Remark]:
    for name, secret, begin, where in (
        ("slack_token", settings.slack_token, "xoxb-", "OAuth & Permissions"),
        ("slack_app_token", settings.slack_app_token, "xapp-", "Basic Information, App-Level Tokens"),
    ):
        if secret is not None and not _value(secret).startswith(begin):
            yield wrong(f"{name} does not begin with {begin}", f"take the one under {where}")
    secret = settings.slack_signing_secret
    if secret is not None and not _SIGNING_SECRET.fullmatch(_value(secret)):
        yield doubt("slack_signing_secret is not 32 hexadecimal digits", "take it from Basic Information")
    if not settings.slack_open and not settings.people_file.exists():
        yield doubt(
            "nobody is named, so nobody may press", "`aitia people add NAME --slack U…`, or set slack_open"
        )
    if settings.slack_app_token is None and secret is None:
        yield doubt(
            "nothing that people press there comes back",
            "set slack_app_token (Socket Mode) or slack_signing_secret (HTTP)",
        )


def _scopes(here: Standing, settings: Settings) -> Iterator[Remark]:
    for scope, use in missing(here):
        yield wrong(
            f"the token lacks the scope {scope} ({use})",
            f"add {scope} under OAuth & Permissions and install the app again",
        )
    if settings.slack_channel and settings.slack_channel.startswith("#"):
        yield doubt(
            "slack_channel is a name, and names change", "write its id (C…), at the end of its details"
        )


def pagerduty(settings: Settings, way: Way) -> Iterator[Remark]:
    """The shape of the routing key (using it would page somebody), and whether the REST token is known."""
    key = settings.pagerduty_routing_key
    if key is None:
        yield doubt("no pagerduty_routing_key, so nobody is paged", "make an Events API v2 integration")
    elif not _ROUTING_KEY.fullmatch(_value(key)):
        yield wrong(
            f"pagerduty_routing_key has {len(_value(key))} characters and not 32 letters and digits",
            "take the integration key of an Events API v2 integration",
        )
    yield from way.head(settings.pagerduty_events_url)
    if settings.pagerduty_token is not None:
        yield from _rest(settings, settings.pagerduty_token, way)
    secrets = settings.pagerduty_webhook_secrets
    yield well(
        "routing key not tried, that would page somebody; "
        + ("REST token known; " if settings.pagerduty_token else "no REST token, so no notes; ")
        + f"{len(secrets)} webhook secrets"
    )


def _rest(settings: Settings, token: SecretStr, way: Way) -> Iterator[Remark]:
    if "@" not in settings.pagerduty_from:
        yield wrong(
            "pagerduty_from is not set, and notes need it",
            "set the e-mail of a PagerDuty user of this account",
        )
    asked = PagerDutySettings(
        routing_key=SecretStr(""),
        token=token,
        from_email=settings.pagerduty_from,
        api_url=settings.pagerduty_url.rstrip("/"),
        timeout=way.timeout,
    )
    yield from _pinged(PagerDutyNotifier(asked, MemoryMessageRefs()))


def servicenow(settings: Settings, way: Way) -> Iterator[Remark]:
    """Whether the instance is awake, knows the user, and lets it read incidents."""
    given = servicenow_settings(settings)
    if given is None:
        yield wrong("servicenow_url is not set", "see docs/servicenow.md")
        return
    if given.token is None and not (given.user and given.password):
        yield wrong(
            "neither a token nor user and password are set",
            "set servicenow_token, or servicenow_user and servicenow_password",
        )
        return
    if given.url.scheme != "https" and given.url.host not in {"127.0.0.1", "localhost", "[::1]"}:
        yield doubt("the password goes over the network in the clear", "write https://")
    on_the_way = way.head(str(given.url))
    yield from on_the_way
    if not any(each.state == "failed" for each in on_the_way):
        yield from _pinged(ServiceNowNotifier(given, MemoryMessageRefs()))
        yield well("whether they can be written shows with the first one")


def _pinged(notifier: PagerDutyNotifier | ServiceNowNotifier) -> Iterator[Remark]:
    try:
        yield well(notifier.ping())
    except AitiaError as error:
        yield wrong(str(error))


def _value(secret: SecretStr) -> str:
    return secret.get_secret_value()
