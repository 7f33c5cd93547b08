"""Networks that can be cut, slowed and made to fall silent: Shopify's toxiproxy, by its HTTP API.

The program is built once with Go into the user's cache folder.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from causal.errors import Unavailable
from integrations.leash import leashed
from integrations.temporal_binary import cache_folder

_MODULE = "github.com/Shopify/toxiproxy/v2/cmd/server"
_VERSION = "v2.12.0"
_STARTS_WITHIN = 20.0


@dataclass(frozen=True)
class Network:
    """One way from here to there, through the proxy; everybody comes in at ``port``."""

    api: str
    name: str
    port: int

    def cut(self) -> None:
        """End all connections and take no more."""
        self._ask("POST", "", {"enabled": False})

    def slow(self, seconds: float, *, stream: str) -> None:
        """Let everything come later: what goes there (``upstream``) or what comes back (``downstream``)."""
        self._poison("latency", stream, {"latency": int(seconds * 1000)})

    def silence(self) -> None:
        """Take what is sent, keep the connection, and bring nothing across."""
        for stream in ("upstream", "downstream"):
            self._poison("timeout", stream, {"timeout": 0})

    def mend(self) -> None:
        """Be a good network again."""
        for toxic in self._ask("GET", "/toxics"):
            self._ask("DELETE", f"/toxics/{toxic['name']}")
        self._ask("POST", "", {"enabled": True})

    def _poison(self, kind: str, stream: str, attributes: dict[str, Any]) -> None:
        name = f"{kind}_{stream}"
        self._ask("POST", "/toxics", {"name": name, "type": kind, "stream": stream, "attributes": attributes})

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        answer = httpx.request(method, f"{self.api}/proxies/{self.name}{path}", json=body, timeout=10.0)
        if answer.is_error and answer.status_code != httpx.codes.CONFLICT:  # it is so already
            raise Unavailable(f"toxiproxy: {answer.text}")
        return answer.json() if answer.content else None


@dataclass(frozen=True)
class Toxiproxy:
    """A proxy that runs."""

    api: str

    def network(self, name: str, to_port: int) -> Network:
        """Make a way to a port of this machine."""
        wanted = {"name": name, "listen": "127.0.0.1:0", "upstream": f"127.0.0.1:{to_port}", "enabled": True}
        answer = httpx.post(f"{self.api}/proxies", json=wanted, timeout=10.0)
        if answer.is_error:
            raise Unavailable(f"toxiproxy: {answer.text}")
        return Network(self.api, name, int(answer.json()["listen"].rpartition(":")[2]))


@contextmanager
def toxiproxy(port: int, log: Path) -> Iterator[Toxiproxy]:
    """Run a proxy whose API listens on a port, as long as the context lasts."""
    command: list[str | Path] = [program(), "-host", "127.0.0.1", "-port", str(port)]
    with log.open("ab") as output:
        process = subprocess.Popen(leashed(command), stdout=output, stderr=output)
    try:
        proxy = Toxiproxy(f"http://127.0.0.1:{port}")
        _wait(proxy, process, log)
        yield proxy
    finally:
        process.terminate()
        process.wait()


def _wait(proxy: Toxiproxy, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(f"{proxy.api}/version", timeout=1.0)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise Unavailable(f"toxiproxy did not start; see {log}")


def program() -> Path:
    """Return the program, built where it is not there yet; Unavailable where there is no Go to do it."""
    target = cache_folder(os.environ) / f"toxiproxy-{_VERSION}"
    if target.exists():
        return target
    go = shutil.which("go")
    if go is None:
        raise Unavailable(f"no Go on PATH to build toxiproxy with; put its server at {target}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        built = subprocess.run(
            [go, "install", f"{_MODULE}@{_VERSION}"],
            env={**os.environ, "GOBIN": scratch, "CGO_ENABLED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        if built.returncode:
            raise Unavailable(f"toxiproxy cannot be built: {built.stderr[-2000:]}")
        (Path(scratch) / "server").rename(target)
    return target
