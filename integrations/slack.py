"""Slack: one message an incident, kept up to date in place; details and milestones in its thread.

Slack has no key by which it would recognise a repeated post, so what was posted where is remembered outside
(`integrations.ports.MessageRefs`): a post is claimed, sent, then put on record. Two workers therefore never
post the same part; a process that dies between sending and recording costs one repeated post, none is lost.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

from causal.errors import AitiaError, NotFound, Refused, TooLarge, Unavailable
from integrations.ports import MessageRef, MessageRefs
from integrations.slack_api import Body, SlackApi, SlackSettings
from integrations.slack_blocks import FULL, SHORT, Block, Budget, blocks, fallback, plain_section
from integrations.slack_evidence import attachments, evidence_part
from integrations.slack_views import buttons
from playbooks.page import Page
from playbooks.remedy import ApprovalRequest
from playbooks.render import ticket_page
from playbooks.ticket import Ticket, TicketStatus

__all__ = ["SlackNotifier", "SlackSettings"]

MESSAGE, DETAILS = "message", "details"
LEASE = 30.0

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


@dataclass(frozen=True)
class SlackNotifier:
    """A `integrations.ports.Notifier` that shows each ticket in one Slack message and its thread.

    With ``token``, which gives the one-shot token of the next answer, an open question has buttons; they are
    gone once it is answered. Raises Refused (with what to do) where Slack will not take it, Unavailable where
    trying again may help.
    """

    settings: SlackSettings
    refs: MessageRefs
    token: Callable[[ApprovalRequest], str] | None = None
    clock: Callable[[], float] = time.time
    pause: Callable[[float], None] = time.sleep

    def publish(self, ticket: Ticket) -> None:
        """Show the ticket: post or update its message and its details, and tell each new status once."""
        brief = ticket_page(ticket, detailed=False)
        message = self._show(ticket, _Post(MESSAGE, brief, self._buttons(ticket)))
        if ticket.updated_at < message.shown_at:
            return
        self._show(ticket, _Post(DETAILS, ticket_page(ticket)), thread=message.ts)
        if self.refs.get(ticket.id, _milestone(ticket)) is None:
            self._post(ticket, _Post(_milestone(ticket), _news(ticket, brief)), thread=message.ts)
        self._attach(ticket, message)

    def ping(self) -> str:
        """Ask Slack whether it accepts the token; returns the name of the workspace."""
        return str(self._api.call("auth.test", {}).get("team", ""))

    def _buttons(self, ticket: Ticket) -> tuple[Block, ...]:
        question = ticket.approval
        if self.token is None or question is None or question.status != "open":
            return ()
        return (buttons(question, self.token(question)),)

    def _show(self, ticket: Ticket, post: _Post, thread: str = "") -> MessageRef:
        known = self.refs.get(ticket.id, post.part)
        if known is None:
            return self._post(ticket, post, thread=thread)
        if known.content == post.digest() or ticket.updated_at < known.shown_at:
            return known
        try:
            return self._update(ticket, post, known)
        except NotFound:
            self._forget(ticket, post.part)
            return self._post(ticket, post, thread=thread)

    def _post(self, ticket: Ticket, post: _Post, *, thread: str) -> MessageRef:
        where = {"channel": self.settings.channel, "unfurl_links": False, "unfurl_media": False}
        threaded = {"thread_ts": thread} if thread else {}
        with self._claimed(ticket, post.part):
            answer = self._write("chat.postMessage", post, where | threaded)
        return self._record(ticket, post, answer)

    def _update(self, ticket: Ticket, post: _Post, known: MessageRef) -> MessageRef:
        answer = self._write("chat.update", post, {"channel": known.channel, "ts": known.ts})
        return self._record(ticket, post, answer)

    def _attach(self, ticket: Ticket, message: MessageRef) -> None:
        """Attach the files of a diagnosis to the thread, once; what Slack will not take is not sent again."""
        part = evidence_part(ticket)
        if not part or self.refs.get(ticket.id, part) is not None:
            return
        files, sent = attachments(ticket), MessageRef(channel=message.channel, ts=message.ts)
        with self._claimed(ticket, part):
            try:
                if files:
                    self._api.upload(message.channel, message.ts, files)
            except Refused:
                self.refs.put(ticket.id, part, sent)
                raise
        self.refs.put(ticket.id, part, sent)

    @contextmanager
    def _claimed(self, ticket: Ticket, part: str) -> Iterator[None]:
        if not self.refs.claim(ticket.id, part, now=self.clock(), lease=LEASE):
            raise Unavailable(
                f"Slack: somebody else is posting the {part} of {ticket.id} just now; try again soon"
            )
        try:
            yield
        except AitiaError:
            if self.refs.get(ticket.id, part) is None:
                self.refs.release(ticket.id, part)
            raise

    def _record(self, ticket: Ticket, post: _Post, answer: Body) -> MessageRef:
        channel, ts = str(answer.get("channel", "")), str(answer.get("ts", ""))
        if not (channel and ts):
            raise Unavailable("Slack: the answer does not say where the message is; check `base_url`")
        ref = MessageRef(channel=channel, ts=ts, content=post.digest(), shown_at=ticket.updated_at)
        is_new = self.refs.get(ticket.id, post.part) is None
        self.refs.put(ticket.id, post.part, ref)
        if post.part == MESSAGE and is_new:
            self.refs.put(ticket.id, _milestone(ticket), ref)  # the message itself has told this status
        return ref

    def _forget(self, ticket: Ticket, part: str) -> None:
        """Forget a post that is gone, and with a message the details in its thread."""
        self.refs.release(ticket.id, part)
        if part == MESSAGE:
            self.refs.release(ticket.id, DETAILS)

    def _write(self, method: str, post: _Post, where: Body) -> Body:
        """Send the post in the fullest form that Slack takes."""
        for form in post.forms():
            try:
                return self._api.call(method, {**where, **form})
            except TooLarge:
                continue
        raise Refused(f"Slack: {method} finds even the shortest form of {post.page.name} too long")

    @cached_property
    def _api(self) -> SlackApi:
        return SlackApi(self.settings, self.pause)


@dataclass(frozen=True)
class _Post:
    """One message as it is to be seen: which part of the incident it is, its page, and buttons under it."""

    part: str
    page: Page
    buttons: tuple[Block, ...] = ()

    def forms(self) -> tuple[Body, ...]:
        """Write it in full, shorter, and as bare text; only the message itself has a header."""
        text, last = fallback(self.page), list(self.buttons)
        bare = [plain_section(text), *last] if last else []
        return (
            {"text": text, "blocks": [*self._blocks(FULL), *last]},
            {"text": text, "blocks": [*self._blocks(SHORT), *last]},
            {"text": text, "blocks": bare},
        )

    def digest(self) -> str:
        """Tell whether it looks as before."""
        return hashlib.sha256(json.dumps(self.forms()[0]).encode()).hexdigest()

    def _blocks(self, budget: Budget) -> list[Block]:
        room = budget.without(list(self.buttons))
        return blocks(self.page, budget=room, header=self.part == MESSAGE)


def _milestone(ticket: Ticket) -> str:
    return f"status:{ticket.status}"


def _news(ticket: Ticket, page: Page) -> Page:
    told = tuple(section for section in page.sections if section.title == _NEWS.get(ticket.status))
    return replace(page, sections=told)
