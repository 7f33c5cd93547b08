"""The shops that are broken: two services each, a repository, and a target that keeps count.

What is done to a stall stands in its own records: commits with the step's key as a trailer, and the shop's
log of effects. A *forgetful* stall is asked through a go-between that gives every request a key of its own,
so that the shop recognises no repetition: what is sent twice happens twice, and is counted twice.
"""

import json
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from typing import Any
from urllib.parse import urlsplit

import httpx
from ruamel.yaml import YAML

from benchmarks.chaos.judge import Effect
from benchmarks.chaos.toxiproxy import Network, Toxiproxy
from demo.admin_client import AdminClient
from demo.config_repository import ConfigRepository
from demo.configuration import service_file
from demo.errors import ShopError
from demo.lifecycle import put_down, put_up
from demo.places import ShopFolder, write_text
from demo.telemetry import OtlpTarget
from demo.topology import Topology
from integrations.git import STEP

_CUSTOMERS_PER_SECOND = 2.0


def topology(name: str) -> Topology:
    """A gate that asks a till."""
    return Topology.model_validate(
        {
            "name": name,
            "load": {
                "entries": [
                    {"service": f"{name}-gate", "operation": "enter", "per_second": _CUSTOMERS_PER_SECOND}
                ]
            },
            "services": [
                {
                    "name": f"{name}-gate",
                    "operations": [
                        {
                            "name": "enter",
                            "work": {"mean_ms": 3},
                            "calls": [{"to": f"{name}-till", "operation": "pay", "timeout_ms": 1500}],
                        }
                    ],
                },
                {"name": f"{name}-till", "operations": [{"name": "pay", "work": {"mean_ms": 4}}]},
            ],
        }
    )


@dataclass(frozen=True)
class Stall:
    """One shop that is up, and the two ways on which it is asked to do things."""

    client: AdminClient
    remembering: Network
    forgetting: Network
    healthy: str

    @property
    def gate(self) -> str:
        """The service that customers come to, which is the one that is broken."""
        return f"{self.client.folder.name}-gate"

    def offer(self, *, forgetful: bool) -> Network:
        """Tell the house how to reach the target from now on; return that network."""
        network = self.forgetting if forgetful else self.remembering
        path, yaml = self.client.folder.connection, YAML()
        told = yaml.load(path.read_text())
        http = told["http"][self.client.folder.admin_name]
        http["base_url"], http["idempotent"] = f"http://127.0.0.1:{network.port}", not forgetful
        out = StringIO()
        yaml.dump(told, out)
        write_text(path, out.getvalue())
        return network

    def break_down(self, setting: str) -> None:
        """A commit that nobody should have made."""
        change: dict[str, Any] = {"setting": setting, "upstream": f"{self.client.folder.name}-till"}
        change |= {"timeout_ms": 1} if setting == "timeout" else {}
        self._fault({"kind": "bad_config", "service": self.gate, "change": change})

    def break_further(self) -> None:
        """Something that no commit explains and no revert mends."""
        self._fault({"kind": "errors", "service": self.gate, "share": 1.0})

    def heal(self) -> None:
        """Be well, whatever was done: the first configuration again, and nothing that ails a process."""
        repository, file = ConfigRepository(self.client.folder.config), service_file(self.gate)
        if repository.read(file) != self.healthy:
            repository.commit({file: self.healthy}, "Back to what it was")
        self.client.post(f"/reload/{self.gate}")
        self.client.post("/heal")

    def effects(self, incident: str) -> tuple[Effect, ...]:
        """All that was done for an incident, by the records of shop and repository."""
        done = (*self._log(), *self._commits())
        return tuple(effect for effect in done if effect.key.startswith(f"{incident}/"))

    def _log(self) -> Iterator[Effect]:
        path = self.client.folder.effects
        for text in path.read_text().splitlines() if path.exists() else ():
            line = json.loads(text)
            if line["key"]:
                yield Effect(
                    line["key"].partition("#")[0], f"{line['action']} {line['service']}", line["time"]
                )

    def _commits(self) -> Iterator[Effect]:
        form = f"--format=%ct%x09%(trailers:key={STEP},valueonly,separator=%x2C)%x09%s"
        told = subprocess.run(
            ["git", "-C", str(self.client.folder.config), "log", form],
            capture_output=True,
            text=True,
            check=True,
        )
        for line in told.stdout.splitlines():
            at, key, title = line.split("\t", 2)
            if key:
                yield Effect(key, title, float(at))

    def _fault(self, fault: dict[str, Any]) -> None:
        self.client.post("/faults", content=json.dumps(fault))


@contextmanager
def shop(folder: ShopFolder, otlp: OtlpTarget) -> Iterator[AdminClient]:
    """Open a shop, and close it at the end, however that comes."""
    try:
        yield put_up(folder, topology(folder.name), otlp)
    finally:
        try:
            put_down(folder)
        except ShopError as error:
            print(f"{folder.name} does not close: {error}")


@contextmanager
def stall(folder: ShopFolder, otlp: OtlpTarget, proxy: Toxiproxy) -> Iterator[Stall]:
    """Open a shop with both ways to its target."""
    with shop(folder, otlp) as client, go_between(client) as port:
        yield Stall(
            client=client,
            remembering=proxy.network(folder.name, int(client.url.rpartition(":")[2])),
            forgetting=proxy.network(f"{folder.name}-forgetful", port),
            healthy=ConfigRepository(folder.config).read(service_file(f"{folder.name}-gate")),
        )


@contextmanager
def go_between(client: AdminClient) -> Iterator[int]:
    """Serve a go-between that makes the shop behind it forgetful; yields its port."""
    counted: Counter[str] = Counter()
    lock = threading.Lock()

    def numbered(key: str) -> str:
        with lock:
            counted[key] += 1
            return f"{key}#{counted[key]}"

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {"Authorization": self.headers["Authorization"]}
            if key := self.headers.get("Idempotency-Key"):
                headers["Idempotency-Key"] = numbered(key)
            answer = httpx.post(f"{client.url}{urlsplit(self.path).path}", headers=headers, timeout=60.0)
            self.send_response(answer.status_code)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                return  # whoever asked is gone; what was done is done

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
