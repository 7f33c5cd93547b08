"""`aitia check` of the sources of telemetry, against doubles over real sockets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doubles.serving import Answered, Asked, serving
from tests.doubles.telemetry_backends import JaegerDouble, LokiDouble, TempoDouble, running
from tests.workers.checking import look_at, settings_of, written
from workers.checkup.report import Finding

BUILD = {"status": "success", "data": {"version": "3.5.0"}}
NOWHERE = "http://127.0.0.1:9"


def prometheus(asked: Asked) -> Answered:
    """As much of a Prometheus as a check asks."""
    if asked.path == "/api/v1/status/buildinfo":
        return Answered(200, BUILD)
    return Answered(404, b"404 page not found", {"Content-Type": "text/plain"})


def checked(home: Path, kind: str, url: str, more: str = "") -> Finding:
    """What is found of one source at an address."""
    written(home, "sources.yaml", f"{kind}: {{main: {{url: '{url}'{more}}}}}\n")
    return look_at(f"{kind}/main", settings_of(home))


def test_a_prometheus_is_asked_for_its_version(tmp_path: Path) -> None:
    with serving(prometheus) as url:
        assert checked(tmp_path, "prometheus", url).words == "Prometheus 3.5.0"


def test_a_jaeger_that_answers_is_well(tmp_path: Path) -> None:
    with running(JaegerDouble()) as url:
        assert checked(tmp_path, "jaeger", url).state == "ok"


def test_a_tempo_that_answers_is_well(tmp_path: Path) -> None:
    with running(TempoDouble()) as url:
        assert checked(tmp_path, "tempo", url).state == "ok"


def test_a_loki_without_its_tenant_is_told_to_set_one(tmp_path: Path) -> None:
    with running(LokiDouble()) as url:
        assert "tenant" in checked(tmp_path, "loki", url).words


def test_a_loki_with_its_tenant_is_well(tmp_path: Path) -> None:
    with running(LokiDouble()) as url:
        assert checked(tmp_path, "loki", url, ", tenant: shop").state == "ok"


def test_a_source_that_is_something_else_is_told_as_such(tmp_path: Path) -> None:
    with running(TempoDouble()) as url:
        assert "is no Prometheus" in checked(tmp_path, "prometheus", url).words


def test_a_source_where_nothing_listens_is_a_failure(tmp_path: Path) -> None:
    assert "nothing listens there" in checked(tmp_path, "prometheus", NOWHERE).words


def test_a_source_that_wants_a_token_is_a_failure(tmp_path: Path) -> None:
    with running(JaegerDouble(token="secret-word")) as url:
        assert "check token_file" in checked(tmp_path, "jaeger", url).words


def test_a_token_file_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    with running(JaegerDouble()) as url:
        found = checked(tmp_path, "jaeger", url, f", token_file: {tmp_path}/none")
        assert "can not be read" in found.words


def test_http_asked_by_https_is_said_in_words(tmp_path: Path) -> None:
    with serving(prometheus) as url:
        words = checked(tmp_path, "prometheus", url.replace("http:", "https:")).words
        assert "does not speak TLS" in words


def test_a_file_of_sources_that_can_not_be_read_names_the_line(tmp_path: Path) -> None:
    written(tmp_path, "sources.yaml", "prometheus:\n  main: {uri: 'http://a'}\n")
    assert "sources.yaml:2:" in look_at("sources", settings_of(tmp_path)).words


@pytest.mark.parametrize("name", ["prometheus", "prometheus/main"])
def test_a_source_goes_by_its_kind_and_by_its_name(tmp_path: Path, name: str) -> None:
    written(tmp_path, "sources.yaml", f"prometheus: {{main: {{url: '{NOWHERE}'}}}}\n")
    assert look_at(name, settings_of(tmp_path)).system == "prometheus/main"
