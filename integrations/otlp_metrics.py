"""Samples of an OTLP request as rows: what each kind of metric becomes.

- A gauge, and a sum that may fall (a pool's size), is its value.
- A monotonic sum becomes what it grew by a second, `name.rate`. If the sender counts anew for each export
  (delta) that is known here; if it counts since its start (cumulative) the running total is written down
  under a marked name, and whoever reads several exports takes the difference (`integrations.rates`).
- A histogram, an exponential histogram and a summary become `name.rate`, observations a second, and
  `name.mean`; their buckets are not kept.

Streams of one metric differ by their attributes: they follow the name in braces, sorted,
`db.client.connection.count{state=used}`; what would be too long ends in a digest of the whole.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from integrations.arrow import METRICS, table_of
from integrations.otlp_spans import sender
from integrations.otlp_values import Rejections, is_sensible, plain_attributes, text
from integrations.rates import COUNT, MARK, SUM, TOTAL

__all__ = ["sample_rows", "stream_suffix"]

_LONGEST = 96  # characters of a suffix
_DELTA = (1, "AGGREGATION_TEMPORALITY_DELTA")
_NO_VALUE = 1  # flag: the stream has ended
_SECOND = 1e9

Sample = tuple[str, float]


def sample_rows(request: Any, rejected: Rejections) -> pa.Table:
    """The sound samples of an export request; data points that cannot be used are counted."""
    rows: list[tuple[Any, ...]] = []
    for resource_metrics in request.resource_metrics or ():
        service, instance, _ = sender(resource_metrics.resource)
        for scope in resource_metrics.scope_metrics or ():
            for metric in scope.metrics or ():
                rows.extend((at, service, instance, *sample) for at, sample in _samples(metric, rejected))
    return table_of(METRICS, rows)


def _samples(metric: Any, rejected: Rejections) -> Iterator[tuple[float, Sample]]:
    kind = metric.WhichOneof("data")
    if kind is None:
        return
    data = getattr(metric, kind)
    for point in data.data_points or ():
        if point.flags & _NO_VALUE:
            continue
        try:
            at = _moment(point)
            found = list(_of_point(_name(metric), kind, data, point))
        except (ValueError, OverflowError) as error:
            rejected.add(f"data point: {error}")
            continue
        yield from ((at, sample) for sample in found)


def _name(metric: Any) -> str:
    return text(metric.name).replace(MARK, " ")


def _moment(point: Any) -> float:
    if not is_sensible(point.time_unix_nano):
        raise ValueError("a time that cannot be (unset, or centuries off)")
    return float(point.time_unix_nano / _SECOND)


def _of_point(name: str, kind: str, data: Any, point: Any) -> Iterable[Sample]:
    suffix = stream_suffix(plain_attributes(point.attributes))
    if kind in ("gauge", "sum"):
        field = point.WhichOneof("value")
        if field is None:
            raise ValueError("no value")
        value = _finite(getattr(point, field))
        if kind == "gauge" or not data.is_monotonic:
            return [(name + suffix, value)]
        if data.aggregation_temporality not in _DELTA:
            return [(f"{TOTAL}{name}.rate{suffix}", value)]
        return _per_second(name, suffix, value, point)
    return _of_histogram(name, suffix, kind, data, point)


def _of_histogram(name: str, suffix: str, kind: str, data: Any, point: Any) -> list[Sample]:
    count = _finite(point.count or 0)
    total = _finite(point.sum) if kind == "summary" or point.HasField("sum") else None
    if kind != "summary" and data.aggregation_temporality in _DELTA:
        mean = [(f"{name}.mean{suffix}", total / count)] if total is not None and count else []
        return [*_per_second(name, suffix, count, point), *mean]
    sums = [(f"{SUM}{name}.mean{suffix}", total)] if total is not None else []
    return [(f"{COUNT}{name}.mean{suffix}", count), (f"{TOTAL}{name}.rate{suffix}", count), *sums]


def _per_second(name: str, suffix: str, amount: float, point: Any) -> list[Sample]:
    seconds = (point.time_unix_nano - point.start_time_unix_nano) / _SECOND
    if not is_sensible(point.start_time_unix_nano) or seconds <= 0:
        return []
    return [(f"{name}.rate{suffix}", amount / seconds)]


def _finite(value: float | None) -> float:
    number = float(value if value is not None else math.nan)
    if not math.isfinite(number):
        raise ValueError("no finite value")
    return number


def stream_suffix(attributes: Mapping[str, Any]) -> str:
    """What tells the streams of one metric apart: attributes in braces, sorted, of bounded length."""
    if not attributes:
        return ""
    written = ",".join(f"{key}={attributes[key]}" for key in sorted(attributes))
    if len(written) > _LONGEST:
        digest = hashlib.sha256(written.encode("utf-8", "replace")).hexdigest()[:8]
        written = f"{written[: _LONGEST - 9]}…{digest}"
    return f"{{{written}}}"
