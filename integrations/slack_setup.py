"""What Slack says of a token: whose it is, and which scopes it has. Nothing is posted.

``auth.test`` answers every token, whatever its scopes, and names those in a header, ``X-OAuth-Scopes``. Each
scope that is used here has its reason beside it, and no other is asked for. Source: docs.slack.dev,
"auth.test" and "Scopes".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from causal.errors import Refused, Unavailable
from causal.evidence import Fact
from integrations.slack import SlackSettings

SCOPES: Mapping[str, str] = {
    "chat:write": "to post tickets and keep them up to date",
    "files:write": "to attach long evidence and the picture of the causes",
    "commands": "for /aitia",
}
CAN_SEE = frozenset({"channels:read", "groups:read"})
_KINDS_OF_TOKEN = {
    "invalid_auth": "Slack does not know the token; take the bot token (xoxb-…) under OAuth & Permissions",
    "not_authed": "no token was sent; set slack_token",
    "account_inactive": "the app was removed from the workspace; install it again and take its new token",
    "token_revoked": "the token was revoked; install the app again and take its new token",
    "token_expired": "the token has expired; take a new one",
    "not_allowed_token_type": "this is not a bot token; take the one that begins with xoxb-",
}


class Standing(Fact):
    """Who a token speaks for; ``told`` is whether Slack named the scopes."""

    team: str
    user: str
    scopes: frozenset[str] = frozenset()
    told: bool = False


def standing(settings: SlackSettings) -> Standing:
    """Ask whose token it is; Refused, with what to do, where Slack will not have it."""
    answer, headers = _asked(settings, "auth.test", {})
    scopes = headers.get("x-oauth-scopes")
    return Standing(
        team=str(answer.get("team", "")),
        user=str(answer.get("user", "")),
        scopes=frozenset(word.strip() for word in (scopes or "").split(",") if word.strip()),
        told=scopes is not None,
    )


def missing(here: Standing) -> Iterator[tuple[str, str]]:
    """Scopes that are needed and not there, each with what it is for."""
    if here.told:
        yield from ((scope, use) for scope, use in SCOPES.items() if scope not in here.scopes)


def is_member(settings: SlackSettings) -> bool:
    """Whether the app is in its channel; only where it has a scope of `CAN_SEE`."""
    try:
        answer, _ = _asked(settings, "conversations.info", {"channel": settings.channel})
    except Refused:
        return False
    channel = answer.get("channel")
    return bool(channel.get("is_member")) if isinstance(channel, Mapping) else False


def _asked(
    settings: SlackSettings, method: str, form: Mapping[str, str]
) -> tuple[Mapping[str, Any], httpx.Headers]:
    headers = {"Authorization": f"Bearer {settings.token.get_secret_value()}"}
    url = settings.base_url.rstrip("/") + f"/{method}"
    try:
        answer = httpx.post(url, data=dict(form), headers=headers, timeout=settings.timeout)
        told = answer.json()
    except httpx.HTTPError as error:
        raise Unavailable(f"Slack: {method} got no answer ({type(error).__name__})") from error
    except ValueError:
        told = None
    if not isinstance(told, Mapping):
        raise Refused(f"what answers at {url} (HTTP {answer.status_code}) is not Slack; check slack_url")
    if told.get("ok") is not True:
        code = str(told.get("error", f"HTTP {answer.status_code}"))
        raise Refused(_KINDS_OF_TOKEN.get(code, f"Slack refused {method}: {code}"))
    return told, answer.headers
