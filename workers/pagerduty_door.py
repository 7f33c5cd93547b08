"""What PagerDuty tells: incidents are alerts of ours, and a responder's note may answer a question.

Who answers is known by the e-mail address of their PagerDuty user in people.yaml. PagerDuty delivers at least
once and signs no time, so the ids of events are remembered for longer than it repeats them. An event counts
as taken once its alert is durable; an answer is carried out after that, and what became of it is a note.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import structlog
from starlette.concurrency import run_in_threadpool

from causal.errors import AitiaError
from integrations.alertmanager import AlertNotice
from integrations.pagerduty_alerts import notice_of
from integrations.pagerduty_answers import PagerAnswer, answer_in
from integrations.pagerduty_api import PagerDutyRest
from integrations.pagerduty_webhooks import REMEMBER_SECONDS, PagerEvent
from integrations.ports import SeenEvents
from playbooks.people import People
from workers.answering import Answering, Speaker, Verdict, how_it_stands, speaker_of

NO_REST = "no pagerduty_token is set, so nobody in PagerDuty can be told from anybody"
log = structlog.get_logger()

Work = Callable[[], Awaitable[None]]
TakeAlerts = Callable[[tuple[AlertNotice, ...]], Awaitable[object]]


@dataclass(frozen=True)
class PagerDutyDoor:
    """Takes events; without ``rest`` nobody can answer from there, for nobody can be recognised."""

    answering: Answering
    people: Callable[[], People | None]
    seen: SeenEvents
    rest: PagerDutyRest | None

    async def take(self, event: PagerEvent, alert: TakeAlerts) -> Work | None:
        """Make an event durable; gives what is to be done once PagerDuty has its receipt, if anything is."""
        key, now = f"pagerduty:{event.id}", time.time()
        if await run_in_threadpool(self.seen.seen, key, now=now):
            return None
        if notice := notice_of(event, received_at=now):
            await alert((notice,))  # before it is remembered: what fails here comes again and is taken then
        is_first = await run_in_threadpool(self.seen.first, key, now=now, keep=REMEMBER_SECONDS)
        answer = answer_in(event)
        if answer is None or not is_first:
            return None
        return partial(self.answer, event, answer)

    async def answer(self, event: PagerEvent, answer: PagerAnswer) -> None:
        """Answer for a responder, and write a note of how it went; raises nothing."""
        try:
            speaker = await run_in_threadpool(self._speaker, event.by)
            question = await self.answering.question_of(answer.token, speaker)
            verdict = Verdict(answer.approve, answer.because)
            says = how_it_stands(await self.answering.answer(question, answer.token, verdict, speaker))
        except AitiaError as error:
            says = f"This did not count: {error}"
        except Exception:  # the last who could tell whoever answered; the log has the rest
            log.exception("an answer from PagerDuty failed", key=event.id)
            says = "This did not count, by a mistake of Aitia's own; its log says more."
        await run_in_threadpool(self._tell, event.incident, says)

    def _speaker(self, user: str) -> Speaker:
        who = f"PagerDuty user {user or 'without an id'}"
        if self.rest is None:
            return Speaker(who, stranger=NO_REST)
        email = self.rest.email_of(user)
        return speaker_of(self.people(), lambda people: people.of_email(email), f"{who} ({email})")

    def _tell(self, incident: str, says: str) -> None:
        try:
            if self.rest is None:
                log.warning("no note in PagerDuty", incident=incident, says=says, because=NO_REST)
            else:
                self.rest.write_note(incident, says)
        except AitiaError as error:
            log.warning("no note in PagerDuty", incident=incident, says=says, error=str(error))
