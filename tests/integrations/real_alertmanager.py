"""A real Alertmanager on a free port of the loopback interface, where its program is on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONFIG = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aitia"


def alertmanager_program() -> str | None:
    """The program: AITIA_ALERTMANAGER, on the path (Debian has a longer name), or of tools/prometheus."""
    own = CACHE / "prometheus" / "bin" / "alertmanager"
    named = [os.environ.get("AITIA_ALERTMANAGER", ""), "prometheus-alertmanager", "alertmanager", str(own)]
    found = [shutil.which(each) for each in named if each]
    return next((each for each in found if each), None)


@contextmanager
def real_alertmanager(program: str, folder: Path) -> Iterator[str]:
    """Yield the address of an Alertmanager that keeps its data in ``folder``."""
    config, log = folder / "alertmanager.yml", folder / "alertmanager.log"
    config.write_text(CONFIG)
    with log.open("wb") as said:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={config}",
                f"--storage.path={folder / 'data'}",
                "--web.listen-address=127.0.0.1:0",
                "--cluster.listen-address=",
            ],
            stdout=said,
            stderr=said,
        )
    try:
        yield _address(process, log)
    finally:
        process.terminate()
        process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        if match := re.search(r" address=(127\.0\.0\.1:\d+)", log.read_text()):
            return f"http://{match[1]}"
        time.sleep(0.02)
    raise AssertionError(f"Alertmanager did not start: {log.read_text()}")
