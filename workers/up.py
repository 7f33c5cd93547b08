"""`aitia up`: everything in the foreground, each part a process of its own that is started again if it dies.

The Temporal server, the door and the agents are children tied to this process (`integrations.leash`): when it
goes, however it goes, they go too, and all state is on disk. ``run.json`` in the home folder says where they
are.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from causal.errors import Conflict, Unavailable
from integrations.leash import leashed
from integrations.temporal_server import DevServerSettings, find_binary, start_dev_server
from workers.embedded import PAUSES_SECONDS, Tell, Temporal
from workers.environment import misspelt
from workers.settings import Settings

READY_WITHIN_SECONDS = 90.0
GRACE_SECONDS = 15.0
STEADY_AFTER_SECONDS = 60.0


@dataclass
class Part:
    """One child process that is kept running: ``aitia WORD`` with its own log file."""

    word: str
    environment: dict[str, str]
    log: Path
    process: Process | None = None
    deaths: int = 0
    started: float = field(default=0.0)

    async def start(self) -> None:
        """Start it; its output goes to its log."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *leashed([sys.executable, "-m", "workers", self.word]),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        self.started = time.monotonic()

    async def keep(self, tell: Tell, changed: Callable[[], None]) -> None:
        """Wait for its end and start it again, for ever; the pauses grow while it does not stay up."""
        while self.process is not None:
            code = await self.process.wait()
            steady = time.monotonic() - self.started > STEADY_AFTER_SECONDS
            self.deaths = 0 if steady else self.deaths + 1
            pause = PAUSES_SECONDS[min(self.deaths, len(PAUSES_SECONDS) - 1)]
            tell(f"the {self.word} process ended ({code}); starting it again in {pause:g} s, see {self.log}")
            await asyncio.sleep(pause)
            await self.start()
            changed()

    async def stop(self) -> None:
        """Ask it to end, then make it."""
        process, self.process = self.process, None
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(GRACE_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def run(settings: Settings, tell: Tell) -> None:
    """Start everything, say where it is, and keep it running until SIGINT or SIGTERM."""
    for slip in misspelt(os.environ):
        tell(slip)
    async with AsyncExitStack() as stack:
        stack.enter_context(_only_one(settings.home))
        stop = _on_signals()
        temporal = await stack.enter_async_context(_temporal(settings, tell))
        parts = _parts(settings, temporal)
        for part in parts.values():
            await part.start()
            stack.push_async_callback(part.stop)
        tell("starting the door and the agents")
        await _until_ready(settings, parts, stop)
        if stop.is_set():
            return
        run_file = settings.home / "run.json"
        where = {"url": door_url(settings, parts), "otlp_grpc": otlp_grpc_address(settings, parts)}
        write = partial(_write_run_file, run_file, where, parts, temporal)
        write()
        stack.callback(run_file.unlink, missing_ok=True)
        _say_where(settings, parts, temporal, tell)
        kept: list[Part | Temporal] = [*parts.values(), *([temporal] if temporal else [])]
        await _keep_running([each.keep(tell, write) for each in kept], stop)
        tell("stopping")


async def _keep_running(keepers: list[Coroutine[Any, Any, None]], stop: asyncio.Event) -> None:
    """Keep all parts running until somebody says stop."""
    kept = [asyncio.create_task(keeper) for keeper in keepers]
    await stop.wait()
    for task in kept:
        task.cancel()
    await asyncio.gather(*kept, return_exceptions=True)


@contextlib.contextmanager
def _only_one(home: Path) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"another Aitia is running in {home}; stop it, or set AITIA_HOME to another folder"
            ) from None
        yield


def _on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


@contextlib.asynccontextmanager
async def _temporal(settings: Settings, tell: Tell) -> AsyncIterator[Temporal | None]:
    """The embedded server, or None where the settings name another one."""
    if settings.temporal_address:
        tell(f"using the Temporal server at {settings.temporal_address}")
        yield None
        return
    binary = await asyncio.to_thread(find_binary, tell=tell)
    tell("starting the Temporal server")
    wanted = DevServerSettings(
        log=settings.log_folder / "temporal.log",
        database=settings.home / "temporal.db",
        port=settings.temporal_port,
        ui_port=settings.temporal_ui_port,
        namespaces=() if settings.temporal_namespace == "default" else (settings.temporal_namespace,),
    )
    async with AsyncExitStack() as running:
        server = await running.enter_async_context(start_dev_server(binary, wanted))
        yield Temporal(binary, wanted, server, running)


def _parts(settings: Settings, temporal: Temporal | None) -> dict[str, Part]:
    port = settings.door_port or _free_port(settings.door_host)
    environment = {
        "AITIA_HOME": str(settings.home),
        "AITIA_DOOR_PORT": str(port),
        **_grpc_port(settings),
        "TEMPORAL_ADDRESS": temporal.server.address if temporal else str(settings.temporal_address),
        "TEMPORAL_NAMESPACE": settings.temporal_namespace,
    }
    settings.log_folder.mkdir(parents=True, exist_ok=True)
    return {word: Part(word, environment, settings.log_folder / f"{word}.log") for word in ("door", "work")}


def _grpc_port(settings: Settings) -> dict[str, str]:
    """The port for OTLP over gRPC, if there is to be one; a free one is found here, to be told of."""
    port = settings.otlp_grpc_port
    return {} if port is None else {"AITIA_OTLP_GRPC_PORT": str(port or _free_port(settings.door_host))}


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def door_url(settings: Settings, parts: dict[str, Part]) -> str:
    """Where the door listens, as this machine reaches it."""
    return f"http://{_host(settings)}:{parts['door'].environment['AITIA_DOOR_PORT']}"


def otlp_grpc_address(settings: Settings, parts: dict[str, Part]) -> str | None:
    """Where OTLP over gRPC is taken, as this machine reaches it; None where it is not."""
    port = parts["door"].environment.get("AITIA_OTLP_GRPC_PORT")
    return f"{_host(settings)}:{port}" if port else None


def _host(settings: Settings) -> str:
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  only compared
    host = everywhere.get(settings.door_host, settings.door_host)
    return f"[{host}]" if ":" in host else host


async def _until_ready(settings: Settings, parts: dict[str, Part], stop: asyncio.Event) -> None:
    """Wait until the door answers and the agents poll; a part that ends before is an error with its log."""
    url = f"{door_url(settings, parts)}/healthz"
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    async with httpx.AsyncClient(timeout=2.0) as http:
        while not stop.is_set():
            for part in parts.values():
                if part.process is not None and part.process.returncode is not None:
                    raise Unavailable(f"the {part.word} process did not start:\n{_tail(part.log)}")
            if await _healthy(http, url):
                return
            if time.monotonic() > deadline:
                raise Unavailable(f"not ready within {READY_WITHIN_SECONDS:.0f} s; see {settings.log_folder}")
            await asyncio.sleep(0.2)


async def _healthy(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(url)).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:].strip() or "(its log is empty)"


def _write_run_file(
    path: Path, where: dict[str, str | None], parts: dict[str, Part], temporal: Temporal | None
) -> None:
    pids = {word: part.process.pid for word, part in parts.items() if part.process}
    environment = parts["door"].environment
    content = {
        "pid": os.getpid(),
        "door": {**where, "pid": pids.get("door")},
        "temporal": {
            "address": environment["TEMPORAL_ADDRESS"],
            "ui": temporal.server.ui if temporal else None,
            "pid": temporal.server.pid if temporal else None,
        },
        "worker": {"pid": pids.get("work")},
    }
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(content, indent=1))
    beside.replace(path)


def _say_where(settings: Settings, parts: dict[str, Part], temporal: Temporal | None, tell: Tell) -> None:
    url = door_url(settings, parts)
    tell(f"door         {url}  (OTLP at /v1/…, API at /api/…, its description at /docs)")
    if grpc := otlp_grpc_address(settings, parts):
        tell(f"OTLP/gRPC    {grpc}")
    tell(f"Temporal UI  {temporal.server.ui if temporal else 'that of your own server'}")
    tell(f"data         {settings.home}")
    tell(f"telemetry    OTEL_EXPORTER_OTLP_ENDPOINT={url}")
    tell('             OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer $(aitia token)"')
    tell("ready; Ctrl-C stops")
