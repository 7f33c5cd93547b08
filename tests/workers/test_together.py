"""What comes together is done together, what is wrong with one is not the answer to another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from causal.errors import Malformed, Unavailable
from workers.together import Together


@dataclass
class Slow:
    """Doubles numbers when it is let go; refuses some of them."""

    malformed: frozenset[int] = frozenset()
    away: bool = False
    batches: list[list[int]] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, batch: Sequence[int]) -> list[int]:
        self.batches.append(list(batch))
        await self.go.wait()
        if self.away:
            raise Unavailable("away")
        if self.malformed & set(batch):
            raise Malformed("odd")
        return [2 * number for number in batch]


async def asked(work: Together[int, int], *numbers: int) -> list[asyncio.Task[int]]:
    """Ask for each number, the first of which is begun with before the others come."""
    tasks = []
    for number in numbers:
        tasks.append(asyncio.create_task(work.ask(number)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    return tasks


async def test_who_comes_alone_goes_alone() -> None:
    slow = Slow()
    slow.go.set()
    assert await Together(slow, lambda _: 1, 9).ask(4) == 8


async def test_what_comes_in_the_meantime_is_one_batch() -> None:
    slow = Slow()
    tasks = await asked(Together(slow, lambda _: 1, 9), 1, 2, 3)
    slow.go.set()
    assert (await asyncio.gather(*tasks), slow.batches) == ([2, 4, 6], [[1], [2, 3]])


async def test_above_the_bound_the_answer_is_to_come_again() -> None:
    slow = Slow()
    work = Together(slow, lambda _: 1, 2)
    tasks = await asked(work, 1, 2)
    with pytest.raises(Unavailable, match="again"):
        await work.ask(3)
    slow.go.set()
    await asyncio.gather(*tasks)


async def test_room_is_given_back_when_a_task_is_done() -> None:
    slow = Slow()
    slow.go.set()
    work = Together(slow, lambda _: 1, 1)
    assert [await work.ask(1), await work.ask(2)] == [2, 4]


async def test_a_task_larger_than_the_bound_is_done_alone() -> None:
    slow = Slow()
    slow.go.set()
    assert await Together(slow, lambda _: 100, 5).ask(1) == 2


async def test_a_malformed_task_spoils_no_other() -> None:
    slow = Slow(malformed=frozenset({2}))
    tasks = await asked(Together(slow, lambda _: 1, 9), 1, 2, 3)
    slow.go.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [int, Malformed, int]


async def test_an_outage_is_everybodys() -> None:
    slow = Slow(away=True)
    tasks = await asked(Together(slow, lambda _: 1, 9), 1, 2, 3)
    slow.go.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(answer) for answer in answers} == {Unavailable}


async def test_after_an_outage_the_next_is_done_as_ever() -> None:
    slow = Slow(away=True)
    slow.go.set()
    work = Together(slow, lambda _: 1, 9)
    with pytest.raises(Unavailable):
        await work.ask(1)
    slow.away = False
    assert await work.ask(1) == 2


async def test_who_does_not_wait_any_longer_hinders_nobody() -> None:
    slow = Slow()
    gone, stays = await asked(Together(slow, lambda _: 1, 9), 1, 2)
    gone.cancel()
    slow.go.set()
    assert await stays == 4
