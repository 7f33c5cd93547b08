"""OTLP from senders that nobody here wrote: the JavaScript SDK, over HTTP (JSON and protobuf) and gRPC.

Left out, with the reason, where there is no node, or npm cannot fetch the packages.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette

from causal.evidence import Window
from integrations.memory_telemetry import MemoryTelemetryStore
from tests.workers.test_door_otlp_grpc import LIMIT, TOKEN, opened
from workers.door.guard import Guard
from workers.door.otlp import otlp_routes
from workers.door.otlp_grpc import Limits

SENDERS = Path(__file__).parent.parent / "senders"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aitia" / "senders"
EVER = Window(start=0, end=4e9)


@pytest.fixture(scope="module")
def installed() -> Path:
    """The folder with the packages, fetched once; skips where that cannot be."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("no node and npm here: the JavaScript SDK was not tried")
    CACHE.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "send.js"):
        shutil.copy(SENDERS / name, CACHE / name)
    if not (CACHE / "node_modules" / "@opentelemetry" / "sdk-trace-node").is_dir():
        asked = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
        fetched = subprocess.run(asked, cwd=CACHE, capture_output=True, text=True, timeout=300, check=False)
        if fetched.returncode:
            pytest.skip(f"npm could not fetch the JavaScript SDK: {fetched.stderr.strip()[-200:]}")
    return CACHE


def send(folder: Path, kind: str, url: str) -> None:
    """Send one trace of two spans; raises where the SDK says that it did not arrive."""
    node = shutil.which("node")
    assert node is not None
    sent = [node, "send.js", kind, url, TOKEN]
    subprocess.run(sent, cwd=folder, check=True, timeout=60, capture_output=True)


@contextmanager
def http_door(store: MemoryTelemetryStore) -> Iterator[str]:
    """A guarded door for OTLP over HTTP on a free port."""
    app = Guard(Starlette(routes=otlp_routes(store)), TOKEN, lambda: None)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize("kind", ["json", "proto"])
def test_the_javascript_sdk_is_understood_over_http(installed: Path, kind: str) -> None:
    store = MemoryTelemetryStore()
    with http_door(store) as url:
        send(installed, kind, url)
    assert received(store) == EXPECTED


def test_the_javascript_sdk_is_understood_over_grpc(installed: Path) -> None:
    store = MemoryTelemetryStore()
    with opened(store, Limits(LIMIT, LIMIT)) as door:
        send(installed, "grpc", f"http://{door.address}")
    assert received(store) == EXPECTED


EXPECTED = {
    ("javascript-shop", "GET /basket", "server", "unset", "500", True),
    ("javascript-shop", "SELECT", "client", "error", None, False),
}


def received(store: MemoryTelemetryStore) -> set[tuple[object, ...]]:
    """What arrived of each span, and whether it is a root."""
    names = ("service", "operation", "kind", "status", "status_code")
    rows = store.tables(EVER).traces.to_pylist()
    return {(*(row[name] for name in names), row["parent_span_id"] is None) for row in rows}
