"""Jaeger and Tempo as sources of traces, over real sockets."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.errors import MalformedTelemetry, Refused, Unavailable
from causal.evidence import Window
from integrations.backends.jaeger import Jaeger, JaegerSettings
from integrations.backends.narrowing import narrowed
from integrations.backends.source import Pulled
from integrations.backends.tempo import Tempo, TempoSettings
from tests.doubles.serving import Answered, serving
from tests.doubles.telemetry_backends import JaegerDouble, TempoDouble, running, span

BEGAN = 1_795_000_000.0
WINDOW = Window(start=BEGAN, end=BEGAN + 60)


def shop(traces: int) -> list[dict[str, object]]:
    """Spans of so many requests: the gateway asks the cart, half a second apart."""
    made = []
    for number in range(traces):
        at = BEGAN + number * 60 / max(traces, 1)
        made.append(span(number + 1, 1000 + number, "gateway", at))
        made.append(span(number + 1, 5000 + number, "cart", at + 0.01, parent=1000 + number))
    return made


@pytest.fixture
def jaeger() -> Iterator[tuple[JaegerDouble, str]]:
    double = JaegerDouble(spans=shop(20))
    with running(double) as url:
        yield double, url


@pytest.fixture
def tempo() -> Iterator[tuple[TempoDouble, str]]:
    double = TempoDouble(spans=shop(20), now=BEGAN + 600)
    with running(double) as url:
        yield double, url


def from_jaeger(url: str, **settings: object) -> Jaeger:
    return Jaeger(JaegerSettings.model_validate({"url": url, **settings}))


def from_tempo(double: TempoDouble, url: str, **settings: object) -> Tempo:
    return Tempo(TempoSettings.model_validate({"url": url, **settings}), clock=lambda: double.now)


def ids(pulled: Pulled) -> list[str]:
    return sorted(pulled.rows.traces["span_id"].to_pylist())


def every_id(double: JaegerDouble | TempoDouble) -> list[str]:
    return sorted(each["spanId"] for each in double.spans)


def test_jaeger_gives_each_span_of_the_window_once(jaeger: tuple[JaegerDouble, str]) -> None:
    double, url = jaeger
    assert ids(from_jaeger(url).pull(WINDOW)) == every_id(double)


def test_a_jaeger_without_api_v3_is_asked_by_the_older_one(jaeger: tuple[JaegerDouble, str]) -> None:
    double, url = jaeger
    double.v3 = False
    assert ids(from_jaeger(url).pull(WINDOW)) == every_id(double)


def test_a_jaeger_whose_older_search_is_gone_is_asked_by_api_v3(jaeger: tuple[JaegerDouble, str]) -> None:
    double, url = jaeger
    double.legacy = False
    assert ids(from_jaeger(url).pull(WINDOW)) == every_id(double)


def test_a_jaeger_that_found_nothing_has_no_rows_and_no_gap(jaeger: tuple[JaegerDouble, str]) -> None:
    pulled = from_jaeger(jaeger[1]).pull(Window(start=BEGAN - 100, end=BEGAN - 50))
    assert (pulled.rows.rows, pulled.gaps) == (0, ())


@pytest.mark.parametrize("limit", [2, 3, 7, 20])
def test_jaeger_is_asked_of_narrower_windows_until_all_is_there(
    jaeger: tuple[JaegerDouble, str], limit: int
) -> None:
    double, url = jaeger
    assert ids(from_jaeger(url, limit=limit).pull(WINDOW)) == every_id(double)


def test_more_traces_a_second_than_jaeger_gives_are_told_as_a_gap(jaeger: tuple[JaegerDouble, str]) -> None:
    double, url = jaeger
    double.spans = [span(n, n, "gateway", BEGAN + 1) for n in range(1, 9)]
    pulled = from_jaeger(url, limit=3).pull(WINDOW)
    assert pulled.gaps == ("jaeger: gateway has more traces a second than were read",)


def test_a_jaeger_that_fails_may_be_asked_again(jaeger: tuple[JaegerDouble, str]) -> None:
    double, url = jaeger
    double.failures = [503]
    with pytest.raises(Unavailable, match="503"):
        from_jaeger(url).pull(WINDOW)


def test_a_backend_that_wants_a_token_is_refused_with_what_to_check(
    jaeger: tuple[JaegerDouble, str], tmp_path: Path
) -> None:
    double, url = jaeger
    double.token = "made-up"
    (tmp_path / "token").write_text("another\n")
    with pytest.raises(Refused, match="check token_file"):
        from_jaeger(url, token_file=tmp_path / "token").pull(WINDOW)


def test_a_token_is_read_from_its_file(jaeger: tuple[JaegerDouble, str], tmp_path: Path) -> None:
    double, url = jaeger
    double.token = "made-up"
    (tmp_path / "token").write_text("made-up\n")
    assert from_jaeger(url, token_file=tmp_path / "token").ping() == "Jaeger by api_v3, 2 services"


def test_what_is_no_jaeger_is_told_by_its_answer() -> None:
    with serving(lambda _: Answered(200, b"<html>")) as url, pytest.raises(MalformedTelemetry):
        from_jaeger(url).ping()


def test_a_redirect_is_not_followed_but_told() -> None:
    elsewhere = {"Location": "http://169.254.169.254/"}
    with serving(lambda _: Answered(302, {}, elsewhere)) as url, pytest.raises(Refused, match="redirects"):
        from_jaeger(url).ping()


def test_tempo_gives_each_span_of_the_window(tempo: tuple[TempoDouble, str]) -> None:
    assert ids(from_tempo(*tempo).pull(WINDOW)) == every_id(tempo[0])


def test_a_tempo_without_the_newer_address_is_asked_by_the_older_one(tempo: tuple[TempoDouble, str]) -> None:
    tempo[0].v2 = False
    assert ids(from_tempo(*tempo).pull(WINDOW)) == every_id(tempo[0])


@pytest.mark.parametrize("limit", [2, 5, 20])
def test_tempo_is_asked_of_narrower_windows_until_all_is_there(
    tempo: tuple[TempoDouble, str], limit: int
) -> None:
    assert ids(from_tempo(*tempo, limit=limit).pull(WINDOW)) == every_id(tempo[0])


def test_the_half_minute_that_tempo_cannot_search_is_told_as_a_gap(tempo: tuple[TempoDouble, str]) -> None:
    tempo[0].now = BEGAN + 60
    pulled = from_tempo(*tempo).pull(WINDOW)
    assert (0 < pulled.rows.rows < 40, pulled.gaps) == (
        True,
        ("tempo: the last 30 s can not be searched yet",),
    )


def test_a_trace_that_tempo_has_in_part_is_told_as_a_gap(tempo: tuple[TempoDouble, str]) -> None:
    tempo[0].partial = {tempo[0].spans[0]["traceId"]}
    assert from_tempo(*tempo).pull(WINDOW).gaps == ("tempo: 1 traces are not whole",)


def test_a_trace_that_is_gone_leaves_the_others_and_a_gap(tempo: tuple[TempoDouble, str]) -> None:
    tempo[0].gone = {tempo[0].spans[0]["traceId"]}
    pulled = from_tempo(*tempo).pull(WINDOW)
    assert (pulled.rows.rows, pulled.gaps) == (38, ("tempo: 1 traces were found and could not be read",))


def test_more_traces_than_may_be_read_are_told_as_a_gap(tempo: tuple[TempoDouble, str]) -> None:
    pulled = from_tempo(*tempo, most_traces=5).pull(WINDOW)
    assert pulled.gaps == ("tempo: there are more traces than were read (5)",)


@given(
    moments=st.lists(st.floats(0, 59.9), max_size=60, unique=True),
    limit=st.integers(1, 10),
)
def test_narrowing_finds_all_or_says_that_it_did_not(moments: list[float], limit: int) -> None:
    def ask(window: Window) -> list[float]:
        return [at for at in moments if window.start <= BEGAN + at < window.end][:limit]

    parts = list(narrowed(WINDOW, limit, ask))
    found = {at for _, some, _ in parts for at in some}
    assert found == set(moments) or not all(whole for _, _, whole in parts)
