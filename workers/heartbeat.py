"""Every activity beats while it runs, so that a killed worker is noticed within seconds."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

EVERY_SECONDS = 3.0


class Heartbeats(Interceptor):
    """Makes every activity of a worker beat."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        return _Beating(next)


class _Beating(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        beat = asyncio.create_task(_beat(in_a_thread=not inspect.iscoroutinefunction(input.fn)))
        try:
            return await self.next.execute_activity(input)
        finally:
            beat.cancel()


async def _beat(*, in_a_thread: bool) -> None:
    """Beat for ever; what beats for a thread waits for the event loop, so it must not run on it."""
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        if in_a_thread:
            await asyncio.to_thread(activity.heartbeat)
        else:
            activity.heartbeat()
