"""The Prometheus source against a real Prometheus; `make test` says so where there is none."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from causal.errors import MalformedTelemetry, Unavailable
from causal.evidence import Window
from integrations.backends.prometheus import MOST_POINTS, Prometheus, PrometheusSettings, Query
from integrations.backends.source import Pulled
from tests.integrations.backends.real_prometheus import PROGRAM, RealPrometheus, real_prometheus

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no prometheus here: run tools/prometheus")

PAGE = """
# TYPE shop_basket gauge
shop_basket{shape="round"} 7
shop_basket{shape="square"} 8
shop_odd NaN
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealPrometheus]:
    with real_prometheus(tmp_path_factory.mktemp("prometheus")) as prometheus:
        prometheus.target.page = PAGE
        prometheus.wait_for('shop_basket{shape="round"} offset 1s', 7.0)
        yield prometheus


def source(running: RealPrometheus, *queries: Query, **settings: object) -> Prometheus:
    return Prometheus(
        PrometheusSettings.model_validate({"url": running.url, "queries": queries, "step": 0.2, **settings})
    )


def recent(seconds: float = 5.0) -> Window:
    now = time.time()
    return Window(start=now - seconds, end=now)


def metrics(pulled: Pulled) -> set[str]:
    return set(pulled.rows.metrics["metric"].to_pylist())


def test_a_series_is_a_stream_of_the_service_that_its_job_names(running: RealPrometheus) -> None:
    pulled = source(running, Query(metric="basket", query="shop_basket")).pull(recent())
    assert set(pulled.rows.metrics["service"].to_pylist()) == {"cart"}


def test_labels_tell_the_streams_of_a_metric_apart(running: RealPrometheus) -> None:
    pulled = source(running, Query(metric="basket", query="shop_basket")).pull(recent())
    assert metrics(pulled) == {"basket{shape=round}", "basket{shape=square}"}


def test_values_that_are_no_numbers_are_left_out(running: RealPrometheus) -> None:
    pulled = source(running, Query(metric="odd", query="shop_odd")).pull(recent())
    assert pulled.rows.rows == 0


def test_a_window_of_a_month_is_asked_within_the_points_that_prometheus_allows(
    running: RealPrometheus,
) -> None:
    month = recent(30 * 86_400.0)
    window = Window(start=month.start, end=month.end + 240)
    pulled = source(running, Query(metric="basket", query="shop_basket"), step=1.0).pull(window)
    assert (pulled.gaps, 0 < pulled.rows.rows <= 2 * MOST_POINTS) == ((), True)


def test_a_query_that_is_wrong_leaves_the_others_and_is_told_as_a_gap(running: RealPrometheus) -> None:
    wrong, right = Query(metric="wrong", query="rate("), Query(metric="basket", query="shop_basket")
    pulled = source(running, wrong, right).pull(recent())
    assert (bool(pulled.rows.rows), len(pulled.gaps), "wrong" in pulled.gaps[0]) == (True, 1, True)


def test_a_target_that_dies_is_silent_at_once_and_not_flat(tmp_path: Path) -> None:
    with real_prometheus(tmp_path) as prometheus:
        prometheus.target.page = "shop_alive 1\n"
        prometheus.wait_for("shop_alive", 1.0)
        prometheus.target.page = None
        prometheus.wait_for("shop_alive", None)
        died = time.time()
        prometheus.wait_for("vector(time() > bool %r)" % (died + 1), 1.0)
        pulled = source(prometheus, Query(metric="alive", query="shop_alive"), step=0.2).pull(
            Window(start=died, end=died + 1)
        )
        assert pulled.rows.rows == 0


def test_a_prometheus_that_is_not_there_is_unavailable() -> None:
    nobody = Prometheus(PrometheusSettings.model_validate({"url": "http://127.0.0.1:9"}))
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
        nobody.ping()


def test_what_is_no_prometheus_is_told_by_its_answer(running: RealPrometheus) -> None:
    elsewhere = PrometheusSettings.model_validate({"url": f"http://127.0.0.1:{running.target.port}"})
    with pytest.raises(MalformedTelemetry, match="not what was asked for"):
        Prometheus(elsewhere).ping()


def test_its_version_is_what_a_ping_says(running: RealPrometheus) -> None:
    assert source(running).ping().startswith("Prometheus 2.")
