"""A real door on a free port, with all that stands behind it: a home, a database, a Temporal namespace."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from temporalio.client import Client

from playbooks.remedy import ApprovalRequest
from workers.door.app import door
from workers.house import House
from workers.settings import Settings

QUESTION = ApprovalRequest(
    id="inc-1-p1",
    incident="inc-1",
    plan="p1",
    plan_digest="d" * 64,
    binding="b" * 64,
    seals=("a seal",),
    asked_at=100.0,
    expires_at=9e9,
)
YES = {"binding": QUESTION.binding, "token": "a token", "approve": True, "by": "ada"}


@dataclass(frozen=True)
class OpenDoor:
    """A door that is open, and the house behind it."""

    url: str
    house: House

    @property
    def http(self) -> httpx.Client:
        """A client of the door that has the token."""
        headers = {"Authorization": f"Bearer {self.house.settings.token()}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60.0)

    def get(self, path: str, **parts: Any) -> httpx.Response:
        """Ask with the token."""
        with self.http as http:
            return http.get(path, **parts)

    def post(self, path: str, **parts: Any) -> httpx.Response:
        """Send with the token."""
        with self.http as http:
            return http.post(path, **parts)


def settings_for(home: Path, address: str, namespace: str, **changes: Any) -> Settings:
    """Settings of a home folder and of somebody else's Temporal server."""
    there = {"TEMPORAL_ADDRESS": address, "TEMPORAL_NAMESPACE": namespace}
    return Settings.model_validate({"home": home, **there, **changes})


def settings_of(home: Path, client: Client, **changes: Any) -> Settings:
    """Settings of a home folder and of the server and the namespace of a client."""
    return settings_for(home, client.service_client.config.target_host, client.namespace, **changes)


@contextmanager
def open_door(settings: Settings) -> Iterator[OpenDoor]:
    """Open a door on a free port; it takes requests from the first moment on, and is shut at the end."""
    house = House(settings)
    server = uvicorn.Server(uvicorn.Config(door(house), log_level="critical", timeout_graceful_shutdown=5))
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()  # from here on a request waits until the server takes it
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield OpenDoor(f"http://127.0.0.1:{listening.getsockname()[1]}", house)
    finally:
        server.should_exit = True
        thread.join()
        house.engine.dispose()


def say_where(opened: OpenDoor) -> None:
    """Write the home's run.json, by which the command line finds the door."""
    file = opened.house.settings.home / "run.json"
    file.write_text(json.dumps({"door": {"url": opened.url}}))
