"""One process of the shop under watch: started again when it ends by itself, or kept dead on purpose."""

import asyncio
import logging
import signal
import time
from collections.abc import Callable

from demo.places import ShopFolder

_log = logging.getLogger("shopkeeper")
_BACKOFF_SECONDS = 0.5
_GRACE_SECONDS = 4.0


class Child:
    """A process by name; belongs to one event loop. ``on_end`` is told each time the process has ended."""

    def __init__(self, name: str, argv: list[str], folder: ShopFolder, on_end: Callable[[str], None]) -> None:
        self.name = name
        self.restarts = 0
        self.turn = asyncio.Lock()  # one thing at a time is done to a process
        self._argv = argv
        self._folder = folder
        self._on_end = on_end
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process' id; None while it does not run."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start the process, and again whenever it ends by itself."""
        await self._spawn()
        self._watch = asyncio.create_task(self._keep_alive())

    async def stop(self, *, kill: bool = False) -> None:
        """End the process and do not start it again; with ``kill`` at once."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            await self._gone(self._process)
        self._ended()

    async def _gone(self, process: asyncio.subprocess.Process) -> None:
        try:
            async with asyncio.timeout(_GRACE_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _spawn(self) -> None:
        self._folder.log(self.name).parent.mkdir(parents=True, exist_ok=True)
        with self._folder.log(self.name).open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._argv, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )

    async def _keep_alive(self) -> None:
        while self._process is not None:
            began = time.monotonic()
            code = await self._process.wait()
            _log.warning("%s ended by itself (%d) after %.0f s", self.name, code, time.monotonic() - began)
            self._ended()
            await asyncio.sleep(_BACKOFF_SECONDS)
            self.restarts += 1
            await self._spawn()

    def _ended(self) -> None:
        self._folder.pid(self.name).unlink(missing_ok=True)
        self._on_end(self.name)
