from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from causal.errors import Refused, Unavailable, UnknownEffect
from integrations.connections import AlertmanagerConnection, ConnectionFile, Connections
from integrations.ports import Effect
from integrations.silence import ExpireParams, Silence, SilenceExpire, SilenceParams
from playbooks.lookups import fill
from tests.doubles.alertmanager import alertmanager_double
from tests.integrations.real_alertmanager import alertmanager_program, real_alertmanager
from tests.integrations.talkative import talking

KEY = "inc-1/p1/silence"
LABELS = {"alertname": "Slow", "service": "cart"}


@dataclass
class Bench:
    """An Alertmanager, and the actions on it."""

    url: str

    def connections(self) -> Connections:
        connection = AlertmanagerConnection(base_url=self.url)
        return Connections(files=(ConnectionFile(alertmanagers={"alerts": connection}),))

    def silence(self, key: str = KEY, **matchers: str) -> Effect:
        return Silence(self.connections).execute(params(**matchers), key=key, timeout=10)

    def expire(self, silence: object) -> Effect:
        given = ExpireParams(alertmanager="alerts", silence=str(silence))
        return SilenceExpire(self.connections).execute(given, key=f"{KEY}/undo", timeout=10)

    def all(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = httpx.get(f"{self.url}/api/v2/silences", trust_env=False).json()
        return found

    def fire(self, **labels: str) -> None:
        """Send an alert as Prometheus does."""
        sent = httpx.post(f"{self.url}/api/v2/alerts", json=[{"labels": labels}], trust_env=False)
        sent.raise_for_status()

    def quiet(self) -> dict[str, str]:
        """What state each alert is in, by its service."""
        found = httpx.get(f"{self.url}/api/v2/alerts", trust_env=False).json()
        return {each["labels"]["service"]: each["status"]["state"] for each in found}


def params(**matchers: str) -> SilenceParams:
    return SilenceParams(alertmanager="alerts", matchers=matchers or LABELS, duration="10m")


@pytest.fixture(params=["double", "real"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "double":
        with alertmanager_double() as double:
            yield Bench(double.url)
        return
    with real(tmp_path) as made:
        yield made


def real(folder: Path) -> Any:
    program = alertmanager_program()
    if program is None:
        pytest.skip("no Alertmanager on this machine")
    return _Real(program, folder)


@dataclass
class _Real:
    program: str
    folder: Path

    def __enter__(self) -> Bench:
        self.running = real_alertmanager(self.program, self.folder)
        return Bench(self.running.__enter__())

    def __exit__(self, *error: object) -> None:
        self.running.__exit__(None, None, None)


def test_a_silence_compares_for_equality(bench: Bench) -> None:
    bench.silence(service=".*")
    (made,) = bench.all()
    assert made["matchers"] == [{"isEqual": True, "isRegex": False, "name": "service", "value": ".*"}]


def test_a_silence_says_who_made_it_and_for_which_step(bench: Bench) -> None:
    bench.silence()
    (made,) = bench.all()
    assert (made["createdBy"], made["comment"].endswith(KEY)) == ("aitia", True)


def test_a_silence_that_ended_is_not_made_again(bench: Bench) -> None:
    effect = bench.silence()
    bench.expire(effect.facts["silence"])
    assert (bench.silence(), len(bench.all())) == (effect, 1)


def test_two_steps_make_two_silences(bench: Bench) -> None:
    bench.silence()
    bench.silence(key=f"{KEY}x")
    assert len(bench.all()) == 2


def test_a_silence_of_somebody_else_is_not_ended(bench: Bench) -> None:
    theirs = {
        "matchers": [{"name": "service", "value": "cart", "isRegex": False, "isEqual": True}],
        "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "2999-01-01T00:00:00Z",
        "createdBy": "ada",
        "comment": "maintenance",
    }
    made = httpx.post(f"{bench.url}/api/v2/silences", json=theirs, trust_env=False).json()["silenceID"]
    with pytest.raises(Refused, match="not made by a step of Aitia"):
        bench.expire(made)


def test_a_silence_that_is_not_there_is_refused(bench: Bench) -> None:
    with pytest.raises(Refused, match="404"):
        bench.expire("00000000-0000-0000-0000-000000000000")


def test_an_alert_is_quiet_until_the_silence_is_over(tmp_path: Path) -> None:
    with real(tmp_path) as bench:
        bench.fire(alertname="Slow", service="cart")
        effect = bench.silence()
        during = bench.quiet()
        bench.expire(effect.facts["silence"])
        assert (during, bench.quiet()) == ({"cart": "suppressed"}, {"cart": "active"})


def test_a_label_that_looks_like_a_pattern_silences_itself_alone(tmp_path: Path) -> None:
    with real(tmp_path) as bench:
        bench.fire(alertname="Slow", service="cart")
        bench.fire(alertname="Slow", service=".*")
        bench.silence(alertname="Slow", service=".*")
        assert bench.quiet() == {"cart": "active", ".*": "suppressed"}


def test_a_preview_tells_which_alerts_it_would_quiet(tmp_path: Path) -> None:
    with real(tmp_path) as bench:
        hostile = 'a"} b\\{,=~'
        bench.fire(alertname="Slow", service=hostile)
        bench.fire(alertname="Slow", service="cart")
        shown = Silence(bench.connections).preview(params(service=hostile))
        assert shown.endswith("which quiets now: 1 (Slow)")


def test_an_alertmanager_that_fails_while_it_is_read_is_unavailable() -> None:
    with talking() as server:
        server.status = 500
        with pytest.raises(Unavailable) as caught:
            Silence(Bench(server.url).connections).observe(params(), key=KEY)
        assert not isinstance(caught.value, UnknownEffect)


def test_a_silence_whose_answer_is_lost_is_found_again(bench: Bench) -> None:
    bench.silence()
    assert Silence(bench.connections).observe(params(), key=KEY) is not None


def test_matchers_are_filled_as_values() -> None:
    template = {"alertmanager": "alerts", "matchers": {"service": "$s", "alertname": "x-${s}"}}
    filled = SilenceParams.model_validate(fill(template, {"s": '.*"}'}, SilenceParams))
    assert dict(filled.matchers) == {"service": '.*"}', "alertname": 'x-.*"}'}


@pytest.mark.parametrize("matchers", [{}, {"service": ""}, {"a b": "x"}, {"1a": "x"}])
def test_a_matcher_that_would_silence_everything_is_refused(matchers: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        SilenceParams(alertmanager="alerts", matchers=matchers)
