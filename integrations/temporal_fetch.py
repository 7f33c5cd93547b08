"""Where the program for Temporal's dev server is not there yet: download it, or build it from source.

Both put it into a folder they are given, under the name `temporal`. At import this module needs the standard
library only, like `integrations.temporal_binary`, which says when each of them is tried.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from integrations.leash import leashed

VERSION = "1.5.1"  # the last one that `go install` can build by name

_MODULE = "github.com/temporalio/cli"
_DOWNLOAD_HOST = "https://temporal.download"
_REACH = f"import urllib.request as u; u.urlopen(u.Request({_DOWNLOAD_HOST!r}, method='HEAD'), timeout=4)"
_ROOM_TO_BUILD = 5 * 10**9  # bytes; a cold build leaves some 3.5 GB behind until it is cleared away

Tell = Callable[[str], None]
"""Takes one line of progress for a person to read."""


def download(scratch: Path, tell: Tell) -> str:
    """Let the SDK download the program into ``scratch``; return why it could not, or nothing."""
    if not reachable():
        return f"{_DOWNLOAD_HOST} cannot be reached"
    tell(f"downloading Temporal {VERSION}")
    with ThreadPoolExecutor(1) as aside:  # the caller may already be inside an event loop
        try:
            aside.submit(asyncio.run, _download_by_sdk(scratch)).result()
        except (RuntimeError, TimeoutError) as error:
            return str(error) or "it took longer than five minutes"
    for fetched in scratch.glob("temporal*"):
        fetched.rename(scratch / "temporal")
    return ""


def reachable() -> bool:
    """Tell within five seconds whether the download's host answers.

    Asked in a process of its own: a name server that never answers cannot be given up on otherwise.
    """
    try:
        asked = subprocess.run([sys.executable, "-c", _REACH], capture_output=True, timeout=5, check=False)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0 or b"HTTPError" in asked.stderr  # any answer at all will do


async def _download_by_sdk(folder: Path) -> None:
    from temporalio.testing import WorkflowEnvironment  # late: see the module's docstring

    async with asyncio.timeout(300):
        server = await WorkflowEnvironment.start_local(
            download_dest_dir=str(folder), dev_server_download_version=f"v{VERSION}"
        )
        await server.shutdown()


def build(scratch: Path, tell: Tell) -> str:
    """Build the program into ``scratch`` with the Go on PATH; return why it could not, or nothing."""
    go = shutil.which("go")
    if not go:
        return "no `go` on PATH"
    if shutil.disk_usage(scratch).free < _ROOM_TO_BUILD:
        return f"less than {_ROOM_TO_BUILD // 10**9} GB free under {scratch.parent}"
    version = f"-X {_MODULE}/temporalcli.Version={VERSION}"
    command = [go, "install", "-ldflags", f"-s -w {version}", f"{_MODULE}/cmd/temporal@v{VERSION}"]
    log = scratch / "log"
    with log.open("wb") as output:
        running = subprocess.Popen(
            leashed(command), env=_own_go_folders(scratch), stdout=output, stderr=subprocess.STDOUT
        )
        code = _watch(running, tell)
    return "" if code == 0 else f"{' '.join(command)} ended with {code}:\n{log.read_text()[-3000:]}"


def _own_go_folders(scratch: Path) -> dict[str, str]:
    """Go's caches grow by 3 GB in this build; nothing of that may stay, nor touch what the user has."""
    own = {"GOPATH": "path", "GOCACHE": "cache", "GOTMPDIR": "tmp", "TMPDIR": "tmp", "GOBIN": ""}
    (scratch / "tmp").mkdir()
    folders = {name: str(scratch / folder) for name, folder in own.items()}
    return {**os.environ, **folders, "GOFLAGS": "-modcacherw", "CGO_ENABLED": "0"}


def _watch(running: subprocess.Popen[bytes], tell: Tell) -> int:
    began = time.monotonic()
    tell(f"building Temporal {VERSION} with Go: about three minutes, once")
    while True:
        try:
            return running.wait(timeout=30)
        except subprocess.TimeoutExpired:
            tell(f"building Temporal {VERSION} ... {time.monotonic() - began:.0f} s")
        except BaseException:  # whatever stops us, Ctrl-C above all, stops the compiler too
            running.terminate()
            running.wait()
            raise
