import numpy as np
import pytest

from causal.detect import Detector, detect
from causal.evidence import Anomaly, Window
from causal.rollup import Rollup, roll_up
from tests.causal.streams import T0, Fault, stream

BROKEN_AT = 120.0


def watch(
    rollup: Rollup, begin: float, end: float, *, tick: float = 5.0
) -> tuple[float, tuple[Anomaly, ...]]:
    """Look again and again, as the watch does; the first time anything is seen, and what."""
    for now in np.arange(T0 + begin, T0 + end, tick):
        found = detect(rollup.between(0.0, now - 5.0), float(now))
        if found:
            return float(now) - T0, found
    return float("inf"), ()


def broken(service: str, *, extra: float = 0.0, fails: float = 0.0, until: float = float("inf")) -> Rollup:
    fault = Fault(service, extra=extra, fails=fails, at=BROKEN_AT, until=until)
    return roll_up(stream(240.0, fault=fault))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_quiet_but_noisy_hour_raises_no_alarm(seed: int) -> None:
    assert watch(roll_up(stream(3600.0, seed=seed)), 60.0, 3600.0, tick=20.0) == (float("inf"), ())


@pytest.mark.parametrize("service", ["gateway", "cart", "payment"])
def test_added_latency_is_seen_within_twenty_five_seconds(service: str) -> None:
    seen, _ = watch(broken(service, extra=0.3), BROKEN_AT, 240.0)
    assert seen - BROKEN_AT <= 25.0


@pytest.mark.parametrize("service", ["gateway", "cart", "payment"])
def test_errors_are_seen_within_twenty_five_seconds(service: str) -> None:
    seen, _ = watch(broken(service, fails=0.3), BROKEN_AT, 240.0)
    assert seen - BROKEN_AT <= 25.0


def test_a_few_more_errors_are_seen_by_looking_longer() -> None:
    seen, _ = watch(broken("gateway", fails=0.1), BROKEN_AT, 240.0)
    assert seen - BROKEN_AT <= 90.0


def test_the_onset_is_close_to_the_truth() -> None:
    _, found = watch(broken("payment", extra=0.3), BROKEN_AT, 240.0)
    assert all(a.onset is not None and abs(a.onset - T0 - BROKEN_AT) <= 10.0 for a in found)


def test_a_single_blip_is_no_incident() -> None:
    blip = broken("payment", extra=0.3, until=BROKEN_AT + 2.0)
    assert watch(blip, BROKEN_AT, 240.0, tick=1.0) == (float("inf"), ())


def test_a_bad_moment_long_ago_does_not_make_the_watch_deaf() -> None:
    earlier = Fault("payment", fails=0.8, at=100.0, until=115.0)
    again = Fault("payment", fails=0.6, at=600.0)
    seen, _ = watch(roll_up(stream(700.0, fault=again, earlier=earlier)), 600.0, 700.0)
    assert seen - 600.0 <= 25.0


def test_too_little_quiet_time_gives_no_anomaly() -> None:
    fault = Fault("payment", extra=1.0, at=20.0)
    assert detect(roll_up(stream(40.0, fault=fault)), T0 + 43.0) == ()


def test_an_immaterial_shift_is_no_anomaly_however_certain() -> None:
    fault = Fault("payment", extra=0.004, at=BROKEN_AT)
    rollup = roll_up(stream(240.0, rate=200.0, fault=fault))
    assert watch(rollup, BROKEN_AT, 240.0, tick=15.0)[1] == ()


def test_a_known_incident_is_not_learned_as_quiet() -> None:
    rollup = broken("payment", extra=0.3, until=180.0).join(_again(240.0))
    known = (Window(start=T0 + BROKEN_AT - 5, end=T0 + 185.0),)
    now = T0 + 240.0 + 40.0
    assert not detect(rollup.between(0.0, now - 5.0), now)
    assert detect(rollup, T0 + 240.0 + 120.0 + 30.0, tainted=known)


def _again(later: float) -> Rollup:
    fault = Fault("payment", extra=0.3, at=BROKEN_AT)
    table = stream(240.0, seed=9, fault=fault)
    moved = table.start_ns + int(later * 1e9)
    return roll_up(type(table)(**{**vars(table), "start_ns": moved}))


def test_the_settings_can_ask_for_more_buckets_than_there_are() -> None:
    strict = Detector(learn=1e6)
    assert detect(broken("payment", extra=0.3), T0 + 160.0, detector=strict) == ()
