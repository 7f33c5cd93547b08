"""``command.run``: a program that a connection allows, with arguments that it allows, and no shell.

The program gets a bare environment, no input, a folder, limits on processor, memory, files and processes
(`limited`), and a time. When the time is over, its whole process group is killed, and whoever left that group
and still carries the step's key in its environment.

Whether it took effect is told by its end, which is noted; after a kill in between by ``check``, an argument
list of the same program (exit status 0: the effect is there; 1: it is not; anything else: not known), or by
the connection's word that running twice is the same as once. The undo of such a step is another
``command.run``: only the author knows what takes a program's work back.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, ClassVar

from pydantic import BaseModel, Field

from causal.errors import Refused, UnknownEffect
from integrations import limited
from integrations.connections import CommandConnection, ReadConnections, command_named
from integrations.ports import Effect
from integrations.process import STEP_VARIABLE, processes_of
from integrations.step_markers import Marker, StepMarkers
from playbooks.lookups import is_visible
from playbooks.places import Argument, Names
from playbooks.remedy import Written

EXCERPT = 1000
CHECK_SECONDS = 30.0
Arguments = Annotated[tuple[Argument, ...], Field(max_length=64)]


class CommandParams(Written):
    """Which program, with what arguments; ``check`` is an argument list that observes the effect."""

    command: Annotated[str, Names("commands")]
    arguments: Arguments = ()
    check: Arguments | None = None


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit status and the end of what it said."""

    code: int
    output: str


@dataclass(frozen=True)
class CommandRun:
    """Run a program; ``state`` is a folder that outlives the process."""

    name: ClassVar[str] = "command.run"
    Params: ClassVar[type[BaseModel]] = CommandParams
    mutates: ClassVar[bool] = True
    reports: ClassVar[frozenset[str]] = frozenset({"command", "output"})

    connections: ReadConnections
    state: Path

    @property
    def markers(self) -> StepMarkers:
        return StepMarkers(self.state)

    def target(self, params: CommandParams) -> str:
        return f"command:{params.command}"

    def preview(self, params: CommandParams) -> str:
        connection = self._allowing(params)
        program = str(connection.executable)
        lines = [f"run {shlex.join([program, *params.arguments])}"]
        if params.check is not None:
            lines.append(f"its effect is there if {shlex.join([program, *params.check])} ends with 0")
        elif not connection.idempotent:
            lines.append(
                "whether it took effect can not be asked: if its end is not seen, a person must look"
            )
        return "\n".join(lines)

    def observe(self, params: CommandParams, *, key: str) -> Effect | None:
        marker = self.markers.read(key)
        if marker is None or marker.effect is not None:
            return marker.effect if marker else None
        if any(processes_of(key)):
            raise UnknownEffect(f"{params.command}: the command of this step is still running")
        connection = self._allowing(params)
        if params.check is not None:
            return self._checked(connection, params)
        if connection.idempotent:
            return None
        raise UnknownEffect(
            f"{params.command} was begun and its end was not seen; "
            "the step has no check and the connection does not say idempotent: true"
        )

    def execute(self, params: CommandParams, *, key: str, timeout: float) -> Effect:
        connection = self._allowing(params)
        _is_safe(connection.executable)
        if (done := self.observe(params, key=key)) is not None:
            return done
        self.markers.write(Marker(key=key))
        try:
            ended = _run(connection, params.arguments, key, timeout)
        except Refused:
            self.markers.remove(key)
            raise
        if ended.code != 0:
            raise UnknownEffect(
                f"{params.command} ended with {ended.code}: {ended.output or 'it said nothing'}"
            )
        effect = _effect(params, ended.output)
        self.markers.write(Marker(key=key, effect=effect))
        return effect

    def _allowing(self, params: CommandParams) -> CommandConnection:
        """Return the connection, if it allows these arguments."""
        connection = command_named(self.connections, params.command)
        for arguments in (params.arguments, params.check):
            if arguments is not None and not _is_allowed(arguments, connection):
                raise Refused(f"{params.command} does not allow the arguments {shlex.join(arguments)!a}")
        return connection

    def _checked(self, connection: CommandConnection, params: CommandParams) -> Effect | None:
        ended = _run(connection, params.check or (), "", CHECK_SECONDS)
        if ended.code not in {0, 1}:
            raise UnknownEffect(f"the check of {params.command} ended with {ended.code}: {ended.output}")
        return _effect(params, ended.output) if ended.code == 0 else None


def _effect(params: CommandParams, output: str) -> Effect:
    says = f"{params.command} {shlex.join(params.arguments)} took effect"
    return Effect(says=says, facts={"command": params.command, "output": output})


def _is_allowed(arguments: tuple[str, ...], connection: CommandConnection) -> bool:
    if not all(is_visible(each) for each in arguments):
        return False
    return any(
        len(patterns) == len(arguments) and all(map(_fits, patterns, arguments))
        for patterns in connection.allow
    )


def _fits(pattern: str, argument: str) -> bool:
    """Whether an argument matches; an option must have been meant as one."""
    if argument.startswith("-") and not pattern.removeprefix("\\").startswith("-"):
        return False
    return re.fullmatch(pattern, argument) is not None


def _is_safe(program: Path) -> None:
    """Refuse a program that is not there, or that anybody else could put another in place of."""
    try:
        found = program.stat()
    except OSError as error:
        raise Refused(f"{program} can not be run: {error}") from error
    if not stat.S_ISREG(found.st_mode) or not os.access(program, os.X_OK):
        raise Refused(f"{program} is no program that may be run")
    if (
        found.st_mode & stat.S_IWOTH
        or program.parent.stat().st_mode & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH
    ):
        raise Refused(f"anybody may change {program}; take that away (chmod o-w) first")


def _run(connection: CommandConnection, arguments: tuple[str, ...], key: str, seconds: float) -> Ended:
    """Run the program to its end; UnknownEffect if it had to be killed."""
    program = [str(connection.executable), *arguments]
    argv = [sys.executable, "-I", "-S", limited.__file__, json.dumps(_limits(connection)), *program]
    # to a file, not a pipe: what the program leaves running may keep its output open for as long as it lives
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=connection.cwd or "/",
                env=_environment(connection, key),
                start_new_session=True,
            )
        except OSError as error:
            raise Refused(f"{program[0]} can not be run: {error}") from error
        try:
            code = process.wait(timeout=max(seconds, 0.1))
        except subprocess.TimeoutExpired as error:
            _kill(process, key)
            took = f"took more than {seconds:.0f} s and was killed"
            raise UnknownEffect(f"{shlex.join(program)} {took}: {_end_of(output)}") from error
        return Ended(code, _end_of(output))


def _limits(connection: CommandConnection) -> dict[str, int]:
    limits = connection.limits
    return {
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": max(int(limits.cpu), 1),
        "RLIMIT_AS": limits.memory,
        "RLIMIT_FSIZE": limits.file_size,
        "RLIMIT_NPROC": limits.processes,
    }


def _environment(connection: CommandConnection, key: str) -> dict[str, str]:
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        **connection.variables,
        **({STEP_VARIABLE: key} if key else {}),
    }


def _kill(process: subprocess.Popen[bytes], key: str) -> None:
    """Kill the program's group, and again until nobody with the step's key is left (who forks meanwhile)."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # its own session: nothing of ours is in that group
    process.wait()
    deadline = time.monotonic() + 2.0
    while key and time.monotonic() < deadline and (left := list(processes_of(key))):
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _end_of(output: IO[bytes]) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(size - EXCERPT, 0))
    text = output.read(EXCERPT).decode(errors="replace")
    return "".join(letter if is_visible(letter) else " " for letter in text).strip()
