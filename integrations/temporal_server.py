"""Temporal's dev server as a child process: a real server, one program, one database file.

It is the embedded default of orchestration. The workflows outlive it in the database file, so that a restart
goes on where the last run ended; without a file they live as long as the process does. In production the
address of a cluster takes its place, and nothing here is used.

    settings = DevServerSettings(log=home / "logs/temporal.log", database=home / "temporal.db")
    async with start_dev_server(find_binary(), settings) as server:
        client = await Client.connect(server.address)
"""

import asyncio
import contextlib
import os
import socket
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from causal.errors import Conflict, Unavailable
from integrations.leash import leashed
from integrations.temporal_binary import find_binary

__all__ = ["DevServer", "DevServerSettings", "find_binary", "start_dev_server"]

_STARTS = 3  # a free port may be taken by somebody else between our look and the server's bind
_GRACE = 10.0  # seconds from SIGTERM to SIGKILL


@dataclass(frozen=True)
class DevServerSettings:
    """What the server is started with; 0 as a port means any free one."""

    log: Path
    database: Path | None = None
    ip: str = "127.0.0.1"
    port: int = 0
    ui_port: int | None = 0
    """None: no web interface."""
    namespaces: Sequence[str] = ()
    """To be there at the start, besides `default`."""
    search_attributes: Mapping[str, str] = field(default_factory=dict)
    """Name to type: Keyword, KeywordList, Text, Int, Double, Bool, Datetime."""
    dynamic_config: Mapping[str, str] = field(default_factory=dict)
    """Key to value, the value as JSON."""
    starts_within: float = 60.0
    """Seconds until it must answer."""


@dataclass(frozen=True)
class DevServer:
    """A server that answers."""

    address: str
    ui: str | None
    log: Path
    process: Process

    @property
    def pid(self) -> int:
        return self.process.pid

    async def ended(self) -> int:
        """Wait until the server ends, by itself or by a signal from outside; return its exit code."""
        return await self.process.wait()


@contextlib.asynccontextmanager
async def start_dev_server(binary: Path, settings: DevServerSettings) -> AsyncIterator[DevServer]:
    """Run the server as long as the context lasts, or as this process lasts where it is killed.

    Raises ``Conflict`` where a port that was asked for is taken, ``Unavailable`` where the server does not
    start; the message holds the end of its log.
    """
    server = await _start(binary, settings)
    try:
        yield server
    finally:
        await _stop(server.process)


async def _start(binary: Path, settings: DevServerSettings) -> DevServer:
    for _ in range(_STARTS):
        server = await _spawn(binary, settings)
        try:
            async with asyncio.timeout(settings.starts_within):
                if await _answers(server, settings.namespaces):
                    return server
        except TimeoutError:
            await _stop(server.process)
            break
        except BaseException:  # whatever interrupts the wait, nothing may stay behind
            await _stop(server.process)
            raise
    tail = settings.log.read_text(errors="replace")[-2000:].strip()
    raise Unavailable(
        f"Temporal's dev server did not start: {binary} gave up or stayed silent for "
        f"{settings.starts_within:g} s; its log {settings.log} ends with:\n{tail or '(nothing)'}"
    )


async def _spawn(binary: Path, settings: DevServerSettings) -> DevServer:
    port = _port(settings.ip, settings.port, "Temporal's port")
    ui_port = None if settings.ui_port is None else _port(settings.ip, settings.ui_port, "Temporal's UI port")
    settings.log.parent.mkdir(parents=True, exist_ok=True)
    if settings.database:
        settings.database.parent.mkdir(parents=True, exist_ok=True)
    with settings.log.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *leashed([binary, *_arguments(settings, port, ui_port)]),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # The CLI would take its own settings from these, and they are meant for our client.
            env={name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")},
            start_new_session=True,  # Ctrl-C reaches us, and we stop the server after its workers
        )
    ui = None if ui_port is None else f"http://{settings.ip}:{ui_port}"
    return DevServer(f"{settings.ip}:{port}", ui, settings.log, process)


def _arguments(settings: DevServerSettings, port: int, ui_port: int | None) -> list[str]:
    words = ["server", "start-dev", "--ip", settings.ip, "--port", str(port), "--log-level", "error"]
    words += ["--headless"] if ui_port is None else ["--ui-port", str(ui_port)]
    if settings.database:
        words += ["--db-filename", str(settings.database)]
    words += [word for name in settings.namespaces for word in ("--namespace", name)]
    for option, pairs in (
        ("--search-attribute", settings.search_attributes),
        ("--dynamic-config-value", settings.dynamic_config),
    ):
        words += [word for key, value in pairs.items() for word in (option, f"{key}={value}")]
    return words


def _port(ip: str, port: int, what: str) -> int:
    """Return the port where it is free, or a free one for 0."""
    with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server itself binds
        try:
            probe.bind((ip, port))
        except OSError as error:
            raise Conflict(
                f"{what} {ip}:{port} cannot be had: {error.strerror}; 0 takes any free one"
            ) from None
        return int(probe.getsockname()[1])


async def _answers(server: DevServer, namespaces: Sequence[str]) -> bool:
    """Wait until the server serves; False where its process ends before."""
    while server.process.returncode is None:
        try:
            client = await Client.connect(server.address)
            for name in ("default", *namespaces):
                await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=name))
        except (RPCError, RuntimeError):  # the SDK says RuntimeError for a connection refused
            await asyncio.sleep(0.05)
        else:
            return True
    return False


async def _stop(process: Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_GRACE):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
