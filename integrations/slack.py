"""Slack: one message an incident, kept up to date in place; details and milestones in its thread.

Slack has no key by which it would recognise a repeated post, so what was posted where is remembered outside
(`integrations.ports.MessageRefs`): a post is claimed, sent, then put on record. Two workers therefore never
post the same part; a process that dies between sending and recording costs one repeated post, none is lost.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from http import HTTPStatus
from http.client import HTTPException
from typing import Any

from pydantic import Field, SecretStr
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from causal.errors import AitiaError, NotFound, Refused, TooLarge, Unavailable
from integrations.ports import MessageRef, MessageRefs
from integrations.slack_blocks import FULL, SHORT, blocks, fallback
from playbooks.page import Page
from playbooks.remedy import Duration, Written
from playbooks.render import ticket_page
from playbooks.ticket import Ticket, TicketStatus

MESSAGE, DETAILS = "message", "details"
LEASE = 30.0
PATIENCE = 5.0
TRIES = 3
UNKNOWN_WAIT = 30.0

Body = Mapping[str, Any]

# Which section of the ticket is the news when it reaches a status.
_NEWS: Mapping[TicketStatus, str] = {
    "planning": "Likely causes",
    "waiting_for_approval": "Your answer",
    "executing": "Approval",
    "declined": "Approval",
    "left_to_humans": "What may be done",
    "recovered": "What was done",
    "not_recovered": "What was done",
    "failed": "What was done",
}

_WHAT_TO_DO = {
    "not_in_channel": "Aitia's app is not in the channel; invite it there with /invite",
    "channel_not_found": "no such channel, or the app may not see it; check `channel` and /invite the app",
    "is_archived": "the channel is archived; set another `channel`",
    "invalid_auth": "Slack does not know the token; set a valid bot token (xoxb-…)",
    "not_authed": "no token was sent; set a bot token (xoxb-…)",
    "account_inactive": "the token's app or user was removed; install the app again and set its new token",
    "token_revoked": "the token was revoked; install the app again and set its new token",
    "token_expired": "the token has expired; set a new one",
    "missing_scope": "the token lacks a scope; give the app chat:write and install it again",
    "restricted_action": "a rule of the workspace forbids apps to post there; ask its administrator",
}
_PASSING = {"internal_error", "fatal_error", "service_unavailable", "request_timeout"}
_TOO_LONG = {"msg_too_long", "msg_blocks_too_long", "invalid_blocks", "invalid_blocks_format"}
_CODE = re.compile(r"[a-z][a-z0-9_]{2,60}")
_GONE = {"message_not_found", "cant_update_message", "edit_window_closed"}


class SlackSettings(Written):
    """Where and as whom to post; ``base_url`` is Slack's own unless something stands before it."""

    token: SecretStr
    channel: str = Field(min_length=1)
    base_url: str = "https://slack.com/api/"
    timeout: Duration = 10.0


@dataclass(frozen=True)
class SlackNotifier:
    """A `integrations.ports.Notifier` that shows each ticket in one Slack message and its thread.

    Raises Refused (with what to do) where Slack will not take it, Unavailable where trying again may help.
    Waits for a rate limit at most ``PATIENCE`` seconds at a time, by ``pause``.
    """

    settings: SlackSettings
    refs: MessageRefs
    clock: Callable[[], float] = time.time
    pause: Callable[[float], None] = time.sleep

    def publish(self, ticket: Ticket) -> None:
        """Show the ticket: post or update its message and its details, and tell each new status once."""
        brief = ticket_page(ticket, detailed=False)
        message = self._show(ticket, MESSAGE, brief)
        if ticket.updated_at < message.shown_at:
            return
        self._show(ticket, DETAILS, ticket_page(ticket), thread=message.ts)
        if self.refs.get(ticket.id, _milestone(ticket)) is None:
            self._post(ticket, _milestone(ticket), _news(ticket, brief), thread=message.ts)

    def ping(self) -> str:
        """Ask Slack whether it accepts the token; returns the name of the workspace."""
        return str(self._call("auth.test", {}).get("team", ""))

    def _show(self, ticket: Ticket, part: str, page: Page, thread: str = "") -> MessageRef:
        known = self.refs.get(ticket.id, part)
        if known is None:
            return self._post(ticket, part, page, thread=thread)
        if known.content == _digest(part, page) or ticket.updated_at < known.shown_at:
            return known
        try:
            return self._update(ticket, part, page, known)
        except NotFound:
            self._forget(ticket, part)
            return self._post(ticket, part, page, thread=thread)

    def _post(self, ticket: Ticket, part: str, page: Page, *, thread: str) -> MessageRef:
        if not self.refs.claim(ticket.id, part, now=self.clock(), lease=LEASE):
            raise Unavailable(
                f"Slack: somebody else is posting the {part} of {ticket.id} just now; try again soon"
            )
        where = {"channel": self.settings.channel, "unfurl_links": False, "unfurl_media": False}
        try:
            answer = self._write(
                "chat.postMessage", part, page, where | ({"thread_ts": thread} if thread else {})
            )
        except AitiaError:
            self.refs.release(ticket.id, part)
            raise
        return self._record(ticket, part, page, answer)

    def _update(self, ticket: Ticket, part: str, page: Page, known: MessageRef) -> MessageRef:
        answer = self._write("chat.update", part, page, {"channel": known.channel, "ts": known.ts})
        return self._record(ticket, part, page, answer)

    def _record(self, ticket: Ticket, part: str, page: Page, answer: Body) -> MessageRef:
        channel, ts = str(answer.get("channel", "")), str(answer.get("ts", ""))
        if not (channel and ts):
            raise Unavailable("Slack: the answer does not say where the message is; check `base_url`")
        ref = MessageRef(channel=channel, ts=ts, content=_digest(part, page), shown_at=ticket.updated_at)
        is_new = self.refs.get(ticket.id, part) is None
        self.refs.put(ticket.id, part, ref)
        if part == MESSAGE and is_new:
            self.refs.put(ticket.id, _milestone(ticket), ref)  # the message itself has told this status
        return ref

    def _forget(self, ticket: Ticket, part: str) -> None:
        """Forget a post that is gone, and with a message the details in its thread."""
        self.refs.release(ticket.id, part)
        if part == MESSAGE:
            self.refs.release(ticket.id, DETAILS)

    def _write(self, method: str, part: str, page: Page, where: Body) -> Body:
        """Send the page in the fullest form that Slack takes."""
        for form in _forms(part, page):
            try:
                return self._call(method, {**where, **form})
            except TooLarge:
                continue
        raise Refused(f"Slack: {method} finds even the shortest form of {page.name} too long")

    def _call(self, method: str, body: Body) -> Body:
        for _ in range(TRIES - 1):
            answer = self._ask(method, body)
            if not isinstance(answer, _Wait):
                return answer
            self.pause(answer.seconds)
        last = self._ask(method, body)
        if isinstance(last, _Wait):
            raise _busy(method, last.seconds)
        return last

    def _ask(self, method: str, body: Body) -> Body | _Wait:
        try:
            answer = self._client.api_call(method, json=dict(body))
        except SlackApiError as error:
            return _understand(method, error)
        except (OSError, HTTPException, SlackClientError) as error:
            raise Unavailable(f"Slack: {method} got no answer ({type(error).__name__}); try again") from error
        return answer.data if isinstance(answer.data, dict) else {}

    @cached_property
    def _client(self) -> WebClient:
        # No retries by the library: it repeats a post after a broken connection, which may post twice.
        return WebClient(
            token=self.settings.token.get_secret_value(),
            base_url=self.settings.base_url,
            timeout=max(1, round(self.settings.timeout)),
            retry_handlers=[],
        )


@dataclass(frozen=True)
class _Wait:
    """Slack asks to wait, and for no longer than our patience."""

    seconds: float


def _milestone(ticket: Ticket) -> str:
    return f"status:{ticket.status}"


def _news(ticket: Ticket, page: Page) -> Page:
    told = tuple(section for section in page.sections if section.title == _NEWS.get(ticket.status))
    return replace(page, sections=told)


def _forms(part: str, page: Page) -> tuple[Body, ...]:
    """Write the page in full, shorter, and as bare text; only the message itself has a header."""
    text = fallback(page)
    header = part == MESSAGE
    full, short = (blocks(page, budget=budget, header=header) for budget in (FULL, SHORT))
    return {"text": text, "blocks": full}, {"text": text, "blocks": short}, {"text": text, "blocks": []}


def _digest(part: str, page: Page) -> str:
    return hashlib.sha256(json.dumps(_forms(part, page)[0]).encode()).hexdigest()


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
