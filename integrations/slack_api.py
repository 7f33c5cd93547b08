"""Slack's Web API through the vendor's client, with its errors in our words.

What is rate-limited is waited for, briefly; what may help if tried again is Unavailable; what Slack will not
have is Refused, with what to do about it. Source: docs.slack.dev, "Web API" and the methods' pages.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from http.client import HTTPException
from typing import Any

from pydantic import Field, SecretStr
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.webhook import WebhookClient

from causal.errors import NotFound, Refused, TooLarge, Unavailable
from playbooks.remedy import Duration, Written

PATIENCE = 5.0
TRIES = 3
UNKNOWN_WAIT = 30.0

SLACK = "https://slack.com/api/"

Body = Mapping[str, Any]
Upload = Mapping[str, str | bytes]

_WHAT_TO_DO = {
    "not_in_channel": "Aitia's app is not in the channel; invite it there with /invite",
    "user_not_in_channel": "only who is in the channel can be told something there",
    "channel_not_found": "no such channel, or the app may not see it; check `channel` and /invite the app",
    "is_archived": "the channel is archived; set another `channel`",
    "invalid_auth": "Slack does not know the token; set a valid bot token (xoxb-…)",
    "not_authed": "no token was sent; set a bot token (xoxb-…)",
    "account_inactive": "the token's app or user was removed; install the app again and set its new token",
    "token_revoked": "the token was revoked; install the app again and set its new token",
    "token_expired": "the token has expired; set a new one",
    "missing_scope": "the token lacks a scope; give the app chat:write and files:write, and install it again",
    "restricted_action": "a rule of the workspace forbids apps to post there; ask its administrator",
    "expired_trigger_id": "a form opens within three seconds of a press; press again",
    "exchanged_trigger_id": "a press opens one form; press again",
}
_PASSING = {"internal_error", "fatal_error", "service_unavailable", "request_timeout"}
_TOO_LONG = {"msg_too_long", "msg_blocks_too_long", "invalid_blocks", "invalid_blocks_format"}
_CODE = re.compile(r"[a-z][a-z0-9_]{2,60}")
_GONE = {"message_not_found", "cant_update_message", "edit_window_closed"}


class SlackSettings(Written):
    """Where and as whom to post; ``base_url`` is Slack's own unless something stands before it."""

    token: SecretStr
    channel: str = Field(min_length=1)
    base_url: str = SLACK
    timeout: Duration = 10.0


@dataclass(frozen=True)
class SlackApi:
    """Calls of the Web API; waits for a rate limit at most ``PATIENCE`` seconds at a time, by ``pause``."""

    settings: SlackSettings
    pause: Callable[[float], None] = time.sleep

    def call(self, method: str, body: Body) -> Body:
        """Call a method with JSON."""
        return self._patiently(method, lambda: self._client.api_call(method, json=dict(body)))

    def upload(self, channel: str, thread: str, files: list[Upload]) -> None:
        """Attach files to a thread: an address for each, its bytes there, and all of them shared at once.

        Each has ``filename``, ``content`` and ``title``, a picture also ``alt_txt``.
        """
        self._patiently(
            "files.completeUploadExternal",
            lambda: self._client.files_upload_v2(
                channel=channel, thread_ts=thread, file_uploads=[dict(each) for each in files]
            ),
        )

    def reply(self, address: str, words: str) -> None:
        """Answer a command where it was typed, for whoever typed it alone; only Slack's address will do."""
        if not address.startswith(self._replies_at):
            raise Refused(f"Slack: answers go to {self._replies_at}, not to where this command says")
        client = WebhookClient(address, timeout=max(1, round(self.settings.timeout)), retry_handlers=[])
        try:
            answer = client.send(text=words, response_type="ephemeral")
        except (OSError, HTTPException) as error:
            raise Unavailable(f"Slack: an answer was not taken ({type(error).__name__})") from error
        if answer.status_code != HTTPStatus.OK:
            raise Refused(f"Slack: an answer was refused (HTTP {answer.status_code}): {answer.body[:200]}")

    @property
    def _replies_at(self) -> str:
        base = self.settings.base_url
        return "https://hooks.slack.com/" if base == SLACK else base.removesuffix("api/")

    @cached_property
    def _client(self) -> WebClient:
        # No retries by the library: it repeats a post after a broken connection, which may post twice.
        return WebClient(
            token=self.settings.token.get_secret_value(),
            base_url=self.settings.base_url,
            timeout=max(1, round(self.settings.timeout)),
            retry_handlers=[],
        )

    def _patiently(self, method: str, ask: Callable[[], Any]) -> Body:
        for _ in range(TRIES - 1):
            answer = _asked(method, ask)
            if not isinstance(answer, _Wait):
                return answer
            self.pause(answer.seconds)
        last = _asked(method, ask)
        if isinstance(last, _Wait):
            raise _busy(method, last.seconds)
        return last


@dataclass(frozen=True)
class _Wait:
    """Slack asks to wait, and for no longer than our patience."""

    seconds: float


def _asked(method: str, ask: Callable[[], Any]) -> Body | _Wait:
    try:
        answer = ask()
    except SlackApiError as error:
        return _understand(method, error)
    except (OSError, HTTPException, SlackClientError) as error:
        raise Unavailable(f"Slack: {method} got no answer ({type(error).__name__}); try again") from error
    return answer.data if isinstance(answer.data, dict) else {}


def _understand(method: str, error: SlackApiError) -> _Wait:
    """Say what an error of Slack's means to us; only the wish to wait is no error."""
    status = int(getattr(error.response, "status_code", 0))
    said = error.response.get("error") if isinstance(error.response.data, dict) else None
    # Where the answer was no JSON, the library puts all of it here; that may be anything, a token too.
    code = said if isinstance(said, str) and _CODE.fullmatch(said) else f"HTTP {status}"
    if status == HTTPStatus.TOO_MANY_REQUESTS or code in {"ratelimited", "rate_limited"}:
        seconds = _retry_after(error)
        if seconds <= PATIENCE:
            return _Wait(seconds)
        raise _busy(method, seconds) from None
    if code in _TOO_LONG:
        raise TooLarge(f"Slack: {method} finds the message too long ({code})") from None
    if code in _GONE:
        raise NotFound(f"Slack: the message to update is gone ({code})") from None
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or code in _PASSING:
        raise Unavailable(f"Slack: {method} failed on Slack's side ({code}); try again") from None
    raise Refused(f"Slack: {method} was refused ({code}): {_advice(code)}") from None


def _advice(code: str) -> str:
    return _WHAT_TO_DO.get(
        code, "see this error in Slack's documentation; check `base_url` if it is none of Slack's"
    )


def _busy(method: str, seconds: float) -> Unavailable:
    return Unavailable(f"Slack: {method} is rate-limited; try again in {seconds:g} s")


def _retry_after(error: SlackApiError) -> float:
    headers = {name.lower(): value for name, value in error.response.headers.items()}
    try:
        return max(0.0, float(headers.get("retry-after", UNKNOWN_WAIT)))
    except (TypeError, ValueError):
        return UNKNOWN_WAIT
