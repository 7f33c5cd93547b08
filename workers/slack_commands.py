"""``/aitia`` in Slack: the few words that somebody on call needs, for people who are known here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from causal.errors import NotFound, Refused
from integrations.ports import Incidents
from playbooks.remedy import ApprovalRequest
from playbooks.render import to_text
from playbooks.words import STATUSES, iso
from workers.answering import Answering, Speaker, Verdict, how_it_stands
from workers.braking import Brakes

HELP = """/aitia status: what is open, and what waits for an answer
/aitia explain ID: what is known about an incident
/aitia approve ID: carry out the plan that an incident asks about
/aitia decline ID because REASON: do not
/aitia stop-all because REASON: nothing is carried out any more, at once
/aitia resume because REASON: let plans be carried out again"""
MOST_SHOWN = 20
_WIDTH = 78

Command = Callable[[Sequence[str], Speaker], Awaitable[str]]


@dataclass(frozen=True)
class Commands:
    """Each command as a function of its words and of whose they are."""

    answering: Answering
    brakes: Brakes
    incidents: Incidents

    async def run(self, words: Sequence[str], speaker: Speaker) -> str:
        """Do what the words say, and say how it went; Refused for who may not, and for other words."""
        name, *rest = words or ("help",)
        if name == "help":
            return HELP
        if name not in self._known:
            raise Refused(f"there is no /aitia {name}\n{HELP}")
        return await self._known[name](rest, speaker)

    @property
    def _known(self) -> Mapping[str, Command]:
        return {
            "status": self._status,
            "explain": self._explain,
            "approve": self._approve,
            "decline": self._decline,
            "stop-all": self._stop,
            "resume": self._resume,
        }

    async def _status(self, words: Sequence[str], speaker: Speaker) -> str:
        del words
        _let_in(speaker)
        return await run_in_threadpool(self._overview)

    def _overview(self) -> str:
        stop = self.brakes.state()
        lines = [f"stopped by {stop.by} at {iso(stop.at)}: {stop.because}"] if stop.stopped else []
        tickets = [ticket for ticket in self.incidents.all() if ticket.ended_at is None]
        lines += [
            f"{ticket.id}  {STATUSES[ticket.status][0]}  {ticket.title}" for ticket in tickets[:MOST_SHOWN]
        ]
        lines += [f"and {len(tickets) - MOST_SHOWN} more"] if len(tickets) > MOST_SHOWN else []
        waiting = self.answering.approvals.open()
        lines += [f"{question.id} waits for an answer: {question.title}" for question in waiting[:MOST_SHOWN]]
        return "\n".join(lines) or "nothing is open"

    async def _explain(self, words: Sequence[str], speaker: Speaker) -> str:
        _let_in(speaker)
        incident = _one(words, "explain")
        return to_text(await run_in_threadpool(self.incidents.get, incident), width=_WIDTH)

    async def _approve(self, words: Sequence[str], speaker: Speaker) -> str:
        return await self._answer(_one(words, "approve"), Verdict(approve=True), speaker)

    async def _decline(self, words: Sequence[str], speaker: Speaker) -> str:
        because = _because(words[1:], "decline ID")
        return await self._answer(words[0], Verdict(approve=False, because=because), speaker)

    async def _answer(self, name: str, verdict: Verdict, speaker: Speaker) -> str:
        question = await self._question(name, speaker)
        token = self.answering.next_token(question)
        return how_it_stands(await self.answering.answer(question, token, verdict, speaker))

    async def _question(self, name: str, speaker: Speaker) -> ApprovalRequest:
        try:
            return await self.answering.by_name(name)
        except NotFound as error:
            _let_in(speaker)  # who is nobody here does not learn what there is
            raise Refused(f"{error}; /aitia status says what waits for an answer") from error

    async def _stop(self, words: Sequence[str], speaker: Speaker) -> str:
        because = _because(words, "stop-all")
        await self._may_brake(speaker, "stop everything")
        await run_in_threadpool(self.brakes.stop, speaker.name, because)
        return "everything is stopped; /aitia resume because REASON lets it go on"

    async def _resume(self, words: Sequence[str], speaker: Speaker) -> str:
        because = _because(words, "resume")
        await self._may_brake(speaker, "let it go on")
        await run_in_threadpool(self.brakes.resume, speaker.name, because)
        return "plans are carried out again"

    async def _may_brake(self, speaker: Speaker, wish: str) -> None:
        if reason := speaker.stranger or ("" if speaker.roles else f"{speaker.name} has no role"):
            await run_in_threadpool(self.brakes.refuse, speaker.name, wish, reason)
            raise Refused(reason)


def _let_in(speaker: Speaker) -> None:
    if speaker.stranger:
        raise Refused(speaker.stranger)


def _one(words: Sequence[str], command: str) -> str:
    if len(words) != 1:
        raise Refused(f"say which: /aitia {command} ID")
    return words[0]


def _because(words: Sequence[str], command: str) -> str:
    said = words[1:] if words[:1] == ["because"] else words
    if not said:
        raise Refused(f"say why: /aitia {command} because REASON")
    return " ".join(said)
