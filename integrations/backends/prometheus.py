"""Prometheus and whatever speaks its query API: metrics by range queries.

What is asked is what people wrote (`Query`), word for word; nothing is ever inserted into a query. A range
is asked in one step that keeps every series under Prometheus' 11,000 points, and at multiples of that step,
so that windows side by side share no sample and miss none. Samples that are not numbers
are left out; a native histogram becomes ``name.rate`` and ``name.mean``, as everywhere here. A target that
died vanishes at once (staleness markers), so its silence is in the rows by their absence. Warnings are told
as gaps: they say that an answer is not whole.
Source: prometheus.io, "HTTP API".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from causal.errors import Malformed, Refused
from causal.evidence import Window
from integrations.arrow import METRICS, ArrowBatch, table_of
from integrations.backends.labels import INSTANCE_LABELS, instance_of, service_label, service_of
from integrations.backends.source import Pulled
from integrations.backends.wire import Backend, ask, read_as
from integrations.otlp_metrics import stream_suffix
from playbooks.remedy import Duration, Written

MOST_POINTS = 11_000
MOST_SERIES = 20_000
_NOT_TOLD = {"__name__", *INSTANCE_LABELS}


class Query(Written):
    """A metric of ours and the PromQL that gives it."""

    metric: str
    query: str


QUERIES: tuple[Query, ...] = (
    Query(metric="up", query="up"),
    Query(metric="process.cpu.utilization", query="rate(process_cpu_seconds_total[1m])"),
    Query(metric="process.memory.usage", query="process_resident_memory_bytes"),
    Query(metric="process.open_file_descriptor.count", query="process_open_fds"),
    Query(metric="container.cpu.usage", query='rate(container_cpu_usage_seconds_total{container!=""}[1m])'),
    Query(metric="container.memory.usage", query='container_memory_working_set_bytes{container!=""}'),
    Query(metric="http.server.request", query="rate(http_server_request_duration_seconds_count[1m])"),
    Query(metric="http.requests", query="rate(http_requests_total[1m])"),
)
"""What is asked where a site says nothing else: what common exporters and SDKs have."""


class PrometheusSettings(Backend):
    """A Prometheus and what to ask it; ``step`` is the finest distance of samples (s)."""

    step: Duration = 15.0
    queries: tuple[Query, ...] = QUERIES


class _Series(msgspec.Struct):
    metric: dict[str, str] = {}
    values: list[tuple[float, str]] = []
    histograms: list[tuple[float, dict[str, object]]] = []


class _Data(msgspec.Struct, rename="camel"):
    result_type: str = ""
    result: list[_Series] = []


class _Answer(msgspec.Struct, rename="camel"):
    status: str = ""
    data: _Data | None = None
    error: str = ""
    warnings: list[str] = []
    infos: list[str] = []


Row = tuple[float, str, str | None, str, float]


@dataclass(frozen=True)
class Prometheus:
    """An `integrations.backends.source.TelemetrySource` of metrics."""

    settings: PrometheusSettings
    name: str = "prometheus"
    settles: float = 0.0

    def pull(self, window: Window) -> Pulled:
        rows: list[Row] = []
        gaps: list[str] = []
        for query in self.settings.queries:
            try:
                answer = self._asked(query, window)
            except (Refused, Malformed) as error:  # one query that is wrong leaves the others
                gaps.append(f"{self.name}: {query.metric} can not be had: {error}")
                continue
            gaps += [f"{self.name} warns about {query.metric}: {said}" for said in answer.warnings]
            series = answer.data.result if answer.data else []
            if len(series) > MOST_SERIES:
                gaps.append(f"{self.name}: {query.metric} has {len(series)} series; {MOST_SERIES} are read")
            rows += _rows(query.metric, series[:MOST_SERIES])
        return Pulled(ArrowBatch(metrics=table_of(METRICS, rows)), tuple(gaps))

    def ping(self) -> str:
        """Ask which version it is."""
        told = read_as(_Build, ask(self.settings, "/api/v1/status/buildinfo"), self.name)
        return f"Prometheus {told.data.version}"

    def _asked(self, query: Query, window: Window) -> _Answer:
        step = max(self.settings.step, window.seconds / (MOST_POINTS - 1))
        form = {
            "query": query.query,
            "start": repr(math.ceil(window.start / step) * step),
            "end": repr(window.end),
            "step": repr(step),
            "timeout": f"{self.settings.timeout:g}s",
        }
        answer: _Answer = read_as(_Answer, ask(self.settings, "/api/v1/query_range", form=form), self.name)
        return answer


class _Version(msgspec.Struct):
    version: str = "of unknown version"


class _Build(msgspec.Struct):
    data: _Version = msgspec.field(default_factory=_Version)


def _rows(metric: str, series: Sequence[_Series]) -> Iterator[Row]:
    for one in series:
        service = service_of(one.metric)
        instance = instance_of(one.metric)
        name = metric + _suffix(one.metric)
        for at, text in one.values:
            value = _number(text)
            if value is not None:
                yield at, service, instance, name, value
        for at, histogram in one.histograms:
            count, total = _number(histogram.get("count")), _number(histogram.get("sum"))
            if count is not None:
                yield at, service, instance, f"{name}.rate", count
            if count and total is not None:
                yield at, service, instance, f"{name}.mean", total / count


def _suffix(labels: Mapping[str, str]) -> str:
    """What tells the series of a service apart, in braces and sorted, as for every stream."""
    naming = service_label(labels)
    told = {name: value for name, value in labels.items() if name not in _NOT_TOLD and name != naming}
    return stream_suffix(told)


def _number(text: object) -> float | None:
    try:
        value = float(str(text))
    except ValueError:
        return None
    return value if math.isfinite(value) else None
