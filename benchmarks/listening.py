"""Who listens to a shop: an OTLP receiver with a telemetry store, and the watch that looks at it.

The same parts as in production (the door's routes, the rolling rollup, `causal.detect`, `causal.correlate`)
without the workflow engine around them, so that a recorded incident is what an incident would have been.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from causal.correlate import correlate
from causal.detect import detect
from causal.evidence import Alert, Window
from demo.processes import LOOPBACK, reserve_port
from integrations.telemetry_store import DiskTelemetryStore
from workers.door.otlp import otlp_routes
from workers.rolling import Rolling

_LAST_REQUESTS = 2


@dataclass(frozen=True)
class Receiver:
    """A receiver that runs: where it is, and what it keeps."""

    endpoint: str
    store: DiskTelemetryStore


@contextmanager
def receiving(folder: Path) -> Iterator[Receiver]:
    """Receive OTLP/HTTP on a free port into a store in the folder, until the block ends."""
    store = DiskTelemetryStore(folder)
    config = uvicorn.Config(
        Starlette(routes=otlp_routes(store)),
        access_log=False,
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=_LAST_REQUESTS,
    )
    server = uvicorn.Server(config)
    with reserve_port() as port:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [port]}, daemon=True)
        thread.start()
        try:
            yield Receiver(f"http://{LOOPBACK}:{port.getsockname()[1]}", store)
        finally:
            server.should_exit = True
            thread.join()
            store.close()


@dataclass
class Watch:
    """The metric agent's watch over one system.

    ``tainted`` are the times known not to be quiet: the incidents so far.
    """

    store: DiskTelemetryStore
    system: str
    tainted: list[Window] = field(default_factory=list)
    _rolling: Rolling = field(init=False)

    def __post_init__(self) -> None:
        self._rolling = Rolling(self.store)

    def look(self) -> Alert | None:
        """The chief alert of this moment, if there is one."""
        now = time.time()
        rollup = self._rolling.until(now)
        anomalies = detect(rollup, now, tainted=tuple(self.tainted))
        alerts = correlate(anomalies, rollup.calls, now=now, system=self.system)
        return alerts[0] if alerts else None
