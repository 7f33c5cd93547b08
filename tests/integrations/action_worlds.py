"""For each action a small real world that it acts on: what to ask of it, and how to see what it did.

``state`` is everything in the target that the action could change, compared before and after; ``effects``
counts what reached the target, by the target's own record and not by the action's.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from integrations.connections import (
    AlertmanagerConnection,
    CommandConnection,
    ConnectionFile,
    FileConnection,
    FlagsConnection,
    HttpConnection,
    ProcessConnection,
)
from tests.doubles.alertmanager import alertmanager_double
from tests.integrations.action_world import KEY, UNDO_KEY, World, files_of
from tests.integrations.git_action_worlds import git_checkout_path, git_revert, pull_request
from tests.integrations.real_alertmanager import alertmanager_program, real_alertmanager

__all__ = ["FLAGS", "KEY", "UNDO_KEY", "WORLDS", "World"]


@dataclass
class Lamp:
    """A server with one switch, which recognises a request that it has had before."""

    on: bool = False
    switched: list[str] = field(default_factory=list)


def _lamp_handler(lamp: Lamp) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            key = self.headers["Idempotency-Key"]
            if key not in lamp.switched:
                lamp.switched.append(key)
                lamp.on = self.path.endswith("/on")
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    return Handler


@contextmanager
def http_request(folder: Path) -> Iterator[World]:
    lamp = Lamp()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _lamp_handler(lamp))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        connection = HttpConnection(base_url=url, allow=("POST /lamp/*",))
        paths = ("//evil.example/", "/lamp/../x", "/other", "/lamp/a/b", "/lamp/%2e%2e/x", "/lamp/on?x=1")
        yield World(
            folder,
            ConnectionFile(http={"lamp": connection}),
            "http.request",
            {"connection": "lamp", "method": "POST", "path": "/lamp/on"},
            state=lambda: lamp.on,
            effects=lambda: len(lamp.switched),
            hostile=(
                *({"path": path} for path in paths),
                {"method": "DELETE"},
                {"connection": "other"},
                {"body": "x" * 300_000},
            ),
            undo="http.request",
            undo_params=lambda _: {"connection": "lamp", "method": "POST", "path": "/lamp/off"},
        )
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


TOOL = f"""#!{sys.executable}
import pathlib, sys
cache, verb, zone = pathlib.Path(sys.argv[0]).parent / "caches", sys.argv[1], sys.argv[2]
file = cache / zone
if verb in ("is-flushed", "is-warm"): sys.exit(0 if verb.endswith(file.read_text()) else 1)
with (cache.parent / "runs").open("a") as runs: runs.write(verb + "\\n")
file.write_text("flushed" if verb == "flush" else "warm")
"""


@contextmanager
def command_run(folder: Path) -> Iterator[World]:
    tool, cache, runs = folder / "cachectl", folder / "caches" / "eu", folder / "runs"
    cache.parent.mkdir()
    cache.write_text("warm")
    tool.write_text(TOOL)
    tool.chmod(0o755)
    connection = CommandConnection(executable=tool, allow=(("flush|warm|is-flushed|is-warm", "[a-z-]+"),))
    arguments = (
        ["flush"],
        ["flush", "eu", "x"],
        ["flush", "--all"],
        ["flush", "a;rm"],
        ["flush", "e\nu"],
        ["drop", "eu"],
    )
    yield World(
        folder,
        ConnectionFile(commands={"cachectl": connection}),
        "command.run",
        {"command": "cachectl", "arguments": ["flush", "eu"], "check": ["is-flushed", "eu"]},
        state=cache.read_bytes,
        effects=lambda: len(runs.read_text().splitlines()) if runs.exists() else 0,
        hostile=(*({"arguments": each} for each in arguments), {"command": "sh"}, {"check": ["drop", "eu"]}),
        undo="command.run",
        undo_params=lambda _: {
            "command": "cachectl",
            "arguments": ["warm", "eu"],
            "check": ["is-warm", "eu"],
        },
    )


CONFIGS = {
    "cart.yaml": "# ours\npool: {size: 20}   # was 10\n\nname: 'cart'\r\nlist: [1,  2]\n",
    "cart.json": '{\n\t"name": "caf\u00e9", "pool": {"size": 20 }\n}',
    "cart.toml": "# ours\nsize = 1\n[pool]  # limits\nsize = 20 # was 10\n[other]\nsize = 3\n",
    "cart.env": "# ours\nexport POOL_SIZE=20\nNAME='a b'\n",
}


def _file_set(name: str) -> Callable[[Path], Any]:
    @contextmanager
    def world(folder: Path) -> Iterator[World]:
        path = folder / "etc" / name
        path.parent.mkdir()
        path.write_bytes(CONFIGS[name].encode())
        path.chmod(0o640)
        inodes = [path.stat().st_ino]

        def effects() -> int:
            """How often the file became another one: a rename is the only way it is written."""
            if (now := path.stat().st_ino) != inodes[-1]:
                inodes.append(now)
            return len(inodes) - 1

        is_env = name.endswith(".env")
        connection = FileConnection(path=path, keys=("pool\\.size", "POOL_SIZE", "password", "nothing"))
        yield World(
            folder,
            ConnectionFile(files={"cart": connection}),
            "file.set",
            {"file": "cart", "key": "POOL_SIZE" if is_env else "pool.size", "value": "25" if is_env else 25},
            state=lambda: (files_of(path.parent), path.stat().st_mode),
            effects=effects,
            hostile=(
                {"key": "name"},
                {"key": "nothing"},
                {"key": "password"},
                {"key": "pool..size"},
                {"file": "/etc/passwd"},
                {"value": "25\nevil: 1" if not is_env else "25\nEVIL=1"},
                {"value": [1]},
                {"value": True},
            ),
            undo="file.restore",
        )

    return world


FLAGS = """{
  "$schema": "https://flagd.dev/schema/v0/flags.json",
  "flags": {
    "new-cart": {
      "state": "ENABLED",
      "variants": {"on": true, "off": false},
      "defaultVariant": "on"
    },
    "odd": {"state": "ENABLED", "variants": {"on": true, "off": "no"}, "defaultVariant": "on"}
  }
}
"""


@contextmanager
def flag_set(folder: Path) -> Iterator[World]:
    path = folder / "etc" / "flags.json"
    path.parent.mkdir()
    path.write_text(FLAGS)
    first = path.stat().st_ino
    yield World(
        folder,
        ConnectionFile(flags={"shop": FlagsConnection(path=path)}),
        "flag.set",
        {"flags": "shop", "flag": "new-cart", "variant": "off"},
        state=lambda: files_of(path.parent),
        effects=lambda: int(path.stat().st_ino != first),
        hostile=(
            {"variant": "of"},
            {"variant": "on"},
            {"variant": None},
            {"state": "DISABLED"},
            {"variant": None, "state": "PAUSED"},
            {"flag": "no-such"},
            {"flag": "odd"},
            {"flag": "../x"},
            {"flags": "other"},
        ),
        undo="flag.restore",
    )


@contextmanager
def silence_double(folder: Path) -> Iterator[World]:
    with alertmanager_double() as double:
        yield _silence(folder, double.url)


@contextmanager
def silence_real(folder: Path) -> Iterator[World]:
    program = alertmanager_program()
    if program is None:
        pytest.skip("no Alertmanager on this machine")
    with real_alertmanager(program, folder) as url:
        yield _silence(folder, url)


def _silence(folder: Path, url: str) -> World:
    def silences() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = httpx.get(f"{url}/api/v2/silences", trust_env=False).json()
        return found

    return World(
        folder,
        ConnectionFile(alertmanagers={"alerts": AlertmanagerConnection(base_url=url)}),
        "alertmanager.silence",
        {
            "alertmanager": "alerts",
            "matchers": {"alertname": "Slow", "service": 'c"art|.*\\'},
            "duration": "10m",
        },
        state=lambda: [
            sorted((each["name"], each["value"], each["isRegex"]) for each in silence["matchers"])
            for silence in silences()
            if silence["status"]["state"] != "expired"
        ],
        effects=lambda: len(silences()),
        hostile=(
            {"matchers": {}},
            {"matchers": {"service": ""}},
            {"matchers": {'a"b': "x"}},
            {"matchers": {"service": "a\nb"}},
            {"duration": "3h"},
            {"duration": "-1s"},
            {"alertmanager": "other"},
        ),
        undo="alertmanager.expire",
    )


RESTART = """
import os, signal, subprocess, sys, pathlib
pid_file = pathlib.Path(sys.argv[1])
with pid_file.with_suffix(".runs").open("a") as runs: runs.write("x\\n")
try: os.kill(int(pid_file.read_text()), signal.SIGKILL)
except (FileNotFoundError, ProcessLookupError): pass
pid_file.write_text(str(subprocess.Popen(["sleep", "600"], start_new_session=True).pid))
"""


@contextmanager
def process_restart(folder: Path) -> Iterator[World]:
    pid_file, runs = folder / "cart.pid", folder / "cart.runs"
    child = subprocess.Popen(["sleep", "600"])
    pid_file.write_text(str(child.pid))
    connection = ProcessConnection(
        services=("cart",),
        restart=(sys.executable, "-c", RESTART, str(pid_file)),
        pid_file=str(pid_file),
    )
    try:
        yield World(
            folder,
            ConnectionFile(processes={"shop": connection}),
            "process.restart",
            {"process": "shop", "service": "cart"},
            state=pid_file.read_text,
            effects=lambda: len(runs.read_text().splitlines()) if runs.exists() else 0,
            hostile=({"service": "stock"}, {"service": "--all"}, {"process": "other"}),
        )
    finally:
        child.kill()
        child.wait()
        if (pid := int(pid_file.read_text())) != child.pid:
            _kill(pid)


def _kill(pid: int) -> None:
    """End what the restart command started; it is nobody's child, so nobody but us will."""
    subprocess.run(["kill", "-9", str(pid)], check=True)
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)


WORLDS: dict[str, Callable[[Path], Any]] = {
    "git.revert": git_revert,
    "git.checkout_path": git_checkout_path,
    **{f"git.pull_request-{kind}": pull_request(kind) for kind in ("github", "gitlab", "gitea")},
    "http.request": http_request,
    "command.run": command_run,
    **{f"file.set-{name}": _file_set(name) for name in CONFIGS},
    "flag.set": flag_set,
    "alertmanager.silence-double": silence_double,
    "alertmanager.silence-real": silence_real,
    "process.restart": process_restart,
}
