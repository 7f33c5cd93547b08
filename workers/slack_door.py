"""What people do in Slack: press a button, send a form, type a command; it came over HTTP or Socket Mode.

Who they are is known by their Slack user id in people.yaml, and what they may do by their roles there; the
channel says nothing. Slack waits three seconds for its receipt, so that is given first (`receipt`) and the
work is done after it (`handle`); how it went is told to whoever it was, and to nobody else. A press that
comes twice changes nothing, for its token counts once; a command that comes twice is done once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog
from starlette.concurrency import run_in_threadpool

from causal.errors import AitiaError, Refused
from causal.evidence import Fault
from integrations.ports import Incidents, SeenEvents
from integrations.slack_api import Body, SlackApi
from integrations.slack_blocks import FENCE, cut, escaped
from integrations.slack_requests import Commanded, Pressed, SlackRequest, Submitted
from integrations.slack_views import (
    APPROVE,
    BECAUSE,
    DECLINE,
    FAULT,
    SERVICE,
    SOMETHING_ELSE,
    decline_form,
    something_else_form,
)
from playbooks.people import OPERATOR, People
from playbooks.remedy import ApprovalRequest, Correction
from workers.answering import Answering, Speaker, Verdict, how_it_stands, speaker_of
from workers.slack_commands import Commands

LONGEST_REPLY = 3_000
REMEMBER_SECONDS = 86_400.0
OR_OPEN = ", or slack_open lets everybody in the workspace do all of this"
log = structlog.get_logger()


@dataclass(frozen=True)
class SlackDoor:
    """Serves people in Slack; without people.yaml all of them count as operators if ``open_to_all``."""

    answering: Answering
    commands: Commands
    incidents: Incidents
    people: Callable[[], People | None]
    slack: SlackApi
    seen: SeenEvents
    open_to_all: bool = False

    def receipt(self, request: SlackRequest | None) -> Body | None:
        """What Slack is given at once: nothing, or what is missing in a form."""
        if isinstance(request, Submitted) and request.form == DECLINE and not _because(request):
            return {"response_action": "errors", "errors": {BECAUSE: "A decline needs a reason."}}
        return None

    async def handle(self, request: SlackRequest) -> None:
        """Do what was asked for and tell who asked how it went; raises nothing."""
        if self.receipt(request) is not None:
            return
        try:
            says = await self._done(request)
        except AitiaError as error:
            says = f"This did not count: {error}"
        except Exception:  # what goes wrong for one person must not take the door from all others
            log.exception("a request from Slack failed", user=request.user)
            says = "This did not count, by a mistake of Aitia's own; its log says more."
        if says:
            await run_in_threadpool(self._tell, request, says)

    async def _done(self, request: SlackRequest) -> str:
        speaker = await run_in_threadpool(self._speaker, request.user)
        match request:
            case Pressed():
                return await self._pressed(request, speaker)
            case Submitted():
                question = await self.answering.question_of(request.value, speaker)
                verdict = _verdict(request)
                return how_it_stands(await self.answering.answer(question, request.value, verdict, speaker))
            case Commanded():
                if await run_in_threadpool(self._again, request):
                    return ""
                return await self.commands.run(request.words, speaker)

    async def _pressed(self, press: Pressed, speaker: Speaker) -> str:
        if press.action not in {APPROVE, DECLINE, SOMETHING_ELSE}:
            raise Refused(f"no button here is called {press.action}")
        question = await self.answering.question_of(press.value, speaker)
        if press.action == APPROVE:
            verdict = Verdict(approve=True)
            return how_it_stands(await self.answering.answer(question, press.value, verdict, speaker))
        await self.answering.allow(question, press.value, speaker)
        await run_in_threadpool(self._ask, press, question)
        return ""

    def _ask(self, press: Pressed, question: ApprovalRequest) -> None:
        if press.action == DECLINE:
            view = decline_form(question, press.value)
        else:
            view = something_else_form(question, press.value, self._services(question.incident))
        self.slack.call("views.open", {"trigger_id": press.trigger, "view": view})

    def _services(self, incident: str) -> tuple[str, ...]:
        """The services of a diagnosis, the likely ones first."""
        diagnosis = self.incidents.get(incident).diagnosis
        if diagnosis is None:
            return ()
        likely = [hypothesis.service for hypothesis in diagnosis.hypotheses]
        return tuple(dict.fromkeys([*likely, *(node.service for node in diagnosis.graph.nodes)]))

    def _again(self, typed: Commanded) -> bool:
        """Whether this command was delivered before; presses and forms carry a token that counts once."""
        if not typed.trigger:
            return False
        return not self.seen.first(f"slack:{typed.trigger}", now=time.time(), keep=REMEMBER_SECONDS)

    def _speaker(self, user: str) -> Speaker:
        people, who = self.people(), f"Slack user {user}"
        if people is None and self.open_to_all:
            return Speaker(who, (OPERATOR,))
        speaker = speaker_of(people, lambda known: known.of_slack(user), who)
        return replace(speaker, stranger=speaker.stranger + OR_OPEN) if people is None else speaker

    def _tell(self, request: SlackRequest, says: str) -> None:
        here = request.channel if isinstance(request, Pressed | Commanded) else ""
        words = {"channel": here or self.slack.settings.channel, "user": request.user, "text": _text(says)}
        try:
            self._whisper(request, words)
        except AitiaError as error:
            log.warning("somebody in Slack was not told", user=request.user, says=says, error=str(error))

    def _whisper(self, request: SlackRequest, words: dict[str, str]) -> None:
        try:
            self.slack.call("chat.postEphemeral", words)
        except Refused:
            if not isinstance(request, Commanded) or not request.reply_to:
                raise
            self.slack.reply(request.reply_to, words["text"])  # typed where the app is no member


def _text(says: str) -> str:
    """Plain words for Slack; what has several lines was made for a fixed width."""
    safe = escaped(cut(says, LONGEST_REPLY))
    return f"{FENCE}\n{safe.replace(FENCE, '')}\n{FENCE}" if "\n" in safe else safe


def _because(form: Submitted) -> str:
    return form.fields.get(BECAUSE, "").strip()


def _verdict(form: Submitted) -> Verdict:
    if form.form == DECLINE:
        return Verdict(approve=False, because=_because(form))
    service, fault = form.fields.get(SERVICE, "").strip(), form.fields.get(FAULT, "")
    if form.form != SOMETHING_ELSE or not service:
        raise Refused(f"no form here is called {form.form}, or it names no service")
    if fault not in set(Fault):
        raise Refused(f"no kind of fault is called {fault}")
    it_was = Correction(service=service, fault=Fault(fault))
    return Verdict(approve=False, because=_because(form), it_was=it_was)
