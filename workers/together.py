"""Work that comes at the same time is done at the same time: while one batch is being done, the next gathers.

This is group commit (DeWitt et al., "Implementation techniques for main memory database systems", 1984) for
whatever costs more by the piece than by the dozen. Nobody waits for company: who comes alone goes alone. What
waits is bounded; above the bound the answer is Unavailable, at once, so that the sender comes again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from causal.errors import AitiaError, Unavailable

Task = TypeVar("Task")
Answer = TypeVar("Answer")


@dataclass
class _Waiting(Generic[Task, Answer]):
    task: Task
    answer: asyncio.Future[Answer]


@dataclass
class Together(Generic[Task, Answer]):
    """Does tasks in batches; of one event loop.

    ``do`` answers each task of a batch, in their order. ``size`` says how much of the bound ``most`` a task
    takes; one that is larger than the bound is done if nothing else waits.
    """

    do: Callable[[Sequence[Task]], Awaitable[Sequence[Answer]]]
    size: Callable[[Task], int]
    most: int
    _gathering: list[_Waiting[Task, Answer]] = field(default_factory=list, init=False)
    _held: int = field(default=0, init=False)
    _doing: asyncio.Task[None] | None = field(default=None, init=False)

    async def ask(self, task: Task) -> Answer:
        """Have a task done; raises what doing it raised, or Unavailable where too much waits already."""
        size = self.size(task)
        if self._held and self._held + size > self.most:
            raise Unavailable("too many alerts at one time; send them again later")
        self._held += size
        try:
            waiting = _Waiting[Task, Answer](task, asyncio.get_running_loop().create_future())
            self._gathering.append(waiting)
            if self._doing is None:
                self._doing = asyncio.create_task(self._do_all())
            return await waiting.answer
        finally:
            self._held -= size

    async def _do_all(self) -> None:
        try:
            while self._gathering:
                batch, self._gathering = self._gathering, []
                await self._answered(batch)
        finally:
            self._doing = None

    async def _answered(self, batch: Sequence[_Waiting[Task, Answer]]) -> None:
        """Do a batch; what is wrong with one task must not be the answer to the others."""
        try:
            answers = await self.do([waiting.task for waiting in batch])
        except Unavailable as error:
            _fail(batch, error)
        except AitiaError as error:
            if len(batch) == 1:
                _fail(batch, error)
            else:
                for waiting in batch:
                    await self._answered([waiting])
        except Exception as error:  # noqa: BLE001  whoever waits is told, whatever it was; nobody waits for ever
            _fail(batch, error)
        else:
            for waiting, answer in zip(batch, answers, strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(answer)


def _fail(batch: Sequence[_Waiting[Task, Answer]], error: Exception) -> None:
    for waiting in batch:
        if not waiting.answer.done():  # whoever asked may have gone
            waiting.answer.set_exception(error)
