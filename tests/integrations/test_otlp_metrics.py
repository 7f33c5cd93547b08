"""Samples and log records of OTLP requests: what each kind becomes."""

from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    Sum,
)

from causal.evidence import Window
from integrations.arrow import concat
from integrations.memory_telemetry import answer
from integrations.otlp import Decoded, decode_logs, decode_metrics
from tests.integrations.telemetry_examples import SECOND, T0, attribute

DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
ALL = Window(start=T0 - 1000, end=T0 + 1000)


def number(at: float, value: float, **fields: Any) -> NumberDataPoint:
    moments = {"start_time_unix_nano": T0 * SECOND, "time_unix_nano": round((T0 + at) * SECOND)}
    return NumberDataPoint(**moments | {"as_double": value} | fields)


def observed(at: float, count: int, total: float) -> HistogramDataPoint:
    return HistogramDataPoint(
        start_time_unix_nano=T0 * SECOND,
        time_unix_nano=round((T0 + at) * SECOND),
        count=count,
        sum=total,
    )


def gauge(*points: NumberDataPoint, name: str = "m") -> Metric:
    return Metric(name=name, gauge=Gauge(data_points=points))


def total(*points: NumberDataPoint, temporality: Any = CUMULATIVE, monotonic: bool = True) -> Metric:
    data = Sum(data_points=points, aggregation_temporality=temporality, is_monotonic=monotonic)
    return Metric(name="m", sum=data)


def histogram(*points: HistogramDataPoint, temporality: Any = CUMULATIVE) -> Metric:
    return Metric(name="m", histogram=Histogram(data_points=points, aggregation_temporality=temporality))


def decoded(*metrics: Metric) -> Decoded:
    request = ExportMetricsServiceRequest()
    sent = request.resource_metrics.add()
    sent.resource.attributes.append(attribute("service.name", "cart"))
    sent.scope_metrics.add().metrics.extend(metrics)
    return decode_metrics(request.SerializeToString(), "protobuf")


def read(*requests: Decoded) -> list[tuple[str, float]]:
    """What a store answers that took these requests: (metric, value), sorted."""
    rows = answer(concat(request.rows for request in requests), ALL).metrics
    return sorted(zip(rows["metric"].to_pylist(), rows["value"].to_pylist(), strict=True))


def test_a_gauge_is_its_value() -> None:
    assert read(decoded(gauge(number(1, 0.5)))) == [("m", 0.5)]


def test_streams_of_a_metric_differ_by_their_attributes() -> None:
    points = number(1, 3, attributes=[attribute("state", "used"), attribute("pool", "db")])
    assert read(decoded(gauge(points))) == [("m{pool=db,state=used}", 3.0)]


def test_a_long_suffix_ends_in_a_digest() -> None:
    ((name, _),) = read(decoded(gauge(number(1, 3, attributes=[attribute("a", "x" * 500)]))))
    assert (len(name), name[-10]) == (1 + 2 + 96, "…")


def test_a_sum_that_may_fall_is_its_value() -> None:
    assert read(decoded(total(number(1, 7), monotonic=False))) == [("m", 7.0)]


def test_a_delta_sum_is_a_rate_at_once() -> None:
    assert read(decoded(total(number(10, 50), temporality=DELTA))) == [("m.rate", 5.0)]


def test_a_cumulative_sum_is_a_rate_between_two_exports() -> None:
    assert read(decoded(total(number(10, 50))), decoded(total(number(20, 90)))) == [("m.rate", 4.0)]


def test_a_counter_that_was_restarted_counts_what_it_shows() -> None:
    assert read(decoded(total(number(10, 50))), decoded(total(number(20, 10)))) == [("m.rate", 1.0)]


def test_a_single_export_of_a_running_total_says_nothing() -> None:
    assert read(decoded(total(number(10, 50)))) == []


def test_streams_of_a_counter_are_not_mixed() -> None:
    def at(moment: float, red: float, blue: float) -> Decoded:
        points = [
            number(moment, value, attributes=[attribute("colour", colour)])
            for colour, value in (("red", red), ("blue", blue))
        ]
        return decoded(total(*points))

    assert read(at(10, 100, 1), at(20, 200, 2)) == [
        ("m.rate{colour=blue}", 0.1),
        ("m.rate{colour=red}", 10.0),
    ]


def test_a_cumulative_histogram_is_a_rate_and_a_mean() -> None:
    requests = decoded(histogram(observed(10, 10, 5.0))), decoded(histogram(observed(20, 30, 45.0)))
    assert read(*requests) == [("m.mean", 2.0), ("m.rate", 2.0)]


def test_a_delta_histogram_is_a_rate_and_a_mean() -> None:
    found = read(decoded(histogram(observed(10, 20, 40.0), temporality=DELTA)))
    assert found == [("m.mean", 2.0), ("m.rate", 2.0)]


def test_a_histogram_without_observations_has_no_mean() -> None:
    requests = decoded(histogram(observed(10, 10, 5.0))), decoded(histogram(observed(20, 10, 5.0)))
    assert read(*requests) == [("m.rate", 0.0)]


@pytest.mark.parametrize("point", [number(1, float("nan")), number(1, 2, time_unix_nano=0)])
def test_a_data_point_that_cannot_be_is_rejected(point: NumberDataPoint) -> None:
    assert decoded(gauge(point, number(1, 2))).rejected == 1


def test_the_end_of_a_stream_is_no_rejection() -> None:
    assert decoded(gauge(NumberDataPoint(time_unix_nano=T0 * SECOND, flags=1))).rejected == 0


def log_row(**fields: Any) -> dict[str, Any]:
    request = ExportLogsServiceRequest()
    record = LogRecord(**{"time_unix_nano": T0 * SECOND} | fields)
    request.resource_logs.add().scope_logs.add().log_records.append(record)
    found: list[dict[str, Any]] = decode_logs(request.SerializeToString(), "protobuf").rows.logs.to_pylist()
    return found[0]


def test_a_severity_is_a_word_by_its_number() -> None:
    assert log_row(severity_number=18, severity_text="whatever")["severity"] == "error"


def test_a_severity_without_a_number_is_its_text() -> None:
    assert log_row(severity_text="WARNING")["severity"] == "warn"


def test_a_log_body_is_cut_to_its_bound() -> None:
    assert len(log_row(body=attribute("", "x" * 100_000).value)["body"]) == 4096


def test_a_log_record_is_kept_without_a_usable_trace_id() -> None:
    assert log_row(trace_id=b"abc")["trace_id"] is None


def test_the_time_of_observation_stands_in_for_a_missing_time() -> None:
    assert log_row(time_unix_nano=0, observed_time_unix_nano=T0 * SECOND)["time_unix_ns"] == T0 * SECOND


def test_an_event_is_written_with_its_name_and_attributes() -> None:
    event = log_row(
        event_name="gen_ai.evaluation.result", attributes=[attribute("gen_ai.evaluation.name", "x")]
    )
    assert event["body"] == 'gen_ai.evaluation.result {"gen_ai.evaluation.name":"x"}'
