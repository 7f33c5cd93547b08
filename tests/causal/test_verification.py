"""Whether a system is well again: silence is not, and neither is less of the trouble than there was."""

from dataclasses import replace

import numpy as np
import pytest

from causal.evidence import Signal, Symptom, Window
from causal.rollup import Rollup, roll_up
from causal.verification import Recovery, verify
from tests.causal.streams import T0, Fault, stream

BROKEN_AT, HEALED_AT, LOOKED_AT = 120.0, 180.0, 235.0
INCIDENT = Window(start=T0 + BROKEN_AT, end=T0 + 150.0)


def broken(service: str, *, extra: float = 0.0, fails: float = 0.0, until: float = float("inf")) -> Rollup:
    fault = Fault(service, extra=extra, fails=fails, at=BROKEN_AT, until=until)
    return roll_up(stream(400.0, fault=fault))


def recovery(
    rollup: Rollup, now: float, *, since: float = 150.0, signal: Signal = "latency", chief: str = "gateway"
) -> Recovery:
    return verify(
        rollup,
        Symptom(service=chief, signal=signal),
        frozenset({"payment"}),
        baseline=Window(start=T0, end=T0 + BROKEN_AT - 5),
        since=T0 + since,
        now=T0 + now,
        incident=INCIDENT,
    )


def without(rollup: Rollup, service: str, start: float, end: float = 1e9) -> Rollup:
    """The same, but a service has no requests for a while."""
    begins = rollup.bucket * rollup.seconds - T0
    gone = (begins >= start) & (begins < end)
    return rollup._kept(~(gone & (rollup.service == rollup.names.index(service))))


HEALED = broken("payment", extra=0.3, until=HEALED_AT)


def test_a_system_that_is_still_ill_is_not_healthy() -> None:
    assert recovery(broken("payment", extra=0.3), LOOKED_AT).healthy_for == 0.0


def test_what_still_ails_it_is_told() -> None:
    assert "payment" in recovery(broken("payment", extra=0.3), LOOKED_AT).says


def test_the_healthy_stretch_begins_when_the_trouble_ends() -> None:
    assert 35.0 <= recovery(HEALED, LOOKED_AT).healthy_for <= 55.0


def test_recovery_with_traffic_has_enough_to_judge_by() -> None:
    assert recovery(HEALED, LOOKED_AT).enough


def test_what_was_seen_is_told_with_figures_beside_the_usual_ones() -> None:
    says = recovery(HEALED, LOOKED_AT).says
    assert says.startswith("well for ")
    assert all(word in says for word in ("gateway got", "a second", "failed", "99% within", "payment got"))


# Silence


def test_no_traffic_at_all_is_not_recovery() -> None:
    silent = HEALED.between(0.0, T0 + HEALED_AT)
    assert not recovery(silent, 400.0).enough


def test_silence_is_named_as_such() -> None:
    assert "silence is not recovery" in recovery(HEALED.between(0.0, T0 + 145.0), 400.0).says


def test_a_moment_of_traffic_before_the_silence_is_not_recovery() -> None:
    silent = HEALED.between(0.0, T0 + HEALED_AT + 15.0)
    seen = recovery(silent, HEALED_AT + 135.0)
    assert not (seen.enough and seen.healthy_for >= 60.0)


def test_a_service_that_does_not_come_back_leaves_too_little_to_judge_by() -> None:
    assert not recovery(without(broken("gateway"), "payment", 150.0), LOOKED_AT).enough


def test_a_tenth_of_the_usual_traffic_is_not_recovery() -> None:
    thinned = replace(HEALED, n=np.where(HEALED.bucket * 5 >= T0 + HEALED_AT, HEALED.n // 10, HEALED.n))
    assert not recovery(thinned, LOOKED_AT).enough


def test_traffic_that_comes_back_late_makes_the_waiting_begin_late() -> None:
    late = without(HEALED, "payment", HEALED_AT, HEALED_AT + 40.0)
    assert recovery(late, HEALED_AT + 80.0).healthy_for <= 40.0


# The alert's own signal


def test_a_service_that_is_well_does_not_speak_for_the_alerts_own() -> None:
    slow = broken("gateway", extra=0.3)
    assert recovery(slow, LOOKED_AT).healthy_for == 0.0


@pytest.mark.parametrize("until", [float("inf"), 240.0])
def test_an_alert_about_less_than_the_watch_would_see_ends_when_its_signal_does(until: float) -> None:
    busy = roll_up(stream(400.0, rate=100.0))
    begins = busy.bucket * busy.seconds - T0
    ill = (begins >= BROKEN_AT) & (begins < until)  # one request in sixty-six instead of none at all
    thin = replace(busy, errors=np.where(ill, busy.n // 66, 0))
    seen = recovery(thin, 380.0, since=240.0, signal="errors")
    assert (seen.healthy_for >= 60.0) == (until == 240.0)


def test_a_flood_of_requests_that_is_still_there_is_no_recovery_of_traffic() -> None:
    flood = replace(HEALED, n=np.where(HEALED.bucket * 5 >= T0 + BROKEN_AT, HEALED.n * 5, HEALED.n))
    assert "still gets" in recovery(flood, LOOKED_AT, signal="traffic").says


# When it became well


def test_a_system_that_healed_before_the_fix_is_known_to_have_been_well_before() -> None:
    seen = recovery(HEALED, 310.0, since=240.0)
    assert seen.well_since is not None
    assert seen.well_since <= T0 + HEALED_AT + 15.0


def test_a_system_that_healed_after_the_fix_was_not_well_before() -> None:
    seen = recovery(HEALED, 300.0, since=HEALED_AT - 5.0)
    assert seen.well_since is not None
    assert seen.well_since >= T0 + HEALED_AT - 5.0


def test_trouble_too_thin_for_two_buckets_is_not_taken_for_health_before_the_fix() -> None:
    thin = roll_up(stream(500.0, fault=Fault("gateway", fails=0.07, at=BROKEN_AT, until=300.0)))
    seen = recovery(thin, 400.0, since=300.0, signal="errors")
    assert seen.well_since is not None
    assert seen.well_since >= T0 + 295.0


def test_a_system_that_is_still_ill_has_not_been_well_since_any_moment() -> None:
    assert recovery(broken("payment", extra=0.3), LOOKED_AT).well_since is None
