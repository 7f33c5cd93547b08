"""A service's ``/metrics``: what a Prometheus scrapes, in its text format.

Beside what the service pushes over OTLP, as many systems have both. A page takes no worker of the pool, makes
no span and asks for no token; what it says of the pool and of the process is read when it is asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from demo.pool import Pool

CONTENT_TYPE = CONTENT_TYPE_LATEST
UNKNOWN = "unknown"
"""The operation of requests for what is not there: their names would make series without end."""

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass
class MetricsPage:
    """Counts what a service answered; `page` is what is scraped."""

    pool: Pool
    _registry: CollectorRegistry = field(default_factory=CollectorRegistry, init=False)

    def __post_init__(self) -> None:
        self._requests = Counter(
            "http_requests", "Requests answered.", ("operation", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "From the request to its answer.",
            ("operation",),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._gauge("pool_size", "Workers there are.", lambda: self.pool.limits.size)
        self._gauge("pool_in_use", "Workers that serve, or are being reset.", lambda: self.pool.in_use)
        self._gauge("pool_pending", "Requests that wait for a worker.", lambda: self.pool.pending)
        ProcessCollector(registry=self._registry)

    def answered(self, operation: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._requests.labels(operation, str(status)).inc()
        self._seconds.labels(operation).observe(seconds)

    def page(self) -> bytes:
        """Everything, as it is now."""
        return generate_latest(self._registry)

    def _gauge(self, name: str, says: str, value: Callable[[], float]) -> None:
        Gauge(name, says, registry=self._registry).set_function(value)
