"""A shop of four services for tests: an ordinary pair, an agent and its model; and ways to look at it."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from demo.admin_client import AdminClient
from demo.faults import FAULT
from demo.places import ShopFolder
from tests.demo.receiver import Receiver, Span

TOPOLOGY = """\
name: small
load:
  entries:
    - {service: door, operation: enter, per_second: 8}
    - {service: guide, operation: ask, per_second: 4}
services:
  - name: door
    operations:
      - name: enter
        calls:
          - {to: store, operation: get, timeout_ms: 1500, retries: 1}
  - name: store
    operations:
      - name: get
  - name: guide
    kind: agent
    operations:
      - name: ask
        calls:
          - {to: brain, operation: chat}
          - {to: store, operation: get}
  - name: brain
    kind: model
    operations:
      - name: chat
"""


def shop(home: Path, *words: str) -> str:
    """Run a command of the shop to its good end; gives what it printed."""
    argv = [sys.executable, "-m", "demo", *words, "--home", str(home)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def eventually(true: Callable[[], object], within: float = 45.0) -> bool:
    """Whether something comes true in time."""
    deadline, pause = time.monotonic() + within, threading.Event()
    while not true():
        if time.monotonic() > deadline:
            return False
        pause.wait(0.05)
    return True


@dataclass(frozen=True)
class Open:
    """A shop that is up, and who hears it."""

    client: AdminClient
    heard: Receiver

    @property
    def folder(self) -> ShopFolder:
        return self.client.folder

    def break_down(self, kind: str, service: str, **parameters: Any) -> float:
        """Switch a fault on; returns a moment after which it is on."""
        fault = FAULT.validate_python({"kind": kind, "service": service, **parameters})
        self.client.post("/faults", content=fault.model_dump_json())
        return time.time()

    def blamed(self) -> list[str]:
        """The services that are to blame at the moment."""
        return [cause["service"] for cause in self.client.get("/truth")["root_causes"]]

    def operator(self, method: str, path: str, **headers: str) -> httpx.Response:
        """Ask the admin API as an operator does."""
        bearer = {"Authorization": f"Bearer {self.folder.admin_token.read_text()}"}
        return httpx.request(method, self.client.url + path, headers=bearer | headers, timeout=30)

    def seen(self, service: str) -> dict[str, Any]:
        """A service as the shopkeeper sees it."""
        found: dict[str, Any] = next(s for s in self.client.get("/services") if s["service"] == service)
        return found

    def failed(self, service: str, name: str, since: float) -> Span:
        """Wait for a failed span."""
        return self.heard.wait_for(
            lambda: [s for s in self.heard.spans_of(service, name, since) if s.failed]
        )[0]

    def effects(self) -> list[dict[str, Any]]:
        """What operators did so far."""
        lines = self.folder.effects.read_text().splitlines() if self.folder.effects.exists() else []
        return [json.loads(line) for line in lines]
