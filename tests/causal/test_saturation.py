"""Whether resources are back where they usually are."""

from __future__ import annotations

import numpy as np

from causal.evidence import Window
from causal.saturation import Fullness, fullness
from causal.telemetry import Batch, Logs, Spans
from tests.causal.worlds import QUIET, T0, UNWELL, alert, metrics

CPU, REQUESTS = "process.cpu.utilization", "http.requests"


def looked(now: float, *, metric: str = CPU, silent: bool = False, seed: int = 1) -> Fullness:
    """The processor of basket is at a fifth, then at ``now``."""
    dice = np.random.default_rng(seed)
    quiet = [(at, "basket", metric, 0.2 + dice.normal(0.0, 0.01)) for at in np.arange(T0, T0 + QUIET, 5.0)]
    recent = [
        (at, "basket", metric, now + dice.normal(0.0, 0.01))
        for at in np.arange(T0 + QUIET, T0 + QUIET + UNWELL, 5.0)
    ]
    return fullness(
        alert("basket"),
        Batch(Spans.none(), metrics(quiet), Logs.none()),
        Batch(Spans.none(), metrics([] if silent else recent), Logs.none()),
        baseline=Window(start=T0, end=T0 + QUIET),
        recent=Window(start=T0 + QUIET, end=T0 + QUIET + UNWELL),
        services=frozenset({"basket"}),
    )


def test_a_processor_that_is_as_busy_as_ever_is_back() -> None:
    assert looked(0.2).usual


def test_a_wobble_is_no_saturation() -> None:
    assert looked(0.23).usual


def test_a_processor_that_is_still_busy_is_not_back_and_says_how_busy() -> None:
    seen = looked(0.95)
    assert (seen.usual, "usually 0.2" in seen.says) == (False, True)


def test_a_service_that_is_silent_about_its_resources_is_not_back() -> None:
    seen = looked(0.2, silent=True)
    assert (seen.usual, "tells nothing" in seen.says) == (False, True)


def test_where_no_metric_tells_of_resources_that_is_said() -> None:
    seen = looked(0.95, metric=REQUESTS)
    assert (seen.told, seen.usual) == (False, True)
