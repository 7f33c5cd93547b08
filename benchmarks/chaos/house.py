"""The house under test: `aitia up`, its Temporal server and its database, each of which can be struck.

Nothing here reaches into the house: it is started by its command, told what to do by its settings, asked over
its API. Door and agents are found by ``run.json``; Temporal's server and PostgreSQL are the harness' own.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.chaos.schedule import Blow, Struck
from benchmarks.chaos.toxiproxy import Network, Toxiproxy, toxiproxy
from benchmarks.postgres import LocalPostgres, local_postgres
from causal.errors import Unavailable
from integrations.leash import leashed
from integrations.temporal_binary import find_binary

HERE = Path(__file__).parent
_READY_WITHIN = 180.0
_SLOWED_BY = 0.8
_AT_WORK_WITHIN = 90.0
POLICY = """\
autonomy: approve
suggest_above: 0.1
act_above: 1.0
not_again_within: 1s
max_blast_radius: {"*": 100}
"""


@dataclass
class TemporalServer:
    """Temporal's dev server on one port and one file, that can be killed and started again."""

    binary: Path
    folder: Path
    port: int
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return once its port is open."""
        words = ["server", "start-dev", "--headless", "--log-level", "error"]
        words += [
            "--ip",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--db-filename",
            str(self.folder / "temporal.db"),
        ]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
        with (self.folder / "temporal.log").open("ab") as log:
            self._process = subprocess.Popen(leashed([self.binary, *words]), stdout=log, stderr=log, env=kept)
        wait_for(lambda: _open(self.port), "Temporal's port", seconds=60.0)

    def stop(self, how: signal.Signals) -> None:
        """End it by a signal."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None


@dataclass
class House:
    """The running whole, and a person's way to it: the door's API."""

    home: Path
    http: httpx.Client
    postgres: LocalPostgres
    temporal: TemporalServer
    database: Network
    proxy: Toxiproxy
    settings: Mapping[str, str]
    hands: ThreadPoolExecutor
    _turns: dict[str, threading.Lock] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: object = None) -> httpx.Response | None:
        """Ask the door; None where it does not answer at all."""
        try:
            return self.http.request(method, path, json=body)
        except httpx.TransportError:
            return None

    def read(self, path: str) -> Any:
        """The JSON at a path; None where it is not to be had now."""
        answer = self.ask("GET", path)
        return answer.json() if answer is not None and answer.is_success else None

    def strike(self, struck: Struck, target: Network, at_work: Callable[[], object]) -> bool:
        """Do something to the house; False where its victim is being struck by another.

        What is done to a target lasts from now until the plan is ``at_work``, and then as long as it says:
        on a busy machine nobody knows when the target will be spoken to.
        """
        victim, blow = self._blow(struck, target, at_work)
        with _turn(self._turns, victim) as mine:
            if mine:
                blow()
            return mine

    def _blow(
        self, struck: Struck, target: Network, at_work: Callable[[], object]
    ) -> tuple[str, Callable[[], None]]:
        lasting, database = struck.lasting, self.database

        def at_the_target(begin: Callable[[], None]) -> tuple[str, Callable[[], None]]:
            return target.name, lambda: _for(lasting, begin, target, at_work)

        table: Mapping[Blow, tuple[str, Callable[[], None]]] = {
            Blow.WORKER_KILLED: ("worker", lambda: self._kill("worker")),
            Blow.DOOR_KILLED: ("door", lambda: self._kill("door")),
            Blow.TEMPORAL_KILLED: ("temporal", lambda: self._temporal(signal.SIGKILL, lasting)),
            Blow.TEMPORAL_RESTARTED: ("temporal", lambda: self._temporal(signal.SIGTERM, lasting)),
            Blow.DATABASE_STOPPED: ("database", lambda: self._database(signal.SIGINT, lasting)),
            Blow.DATABASE_CRASHED: ("database", lambda: self._database(signal.SIGQUIT, lasting)),
            Blow.DATABASE_CUT: ("database", lambda: _for(lasting, database.cut, database)),
            Blow.DATABASE_SLOW: ("database", lambda: _for(lasting, lambda: _slowed(database), database)),
            Blow.DATABASE_SILENT: ("database", lambda: _for(lasting, database.silence, database)),
            Blow.TARGET_CUT: at_the_target(target.cut),
            Blow.TARGET_SLOW: at_the_target(lambda: _slowed(target)),
            Blow.TARGET_SILENT: at_the_target(target.silence),
            Blow.TARGET_LATE: at_the_target(lambda: _late(target)),
        }
        return table[struck.blow]

    def _kill(self, part: str) -> None:
        with suppress(ProcessLookupError, KeyError, TypeError, ValueError, OSError):
            os.kill(json.loads((self.home / "run.json").read_text())[part]["pid"], signal.SIGKILL)

    def _temporal(self, how: signal.Signals, seconds: float) -> None:
        self.temporal.stop(how)
        time.sleep(seconds)
        self.hands.submit(self.temporal.start).result()

    def _database(self, how: signal.Signals, seconds: float) -> None:
        self.postgres.stop(how)
        time.sleep(seconds)
        self.hands.submit(self.postgres.start).result()


def _slowed(network: Network) -> None:
    network.slow(_SLOWED_BY, stream="downstream")


def _late(network: Network) -> None:
    # The request gets there at once; its answer comes after whoever asked has given up.
    network.slow(6.0, stream="downstream")


def _for(
    seconds: float, begin: Callable[[], None], network: Network, at_work: Callable[[], object] = lambda: True
) -> None:
    begin()
    with suppress(Unavailable):  # nothing was begun at all: the blow hits nobody
        wait_for(at_work, "a plan at work", seconds=_AT_WORK_WITHIN)
    time.sleep(seconds)
    network.mend()


@contextmanager
def _turn(turns: dict[str, threading.Lock], victim: str) -> Iterator[bool]:
    lock = turns.setdefault(victim, threading.Lock())
    mine = lock.acquire(blocking=False)
    try:
        yield mine
    finally:
        if mine:
            lock.release()


@contextmanager
def house(home: Path) -> Iterator[House]:
    """Start everything, and stop it at the end by its own handles."""
    with ExitStack() as stack:
        (home / "logs").mkdir(parents=True, exist_ok=True)
        # What is started dies with the thread that started it, and the thread of a blow ends with the blow.
        hands = stack.enter_context(ThreadPoolExecutor(1))
        postgres = stack.enter_context(local_postgres(free_port()))
        proxy = stack.enter_context(toxiproxy(free_port(), home / "logs" / "toxiproxy.log"))
        temporal = TemporalServer(find_binary(), home, free_port())
        temporal.start()
        stack.callback(temporal.stop, signal.SIGTERM)
        database = proxy.network("database", postgres.port)
        _furnish(home)
        door = free_port()
        settings = _settings(home, door, temporal, database)
        stack.enter_context(_up(home, settings))
        token = (home / "token").read_text().strip()
        http = httpx.Client(
            base_url=f"http://127.0.0.1:{door}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=25.0,
            trust_env=False,
        )
        stack.enter_context(http)
        yield House(home, http, postgres, temporal, database, proxy, settings, hands)


def _furnish(home: Path) -> None:
    (home / "playbooks").mkdir(exist_ok=True)
    shutil.copy(HERE / "chaos-revert.yaml", home / "playbooks")
    (home / "policy.yaml").write_text(POLICY)


def _settings(home: Path, door: int, temporal: TemporalServer, database: Network) -> dict[str, str]:
    ours = ("OTEL_", "TEMPORAL_", "AITIA_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {
        "AITIA_HOME": str(home),
        "AITIA_DATABASE_URL": f"postgresql://postgres@127.0.0.1:{database.port}/postgres",
        "AITIA_DOOR_PORT": str(door),
        "AITIA_WATCH_EVERY": "3600",  # alerts come from here alone
        "AITIA_LOOK_BACK": "3600",  # quiet time is what there was before the first wave
        "TEMPORAL_ADDRESS": f"127.0.0.1:{temporal.port}",
    }


@contextmanager
def _up(home: Path, settings: Mapping[str, str]) -> Iterator[None]:
    command = [sys.executable, "-m", "workers", "up"]
    with (home / "logs" / "up.log").open("ab") as log:
        process = subprocess.Popen(leashed(command), stdout=log, stderr=log, env=dict(settings))
    try:
        wait_for(
            lambda: (home / "run.json").exists() or process.poll() is not None,
            "aitia up",
            seconds=_READY_WITHIN,
        )
        if process.poll() is not None:
            raise Unavailable("aitia up ended: " + (home / "logs" / "up.log").read_text()[-2000:])
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def wait_for(look: Callable[[], object], what: str, *, seconds: float) -> None:
    """Look again and again until something is true; raises Unavailable after so many seconds."""
    deadline = time.monotonic() + seconds
    while not look():
        if time.monotonic() > deadline:
            raise Unavailable(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.2)


def free_port() -> int:
    """A port of this machine that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _open(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
        return True
    return False
