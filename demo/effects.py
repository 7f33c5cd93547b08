"""What operators did to the shop, one line each, so that "took effect once" can be counted.

A key that was seen with a success is answered as it was then, and nothing is done. The line is on disk before
the answer goes out; a failure is not remembered, so it can be tried again.
"""

import asyncio
import json
import os
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from demo.errors import Refused

Answer = dict[str, Any]
Act = Callable[[], Awaitable[Answer]]
_UNPROCESSABLE = 422


class Effects:
    """The log of effects, and the answers by idempotency key."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._answers: dict[str, tuple[str, str, Answer]] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def once(self, action: str, service: str, key: str | None, act: Act) -> Answer:
        """Do something to a service, once per key; raises ``Refused`` for a key used for something else."""
        async with self._locks[service]:
            known = self._answers.get(key) if key is not None else None
            if known is None:
                answer = await act()
                self._append({"time": time.time(), "action": action, "service": service, "key": key})
                if key is not None:
                    self._answers[key] = (action, service, answer)
                return answer
        if known[:2] != (action, service):
            reason = f"the key '{key}' was used to {known[0]} {known[1]}"
            raise Refused(reason, status=_UNPROCESSABLE)
        return known[2]

    def all(self) -> list[dict[str, Any]]:
        """Every effect, oldest first."""
        if not self._path.exists():
            return []
        return [json.loads(line) for line in self._path.read_text(encoding="utf-8").splitlines()]

    def _append(self, effect: dict[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(effect) + "\n")
            file.flush()
            os.fsync(file.fileno())
