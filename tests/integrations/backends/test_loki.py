"""Loki as a source of logs, over real sockets."""

from collections.abc import Iterator

import pytest

from causal.errors import Refused
from causal.evidence import Window
from integrations.backends.loki import Loki, LokiSettings
from tests.doubles.telemetry_backends import TENANT, LokiDouble, running

BEGAN = 1_795_000_000.0
WINDOW = Window(start=BEGAN, end=BEGAN + 60)
LABELS = {"service_name": "cart", "level": "WARNING", "pod": "cart-7"}


@pytest.fixture
def loki() -> Iterator[tuple[LokiDouble, str]]:
    double = LokiDouble(
        lines=[(LABELS, BEGAN + n, f"line {n}", {"trace_id": f"{n:032x}"}) for n in range(50)]
    )
    with running(double) as url:
        yield double, url


def source(url: str, **settings: object) -> Loki:
    return Loki(LokiSettings.model_validate({"url": url, "tenant": TENANT, **settings}))


def test_every_line_of_the_window_is_a_row(loki: tuple[LokiDouble, str]) -> None:
    pulled = source(loki[1]).pull(WINDOW)
    assert sorted(pulled.rows.logs["body"].to_pylist()) == sorted(f"line {n}" for n in range(50))


def test_labels_tell_service_instance_and_severity(loki: tuple[LokiDouble, str]) -> None:
    first = source(loki[1]).pull(WINDOW).rows.logs.to_pylist()[0]
    assert (first["service"], first["instance"], first["severity"]) == ("cart", "cart-7", "warn")


def test_structured_metadata_ties_a_line_to_its_trace(loki: tuple[LokiDouble, str]) -> None:
    rows = source(loki[1]).pull(WINDOW).rows.logs.to_pylist()
    assert {row["body"]: row["trace_id"] for row in rows}["line 7"] == f"{7:032x}"


@pytest.mark.parametrize("limit", [3, 10, 50])
def test_loki_is_asked_of_narrower_windows_until_all_is_there(
    loki: tuple[LokiDouble, str], limit: int
) -> None:
    assert source(loki[1], limit=limit).pull(WINDOW).rows.rows == 50


def test_a_limit_that_loki_does_not_allow_is_refused_in_its_words(loki: tuple[LokiDouble, str]) -> None:
    with pytest.raises(Refused, match="max entries limit"):
        source(loki[1], limit=9_000).pull(WINDOW)


def test_a_query_that_is_wrong_is_refused_in_its_words(loki: tuple[LokiDouble, str]) -> None:
    with pytest.raises(Refused, match="parse error"):
        source(loki[1], query="nonsense").pull(WINDOW)


def test_without_the_tenant_it_says_what_to_check(loki: tuple[LokiDouble, str]) -> None:
    with pytest.raises(Refused, match="tenant"):
        source(loki[1], tenant=None).ping()


def test_more_lines_than_may_be_read_are_told_as_a_gap(loki: tuple[LokiDouble, str]) -> None:
    pulled = source(loki[1], most_lines=10).pull(WINDOW)
    assert (pulled.rows.rows, pulled.gaps) == (10, ("loki: more lines than the 10 that are read",))
