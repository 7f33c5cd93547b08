"""What a service tells the world: spans, metrics and logs over OTLP/HTTP, gzipped protobuf.

The resource says which revision of the configuration runs, and a resource cannot change; so each reload opens
a new *generation* of providers and closes the old one when its last request has ended. An unreachable
receiver costs nothing but the telemetry: exporters retry on their own, and their complaints stay on this
process's standard error, a few at a time.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from opentelemetry._logs import Logger as OtelLogger
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import get_current
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Tracer

from demo.documents import Written

SCOPE = "demo.shop"
_DELAY_MS = 1000
_METRICS_MS = 2000
_EXPORT_SECONDS = 20.0
_QUEUE = 8192


class OtlpTarget(Written):
    """Where telemetry goes: the base URL of an OTLP/HTTP receiver, and the headers it wants."""

    endpoint: str
    headers: dict[str, str] = {}


class Gauge(Protocol):
    """A value that is read when metrics are exported; ``value`` is called on the exporting thread."""

    @property
    def name(self) -> str: ...

    @property
    def unit(self) -> str: ...

    @property
    def value(self) -> Callable[[], float]: ...


@dataclass
class Generation:
    """The providers of one revision, and how many requests still write to them."""

    tracer: Tracer
    log: OtelLogger
    providers: tuple[TracerProvider, MeterProvider, LoggerProvider]
    in_flight: int = field(default=0)

    def close(self, patience: float) -> None:
        """Send what is left and stop; blocks for so many seconds at most, also when the receiver is away."""
        closing = [threading.Thread(target=provider.shutdown, daemon=True) for provider in self.providers]
        for thread in closing:
            thread.start()
        deadline = time.monotonic() + patience
        for thread in closing:
            thread.join(max(0.0, deadline - time.monotonic()))


def resource_of(service: str, revision: str, repository: str) -> Resource:
    """Who speaks: the service, this process of it, and the revision of its configuration."""
    return Resource.create(
        {
            "service.name": service,
            "service.instance.id": f"{service}-{os.getpid()}",
            "service.version": revision[:10],
            "vcs.ref.head.revision": revision,
            "vcs.repository.name": repository,
            "process.pid": os.getpid(),
        }
    )


def open_generation(resource: Resource, target: OtlpTarget | None, gauges: Iterable[Gauge]) -> Generation:
    """Start providers for a resource; without a target everything is made and nothing is sent."""
    traces = TracerProvider(resource=resource, shutdown_on_exit=False)
    logs = LoggerProvider(resource=resource, shutdown_on_exit=False)
    readers = []
    if target is not None:
        traces.add_span_processor(_span_sender(target))
        logs.add_log_record_processor(_log_sender(target))
        readers.append(_metric_sender(target))
    metrics = MeterProvider(readers, resource=resource, shutdown_on_exit=False)
    _register(metrics, gauges)
    return Generation(traces.get_tracer(SCOPE), logs.get_logger(SCOPE), (traces, metrics, logs))


def _span_sender(target: OtlpTarget) -> BatchSpanProcessor:
    exporter = OTLPSpanExporter(
        f"{target.endpoint}/v1/traces",
        headers=target.headers,
        timeout=_EXPORT_SECONDS,
        compression=Compression.Gzip,
    )
    return BatchSpanProcessor(exporter, max_queue_size=_QUEUE, schedule_delay_millis=_DELAY_MS)


def _log_sender(target: OtlpTarget) -> BatchLogRecordProcessor:
    exporter = OTLPLogExporter(
        f"{target.endpoint}/v1/logs",
        headers=target.headers,
        timeout=_EXPORT_SECONDS,
        compression=Compression.Gzip,
    )
    return BatchLogRecordProcessor(exporter, max_queue_size=_QUEUE, schedule_delay_millis=_DELAY_MS)


def _metric_sender(target: OtlpTarget) -> PeriodicExportingMetricReader:
    exporter = OTLPMetricExporter(
        f"{target.endpoint}/v1/metrics",
        headers=target.headers,
        timeout=_EXPORT_SECONDS,
        compression=Compression.Gzip,
    )
    return PeriodicExportingMetricReader(exporter, export_interval_millis=_METRICS_MS)


def _register(provider: MeterProvider, gauges: Iterable[Gauge]) -> None:
    meter = provider.get_meter(SCOPE)
    for gauge in gauges:

        def observe(_: CallbackOptions, gauge: Gauge = gauge) -> Iterable[Observation]:
            return [Observation(gauge.value())]

        meter.create_observable_gauge(gauge.name, callbacks=[observe], unit=gauge.unit)


_SEVERITY = {
    logging.DEBUG: SeverityNumber.DEBUG,
    logging.INFO: SeverityNumber.INFO,
    logging.WARNING: SeverityNumber.WARN,
    logging.ERROR: SeverityNumber.ERROR,
}


class LogBridge(logging.Handler):
    """Hands the records of ``logging`` to the generation of the day, with the span they were written in."""

    def __init__(self, generation: Generation) -> None:
        super().__init__(logging.INFO)
        self.generation = generation

    def emit(self, record: logging.LogRecord) -> None:
        at = int(record.created * 1e9)
        self.generation.log.emit(
            LogRecord(
                timestamp=at,
                observed_timestamp=at,
                context=get_current(),
                severity_number=_SEVERITY.get(record.levelno, SeverityNumber.INFO),
                severity_text=record.levelname,
                body=record.getMessage(),
                event_name=getattr(record, "event_name", None),
                attributes=getattr(record, "attributes", None) or {},
            )
        )


class FewAtATime(logging.Filter):
    """Lets one line per place in the code through in ``seconds``: an absent receiver is worth one."""

    def __init__(self, seconds: float = 30.0) -> None:
        super().__init__()
        self._seconds = seconds
        self._last: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        place = (record.pathname, record.lineno)
        if record.created - self._last.get(place, float("-inf")) < self._seconds:
            return False
        self._last[place] = record.created
        return True


def quiet_exporters() -> None:
    """Send what libraries complain about to standard error, a few lines at a time, without stack traces."""
    handler = logging.StreamHandler()
    handler.addFilter(FewAtATime())
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


class _OneLine(logging.Formatter):
    def formatException(self, _: object) -> str:  # noqa: N802
        return ""
