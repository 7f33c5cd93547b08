"""A real Prometheus on a free port, with one target whose page a test writes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aitia"
PROGRAM = shutil.which("prometheus") or shutil.which(CACHE / "prometheus" / "bin" / "prometheus")
SCRAPES = "500ms"


@dataclass
class Target:
    """What is scraped: the page as it is now; None answers nothing at all."""

    page: str | None = ""
    port: int = 0


@dataclass
class RealPrometheus:
    """A running Prometheus and its target."""

    url: str
    target: Target = field(default_factory=Target)

    def value_of(self, query: str) -> float | None:
        """Ask for the value of a query just now."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=5).json()
        result = answer["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    def wait_for(self, query: str, value: float | None) -> None:
        """Wait until a query has a value (None: no value at all any more)."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if self.value_of(query) == value:
                return
        raise TimeoutError(f"{query} never became {value}")


@contextmanager
def real_prometheus(folder: Path, rules: str = "") -> Iterator[RealPrometheus]:
    """Run Prometheus for as long as the block lasts; it scrapes its target twice a second."""
    assert PROGRAM is not None
    target = Target()
    with _serving(target):
        port = _free_port()
        config = _config(target, rules, folder)
        (folder / "prometheus.yml").write_text(config)
        process = subprocess.Popen(
            [
                PROGRAM,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=error",
            ],
            cwd=folder,
        )
        try:
            running = RealPrometheus(f"http://127.0.0.1:{port}", target)
            _wait_until_ready(running.url, process)
            yield running
        finally:
            process.terminate()
            process.wait(timeout=20)


def _config(target: Target, rules: str, folder: Path) -> str:
    (folder / "rules.yml").write_text(rules or "groups: []\n")
    return f"""
global: {{scrape_interval: {SCRAPES}, scrape_timeout: {SCRAPES}, evaluation_interval: {SCRAPES}}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: shop/cart
    static_configs: [{{targets: ["127.0.0.1:{target.port}"]}}]
"""


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"prometheus ended with {process.returncode}")
        try:
            if httpx.get(f"{url}/-/ready", timeout=1).is_success:
                return
        except httpx.HTTPError:
            continue
    raise TimeoutError("prometheus never became ready")


@contextmanager
def _serving(target: Target) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if target.page is None:
                self.send_error(503)
                return
            body = target.page.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    target.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
