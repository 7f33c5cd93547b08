import asyncio

import pytest

from demo.failures import PoolExhausted
from demo.pool import Pool
from demo.topology import PoolLimits


def make_pool(size: int, queue: int = 10) -> Pool:
    """A pool whose workers need no reset."""
    return Pool(PoolLimits(size=size, queue=queue, recycle_ms=0))


async def settle() -> None:
    """Let everything happen that can happen now."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_free_worker_is_lent_at_once() -> None:
    pool = make_pool(1)
    await pool.take()
    assert (pool.in_use, pool.pending) == (1, 0)


async def test_who_finds_no_worker_waits_in_line() -> None:
    pool = make_pool(1)
    await pool.take()
    waiting = asyncio.create_task(pool.take())
    await settle()
    assert (pool.pending, waiting.done()) == (1, False)
    waiting.cancel()


async def test_a_returned_worker_goes_to_the_first_in_line() -> None:
    pool = make_pool(1)
    await pool.take()
    first, second = asyncio.create_task(pool.take()), asyncio.create_task(pool.take())
    await settle()
    pool.give_back()
    await first
    assert not second.done()
    second.cancel()


async def test_a_full_line_turns_people_away() -> None:
    pool = make_pool(1, queue=0)
    await pool.take()
    with pytest.raises(PoolExhausted, match="all 1 workers are busy"):
        await pool.take()


async def test_a_larger_pool_lets_those_who_wait_in() -> None:
    pool = make_pool(1)
    await pool.take()
    waiting = asyncio.create_task(pool.take())
    await settle()
    pool.resize(PoolLimits(size=2, queue=10, recycle_ms=0))
    await waiting
    assert pool.in_use == 2


async def test_a_smaller_pool_throws_nobody_out() -> None:
    pool = make_pool(2)
    await pool.take()
    await pool.take()
    pool.resize(PoolLimits(size=1, queue=10, recycle_ms=0))
    assert pool.in_use == 2


async def test_who_gives_up_waiting_leaves_the_line() -> None:
    pool = make_pool(1)
    await pool.take()
    waiting = asyncio.create_task(pool.take())
    await settle()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert pool.pending == 0


async def test_a_worker_given_to_somebody_who_just_left_is_not_lost() -> None:
    pool = make_pool(1)
    await pool.take()
    waiting = asyncio.create_task(pool.take())
    await settle()
    pool._reset_done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert pool.in_use == 0
