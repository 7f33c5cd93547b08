"""The embedded Temporal server of `aitia up`: started again where it was if it dies."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from causal.errors import Conflict, Unavailable
from integrations.temporal_server import DevServer, DevServerSettings, start_dev_server

Tell = Callable[[str], None]
PAUSES_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass
class Temporal:
    """A server that runs; its state is in a file, so that workflows go on where they were."""

    binary: Path
    wanted: DevServerSettings
    server: DevServer
    running: AsyncExitStack

    async def keep(self, tell: Tell, changed: Callable[[], None]) -> None:
        """Wait for its end and start it again on the same ports, for ever."""
        while True:
            code = await self.server.ended()
            tell(f"the Temporal server ended ({code}); starting it again, see {self.server.log}")
            await self.running.aclose()
            await self._start_again(tell)
            changed()

    async def _start_again(self, tell: Tell) -> None:
        wanted = _at_the_ports_of(self.server, self.wanted)
        for pause in itertools.chain(PAUSES_SECONDS, itertools.repeat(PAUSES_SECONDS[-1])):
            try:
                self.server = await self.running.enter_async_context(start_dev_server(self.binary, wanted))
            except (Conflict, Unavailable) as error:
                tell(str(error))
                await asyncio.sleep(pause)
            else:
                return


def _at_the_ports_of(server: DevServer, wanted: DevServerSettings) -> DevServerSettings:
    ports = [int(address.rpartition(":")[2]) for address in (server.address, server.ui) if address]
    return replace(wanted, port=ports[0], ui_port=ports[1] if server.ui else None)
