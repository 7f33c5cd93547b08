"""A real MLflow server for the length of a test run: loopback, SQLite, an environment of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from integrations.leash import leashed

ROOT = Path(__file__).parents[2]
STARTS_WITHIN = 120.0


@contextmanager
def running_mlflow() -> Iterator[str]:
    """Yield the URL of a server that answers; it ends with the context, or with this process."""
    installed = subprocess.run([ROOT / "tools/mlflow"], stdout=subprocess.PIPE, text=True, check=True)
    folder = Path(tempfile.mkdtemp(prefix="aitia-mlflow-"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = _started(Path(installed.stdout.strip()), folder, port)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(f"{url}/health", server, folder)
        yield url
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)  # a worker may still be putting its files away


def _started(venv: Path, folder: Path, port: int) -> subprocess.Popen[bytes]:
    words = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--default-artifact-root", str(folder)]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    environment = {"HOME": str(folder), "PATH": f"{venv}/bin:{os.environ['PATH']}", **quiet}
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            leashed([str(venv / "bin/mlflow"), *words, *stores]),
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )


def _wait_for(url: str, server: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline and server.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(url, trust_env=False).is_success:
                return
        time.sleep(0.1)
    raise AssertionError(f"MLflow did not start:\n{(folder / 'log').read_text()[-3000:]}")
