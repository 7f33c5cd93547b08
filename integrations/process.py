"""``process.restart``: the command that a connection names, run without a shell.

Whether a restart took place is read from the process itself: its pid file names a process, and a process is
known by pid and start time together (a pid alone is used again). The step notes which process it found before
it acts; if another one runs afterwards, the effect is there, whoever was killed when. While a command of the
step still runs (it carries the step's key in its environment) nothing can be told, and nothing is started
beside it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar

from pydantic import BaseModel

from causal.errors import Refused, UnknownEffect
from integrations.connections import ProcessConnection, ReadConnections, process_named
from integrations.ports import Effect
from integrations.step_markers import Marker, StepMarkers
from playbooks.lookups import is_visible
from playbooks.places import ProcessName
from playbooks.remedy import Written

STEP_VARIABLE = "AITIA_STEP"
EXCERPT = 500
APPEARS_WITHIN = 15.0
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER")
_PROC = Path("/proc")
_STATE, _START = 0, 19  # proc(5): fields 3 and 22 of stat, counted after the name's closing bracket


class RestartParams(Written):
    """Which service, by which process connection."""

    process: ProcessName
    service: str


@dataclass(frozen=True)
class ProcessRestart:
    """Restart a service by its connection's command; ``state`` is a folder that outlives the process."""

    name: ClassVar[str] = "process.restart"
    Params: ClassVar[type[BaseModel]] = RestartParams
    mutates: ClassVar[bool] = True
    reports: ClassVar[frozenset[str]] = frozenset({"service", "pid_before", "pid"})

    connections: ReadConnections
    state: Path

    @property
    def markers(self) -> StepMarkers:
        return StepMarkers(self.state)

    def target(self, params: RestartParams) -> str:
        return f"process:{params.process}/{params.service}"

    def preview(self, params: RestartParams) -> str:
        restart = self._restart(params)
        return f"run {' '.join(map(ascii, restart.argv))}\nwhich restarts {params.service} ({restart.now()})"

    def observe(self, params: RestartParams, *, key: str) -> Effect | None:
        marker = self.markers.read(key)
        if marker is None or marker.effect is not None:
            return marker.effect if marker else None
        restart = self._restart(params)
        if restart.pid_file is None:
            raise UnknownEffect(
                f"{params.service}: a restart was begun, and no pid_file tells whether it took place"
            )
        if not _PROC.joinpath("self/stat").exists():
            raise UnknownEffect(
                f"{params.service}: a restart was begun; this system has no /proc to ask about it"
            )
        if (now := restart.identity()) and now != marker.before:
            return restart.effect(marker.before, now)
        if any(processes_of(key)):
            raise UnknownEffect(f"{params.service}: the restart command is still running")
        return None

    def execute(self, params: RestartParams, *, key: str, timeout: float) -> Effect:
        restart = self._restart(params)
        if (done := self.observe(params, key=key)) is not None:
            return done
        deadline = time.monotonic() + timeout
        before = restart.identity()
        self.markers.write(Marker(key=key, before=before))
        try:
            restart.run(key, deadline)
        except Refused:
            self.markers.remove(key)
            raise
        effect = restart.effect(before, restart.other_than(before, deadline))
        self.markers.write(Marker(key=key, before=before, effect=effect))
        return effect

    def _restart(self, params: RestartParams) -> _Restart:
        connection = process_named(self.connections, params.process)
        if params.service not in connection.services:
            known = ", ".join(connection.services)
            raise Refused(f"{params.process} restarts {known}; not {params.service!a}")
        return _Restart(connection, params.service)


@dataclass(frozen=True)
class _Restart:
    """The command of a connection for one of its services."""

    connection: ProcessConnection
    service: str

    @property
    def argv(self) -> list[str]:
        return [word.replace("${service}", self.service) for word in self.connection.restart]

    @property
    def pid_file(self) -> Path | None:
        text = self.connection.pid_file
        return Path(text.replace("${service}", self.service)) if text else None

    def identity(self) -> str:
        """Return what tells the running process from any other, empty if none runs or none can be known."""
        try:
            pid = int(self.pid_file.read_text(encoding="ascii")) if self.pid_file else 0
        except (OSError, ValueError):
            return ""
        return process_identity(pid) if pid > 0 else ""

    def now(self) -> str:
        running = self.identity()
        return f"now process {_pid(running)}" if running else "no process is known to run"

    def effect(self, before: str, now: str) -> Effect:
        return Effect(
            says=f"{self.service} was restarted ({_pid(before) or 'none'} -> {_pid(now) or 'not known'})",
            facts={"service": self.service, "pid_before": _pid(before), "pid": _pid(now)},
        )

    def run(self, key: str, deadline: float) -> None:
        # to a file, not a pipe: what the command starts may keep its output open for as long as it lives
        with tempfile.TemporaryFile() as output:
            try:
                command = subprocess.Popen(
                    self.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=self.connection.cwd or "/",
                    env=_environment(key),
                    start_new_session=True,
                )
            except OSError as error:
                raise Refused(f"{self.argv[0]!a} can not be run: {error}") from error
            _ended_well(command, output, deadline)

    def other_than(self, before: str, deadline: float) -> str:
        """Wait until another process than ``before`` runs, and return it; UnknownEffect if none appears."""
        if self.pid_file is None:
            return ""
        deadline = min(deadline, time.monotonic() + APPEARS_WITHIN)
        while (now := self.identity()) in {"", before}:
            if time.monotonic() > deadline:
                found = f"still names process {_pid(before)}" if now else "names no running process"
                raise UnknownEffect(
                    f"the restart command of {self.service} ended well, but its pid file {found}"
                )
            time.sleep(0.05)
        return now


def process_identity(pid: int) -> str:
    """Return ``pid@start@boot`` of a living process, empty if it is gone or only waits to be reaped."""
    try:
        fields = _PROC.joinpath(str(pid), "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        boot = _PROC.joinpath("sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return "" if fields[_STATE] in {"Z", "X"} else f"{pid}@{fields[_START]}@{boot}"


def _pid(identity: str) -> str:
    return identity.partition("@")[0]


def processes_of(key: str) -> Iterator[int]:
    """Living processes that a step with this key started, as far as this user may see."""
    wanted = f"{STEP_VARIABLE}={key}".encode()
    for folder in _PROC.glob("[0-9]*"):
        try:
            found = wanted in (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if found and process_identity(int(folder.name)):
            yield int(folder.name)


def _environment(key: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, STEP_VARIABLE: key}


def _ended_well(command: subprocess.Popen[bytes], output: IO[bytes], deadline: float) -> None:
    try:
        code = command.wait(timeout=max(deadline - time.monotonic(), 0.1))
    except subprocess.TimeoutExpired as error:
        with suppress(ProcessLookupError):
            os.killpg(command.pid, signal.SIGKILL)  # its own session: nothing of ours is in that group
        command.wait()
        raise UnknownEffect(f"the restart command took too long and was killed: {_end_of(output)}") from error
    if code != 0:
        raise UnknownEffect(f"the restart command ended with {code}: {_end_of(output)}")


def _end_of(output: IO[bytes]) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(size - EXCERPT, 0))
    text = output.read(EXCERPT).decode(errors="replace")
    return "".join(letter if is_visible(letter) else " " for letter in text).strip() or "it said nothing"
