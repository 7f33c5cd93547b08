"""A pool of workers: how many requests a service handles at once.

Who finds no worker free waits in line, unless the line is full. A returned worker is reset for a while before
it is lent again, so a pool that is too small is felt even when the work itself is quick. The limits may
change while requests are inside: nobody is thrown out, the new limits hold from the next loan.
"""

import asyncio
from collections import deque

from demo.failures import PoolExhausted
from demo.topology import PoolLimits


class Pool:
    """Workers of one service; belongs to one event loop."""

    def __init__(self, limits: PoolLimits) -> None:
        self.limits = limits
        self.in_use = 0
        self._line: deque[asyncio.Future[None]] = deque()

    @property
    def pending(self) -> int:
        """How many requests wait for a worker."""
        return len(self._line)

    def resize(self, limits: PoolLimits) -> None:
        """Let other limits hold from now on."""
        self.limits = limits
        self._lend()

    async def take(self) -> None:
        """Wait for a worker and hold it; raises ``PoolExhausted`` when the line is full."""
        if self.in_use < self.limits.size and not self._line:
            self.in_use += 1
            return
        if len(self._line) >= self.limits.queue:
            raise PoolExhausted(
                f"all {self.limits.size} workers are busy and {len(self._line)} requests wait"
            )
        turn = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            self._leave(turn)
            raise

    def give_back(self) -> None:
        """Return a worker; it is lent again once it has been reset."""
        asyncio.get_running_loop().call_later(self.limits.recycle_ms / 1000, self._reset_done)

    def _reset_done(self) -> None:
        self.in_use -= 1
        self._lend()

    def _lend(self) -> None:
        while self._line and self.in_use < self.limits.size:
            turn = self._line.popleft()
            if not turn.done():
                self.in_use += 1
                turn.set_result(None)

    def _leave(self, turn: asyncio.Future[None]) -> None:
        """Somebody stopped waiting, perhaps in the very moment they were given a worker."""
        if turn in self._line:
            self._line.remove(turn)
        elif not turn.cancelled():
            self._reset_done()
