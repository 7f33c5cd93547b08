"""Faults that live in a service's process, and die with it.

They do what they say: a hog really burns its core, a leak really fills memory. Both stop the event loop, and
so every request of this process, as the real thing does; nothing is written into telemetry by hand.
"""

import asyncio
import random
import time

from demo.failures import RequestFailed
from demo.faults import Ailment, CpuHog, Errors, Latency, MemoryLeak, SlowPeer
from demo.gauges import MEGABYTE, resident_bytes

_FULL = 0.95  # a leak stops growing here, short of being killed
_TIGHT = 0.6  # from here on the process stops now and then to look for memory
_CEILING_MB = 400
_TICK = 0.25
_JITTER = 0.2


class Ailments:
    """What ails this process at the moment."""

    def __init__(self, memory_limit_mb: int, dice: random.Random) -> None:
        self.memory_limit_mb = memory_limit_mb
        self._dice = dice
        self._felt: list[Latency | Errors | SlowPeer] = []
        self._running: list[asyncio.Task[None]] = []
        self._leaked: list[bytearray] = []

    def catch(self, ailment: Ailment) -> None:
        """Begin to suffer from something."""
        match ailment:
            case CpuHog():
                self._running.append(asyncio.create_task(self._burn(ailment)))
            case MemoryLeak():
                self._running.append(asyncio.create_task(self._leak(ailment)))
            case _:
                self._felt.append(ailment)

    def recover(self) -> None:
        """Be well again."""
        for task in self._running:
            task.cancel()
        self._running.clear()
        self._felt.clear()
        self._leaked.clear()

    async def trouble(self, operation: str) -> None:
        """Let one request feel what is felt per request; raises ``RequestFailed``."""
        for ailment in self._felt:
            match ailment:
                case Latency(extra_ms=extra, share=share) if self._dice.random() < share:
                    await self._delay(extra)
                case SlowPeer(delay_ms=delay):
                    await self._delay(delay)
                case Errors(share=share) if self._dice.random() < share:
                    raise RequestFailed(f"{operation}: {ailment.message}", ailment.error)

    async def _delay(self, milliseconds: float) -> None:
        await asyncio.sleep(milliseconds / 1000 * self._dice.uniform(1 - _JITTER, 1 + _JITTER))

    async def _burn(self, hog: CpuHog) -> None:
        burst = hog.burst_ms / 1000
        rest = burst * (1 - hog.share) / hog.share
        while True:
            until = time.thread_time() + burst
            while time.thread_time() < until:
                pass
            await asyncio.sleep(rest)

    async def _leak(self, leak: MemoryLeak) -> None:
        while True:
            limit = min(self.memory_limit_mb, _CEILING_MB) * MEGABYTE
            used = resident_bytes() / limit
            if used < _FULL:
                self._leaked.append(bytearray(b"\x01") * int(leak.mb_per_second * _TICK * MEGABYTE))
            tightness = max(0.0, (used - _TIGHT) / (_FULL - _TIGHT))
            # Blocking on purpose: a collector that stops the world stops every request of the process.
            time.sleep(leak.pause_ms / 1000 * tightness)  # noqa: ASYNC251
            await asyncio.sleep(_TICK)
