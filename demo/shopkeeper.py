"""The shopkeeper's craft: put up a shop, break it, mend it, and know at every moment what is true.

All that changes the shop goes through here, one thing at a time for each service.
"""

import asyncio
import logging
import socket
import time
from typing import Any

import httpx

from demo.calls import open_http
from demo.children import Child
from demo.config_repository import ConfigRepository
from demo.configuration import (
    Setting,
    bad_prompt,
    bad_settings,
    edited,
    first_files,
    holds,
    parse_prompt,
    parse_settings,
    prompt_file,
    service_file,
)
from demo.errors import DidNotStart, Refused
from demo.faults import Ailment, BadConfig, BadPrompt, Commit, Dead, check_fault
from demo.ledger import Active, Ledger
from demo.places import ShopFolder, read_json
from demo.plan import read_plan, read_shop, write_plan
from demo.processes import LOOPBACK, command, reserve_port
from demo.topology import Topology

_log = logging.getLogger("shopkeeper")
_START_SECONDS = 120.0
_TRIES = 3
_ANSWER_SECONDS = 30.0
_LOOK_AGAIN = 0.05
_OK = 200
_NOT_FOUND = 404
LOAD = "load"


class Shopkeeper:
    """Everything of one shop; belongs to one event loop."""

    def __init__(self, folder: ShopFolder, parent: int) -> None:
        self.folder = folder
        self.topology: Topology = read_shop(folder)
        self.ledger = Ledger()
        self._repository = ConfigRepository(folder.config)
        self._reserved: dict[str, socket.socket] = {name: reserve_port() for name in self.topology.names}
        self._owner = {"Authorization": f"Bearer {folder.owner_token.read_text(encoding='ascii')}"}
        self._http: httpx.AsyncClient = open_http()
        own = str(parent)
        self._children = {
            name: Child(
                name, command("demo.service_process", folder, name, own), folder, self.ledger.process_ended
            )
            for name in self.topology.names
        }
        self._load = Child(LOAD, command("demo.load", folder, own), folder, lambda _: None)

    async def open(self) -> None:
        """Write the configuration, start every service, then let the customers in."""
        self._repository = await asyncio.to_thread(
            ConfigRepository.create, self.folder.config, dict(first_files(self.topology))
        )
        ports = {name: reserved.getsockname()[1] for name, reserved in self._reserved.items()}
        write_plan(self.folder, read_plan(self.folder).model_copy(update={"ports": ports}))
        for child in self._children.values():
            await child.start()
        await asyncio.gather(*(self._healthy(name) for name in self._children))
        await self._load.start()

    async def close(self) -> None:
        """Send the customers home and stop every service."""
        await self._load.stop(kill=True)
        await asyncio.gather(*(child.stop() for child in self._children.values()))
        await self._http.aclose()
        for reserved in self._reserved.values():
            reserved.close()

    def url(self, service: str) -> str:
        """Where a service listens."""
        return f"http://{LOOPBACK}:{self._reserved[service].getsockname()[1]}"

    async def restart(self, service: str) -> dict[str, Any]:
        """Stop a service's process and start another; returns its state once it is healthy."""
        child = self._child(service)
        async with child.turn:
            await child.stop()
            await child.start()
            state = await self._healthy(service)
        self.ledger.configuration_read(service, self._repository.read)
        return state

    async def reload(self, service: str) -> dict[str, Any]:
        """Have a service put into effect what is committed; returns its state."""
        self._child(service)
        state = await self._tell(service, "reload")
        self.ledger.configuration_read(service, self._repository.read)
        return state

    async def break_down(self, fault: Commit | Ailment | Dead) -> dict[str, Any]:
        """Switch a fault on; returns what was done, and the commit if it is one. Raises ``Refused``."""
        misfits = list(check_fault(fault, self.topology))
        if misfits:
            raise Refused("; ".join(misfit.says for misfit in misfits))
        match fault:
            case BadConfig() | BadPrompt():
                return await self._commit(fault)
            case Dead():
                await self._kill(fault)
                return {"service": fault.service, "says": f"{fault.service} was killed and is kept dead"}
            case _:
                await self._tell(fault.service, "catch", fault.model_dump_json())
                self.ledger.note(fault)
                return {"service": fault.service, "says": f"{fault.service} suffers from {fault.kind}"}

    async def heal(self) -> list[str]:
        """Undo every fault that is on, the newest first; returns what was done."""
        return [await self._undo(on) for on in reversed(self.ledger.active)]

    async def services(self) -> list[dict[str, Any]]:
        """Every service as it is at the moment."""
        return list(await asyncio.gather(*(self._seen(name) for name in self.topology.names)))

    def fares(self) -> list[dict[str, Any]]:
        """How the customers fare."""
        return list(read_json(self.folder.load) or [])

    async def _kill(self, fault: Dead) -> None:
        child = self._child(fault.service)
        async with child.turn:
            await child.stop(kill=True)
            self.ledger.note(fault)

    async def _commit(self, fault: Commit) -> dict[str, Any]:
        commit, file, written = await asyncio.to_thread(self._write_badly, fault)
        await self.reload(fault.service)
        self.ledger.note(fault, commit, file, written)
        changed = ", ".join(f"{'.'.join(path)} = {str(value)[:40]}" for path, value in written)
        says = (
            f"commit {commit[:10]} to {file} ({changed}) is in effect: {fault.service} is now misconfigured"
        )
        return {"service": fault.service, "commit": commit, "says": says}

    def _write_badly(self, fault: Commit) -> tuple[str, str, tuple[Setting, ...]]:
        file = service_file(fault.service) if isinstance(fault, BadConfig) else prompt_file(fault.service)
        text = self._repository.read(file)
        if isinstance(fault, BadConfig):
            written = tuple(bad_settings(fault, parse_settings(text, file)))
        else:
            written = tuple(bad_prompt(fault, parse_prompt(text, file)))
        changed = tuple((path, value) for path, value in written if not holds(text, path, value))
        if not changed:
            raise Refused(f"{file} says so already")
        message = fault.message.replace("{service}", fault.service)
        return self._repository.commit({file: edited(text, dict(changed))}, message), file, changed

    async def _undo(self, on: Active) -> str:
        service = on.fault.service
        if on.commit is not None:
            await asyncio.to_thread(self._repository.revert, on.commit)
            await self.reload(service)
            return f"reverted {on.commit[:10]} and reloaded {service}"
        if isinstance(on.fault, Dead):
            await self.restart(service)
            return f"started {service}"
        await self._tell(service, "recover")
        self.ledger.process_ended(service)
        return f"{service} recovered from {on.fault.kind}"

    async def _tell(self, service: str, order: str, body: str = "") -> dict[str, Any]:
        """Give an order to a service's process."""
        if self._child(service).pid is None:
            raise Refused(f"{service} does not run")
        try:
            answer = await self._http.post(
                f"{self.url(service)}/-/{order}", content=body, headers=self._owner, timeout=_ANSWER_SECONDS
            )
        except httpx.TransportError as broken:
            raise Refused(f"{service} did not answer: {type(broken).__name__}") from broken
        said: dict[str, Any] = answer.json()
        if answer.status_code != _OK:
            raise Refused(f"{service}: {said.get('error', answer.status_code)}")
        return said

    async def _healthy(self, service: str) -> dict[str, Any]:
        """Wait until a service answers; raises ``DidNotStart``, at once when it ends again and again."""
        child = self._child(service)
        tries, deadline = child.restarts + _TRIES, time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and child.restarts < tries:
            state = await self._state(service)
            if state is not None and state["pid"] == child.pid:
                return state
            await asyncio.sleep(_LOOK_AGAIN)
        raise DidNotStart(f"{service} is not healthy; see {self.folder.log(service)}")

    async def _state(self, service: str) -> dict[str, Any] | None:
        try:
            answer = await self._http.get(f"{self.url(service)}/-/health", timeout=2)
        except httpx.TransportError:
            return None
        state: dict[str, Any] = answer.json()
        return state

    async def _seen(self, service: str) -> dict[str, Any]:
        child = self._child(service)
        base = {"service": service, "url": self.url(service), "pid": child.pid, "restarts": child.restarts}
        state = await self._state(service) if child.pid else None
        return base | (state or {}) | {"healthy": state is not None}

    def _child(self, service: str) -> Child:
        if service not in self._children:
            raise Refused(f"there is no service '{service}'", status=_NOT_FOUND)
        return self._children[service]
