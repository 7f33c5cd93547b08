"""That the simulated world is physical: what should come about does, and nothing had to be told to."""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from benchmarks.simulation.ailments import (
    cpu_hog,
    dead,
    memory_leak,
    own_errors,
    pool_config,
    silent,
    slow_code,
)
from benchmarks.simulation.conventions import Conventions
from benchmarks.simulation.design import Arrivals, Call, Design, Operation, Role, Service, Way, Work
from benchmarks.simulation.faults import Plan, Scene
from benchmarks.simulation.life import live
from benchmarks.simulation.live import System
from benchmarks.simulation.outside import network_service, surge
from benchmarks.simulation.pool import Pool
from benchmarks.simulation.processor import Host
from benchmarks.simulation.recorder import Recorder
from benchmarks.simulation.series import Row, read_regularly

SERVICE, OPERATION, KIND, DURATION, STATUS = 3, 5, 6, 8, 9
STORE = Service(
    "store",
    Role.STORE,
    (Operation("read", Work(cpu=0.002, wait=0.03), lines=("reading {id}",)),),
    workers=8,
)


def _shop(call: Call, *, store: Service = STORE, rate: float = 10.0) -> Design:
    door = Service("door", Role.DOOR, (Operation("buy", Work(cpu=0.005), calls=(call,)),), workers=20)
    arrivals = (Arrivals("door", "buy", rate),)
    return Design("shop", {"door": door, "store": store}, (4.0,), 0.001, arrivals, drift=0.0)


def _system(design: Design, conventions: Conventions | None = None) -> System:
    conventions = conventions or Conventions()
    system = System(design, conventions, Recorder(conventions, random.Random(1), 1_000), random.Random(2))
    live(system)
    return system


def _mean(system: System, kind: str, service: str, begin: int = 0) -> float:
    times = [
        row[DURATION] for row in system.recorder.spans[begin:] if (row[KIND], row[SERVICE]) == (kind, service)
    ]
    return float(sum(times)) / max(len(times), 1) / 1e9


def _broken(
    maker: Callable[[Scene], Plan | None], design: Design, service: str
) -> tuple[System, int, list[Row]]:
    """A system that ran for a minute, was broken in one service, and ran for another."""
    system, rows = _system(design), list[Row]()
    system.env.process(read_regularly(system, rows))
    system.env.run(until=60.0)
    before = len(system.recorder.spans)
    plans = (maker(Scene(design, random.Random(number))) for number in range(300))
    plan = next(plan for plan in plans if plan is not None and plan.causes[0].service == service)
    plan.act(system)
    system.env.run(until=120.0)
    return system, before, rows


def _gauge(rows: list[Row], service: str, name: str, *, late: bool) -> list[float]:
    return [
        value for at, who, _, what, value in rows if (who, what) == (service, name) and (at > 1_062) == late
    ]


def test_places_held_are_arrivals_times_the_time_each_is_held() -> None:
    system = _system(_shop(Call("store", "read")))
    system.env.run(until=400.0)
    instance = system.services["store"].instances[0]
    held, _ = instance.pool.settle()
    rate = instance.pool.served / 400.0
    assert held / 400.0 == pytest.approx(rate * _mean(system, "server", "store"), rel=0.02)


def test_a_call_takes_at_least_as_long_as_its_answer_and_the_way() -> None:
    system = _system(_shop(Call("store", "read")))
    system.env.run(until=60.0)
    assert _mean(system, "client", "door") > _mean(system, "server", "store")


def test_a_slow_callee_makes_the_spans_of_its_callers_longer() -> None:
    system, before, _ = _broken(slow_code, _shop(Call("store", "read")), "store")
    assert _mean(system, "client", "door", before) > 1.5 * _mean(system, "client", "door")


def test_errors_of_its_own_fail_the_caller_that_needs_the_answer() -> None:
    system, before, _ = _broken(own_errors, _shop(Call("store", "read")), "store")
    failed = [
        row for row in system.recorder.spans[before:] if (row[SERVICE], row[KIND]) == ("door", "server")
    ]
    assert any(row[STATUS] == "error" for row in failed)


def test_a_caller_that_does_not_need_the_answer_stays_well() -> None:
    system, before, _ = _broken(own_errors, _shop(Call("store", "read", needed=False)), "store")
    served = [
        row for row in system.recorder.spans[before:] if (row[SERVICE], row[KIND]) == ("door", "server")
    ]
    assert all(row[STATUS] == "unset" for row in served)


def test_a_dead_service_shows_no_more_spans() -> None:
    system, before, _ = _broken(dead, _shop(Call("store", "read")), "store")
    assert not [row for row in system.recorder.spans[before + 20 :] if row[SERVICE] == "store"]


def test_a_hog_shows_in_the_use_of_the_processor() -> None:
    _, _, rows = _broken(cpu_hog, _shop(Call("store", "read")), "store")
    name = "process.cpu.utilization"
    assert min(_gauge(rows, "store", name, late=True)) > max(_gauge(rows, "store", name, late=False)) + 0.5


def test_a_leak_shows_in_the_use_of_memory() -> None:
    _, _, rows = _broken(memory_leak, _shop(Call("store", "read")), "store")
    name = "process.memory.usage"
    assert max(_gauge(rows, "store", name, late=True)) > 1.2 * max(_gauge(rows, "store", name, late=False))


def test_too_few_workers_make_requests_wait_in_line() -> None:
    slow = replace(STORE, operations=(Operation("read", Work(wait=0.2)),))
    system, _, _ = _broken(pool_config, _shop(Call("store", "read"), store=slow), "store")
    assert system.services["store"].instances[0].pool.settle()[1] > 10.0


def test_a_silent_fault_changes_no_times() -> None:
    system, before, _ = _broken(silent, _shop(Call("store", "read")), "store")
    now, then = _mean(system, "server", "store", before), _mean(system, "server", "store")
    assert now == pytest.approx(then, rel=0.15)


def test_a_slow_way_shows_between_the_callers_span_and_the_callees() -> None:
    system, before, _ = _broken(network_service, _shop(Call("store", "read")), "store")
    gap = _mean(system, "client", "door", before) - _mean(system, "server", "store", before)
    assert gap > 0.01


def test_a_surge_brings_more_requests() -> None:
    system, _, _ = _broken(surge, _shop(Call("store", "read")), "door")
    came = [fare.came for fare in system.recorder.fares]
    assert sum(at > 60.0 for at in came) > 2 * sum(at <= 60.0 for at in came)


def test_who_gives_up_leaves_the_other_one_working() -> None:
    system = _system(_shop(Call("store", "read", timeout=0.005)))
    system.env.run(until=60.0)
    assert _mean(system, "server", "store") > 3.0 * _mean(system, "client", "door")


def test_repeats_multiply_the_calls() -> None:
    impatient = Call("store", "read", timeout=0.005, retries=3, backoff=0.001)
    system = _system(_shop(impatient))
    system.env.run(until=60.0)
    kinds = [(row[SERVICE], row[KIND]) for row in system.recorder.spans]
    assert kinds.count(("store", "server")) > 2.5 * kinds.count(("door", "server"))


def test_a_full_queue_holds_up_who_sends() -> None:
    slow = replace(
        STORE, role=Role.WORKER, operations=(Operation("read", Work(wait=2.0)),), workers=1, queue=3
    )
    system = _system(_shop(Call("store", "read", way=Way.QUEUE), store=slow, rate=2.0))
    system.env.run(until=120.0)
    assert _mean(system, "producer", "door") > 1.0


def test_half_of_the_requests_sampled_leave_half_of_the_spans() -> None:
    whole = _system(_shop(Call("store", "read")))
    half = _system(_shop(Call("store", "read")), Conventions(sampling=0.5))
    for system in (whole, half):
        system.env.run(until=120.0)
    assert len(half.recorder.spans) == pytest.approx(len(whole.recorder.spans) / 2, rel=0.15)


def test_a_clock_that_is_ahead_moves_its_spans() -> None:
    system = _system(_shop(Call("store", "read")), Conventions(skews=(500.0,)))
    system.env.run(until=10.0)
    assert min(row[7] for row in system.recorder.spans) >= 1_500 * 10**9


def test_processes_on_a_busy_host_share_it_evenly() -> None:
    system = _system(_shop(Call("store", "read"), rate=0.001))
    host = Host(system.env, 1.0)
    one, two = host.join(1.0), host.join(1.0)
    both = [host.burst(one, 1.0), host.burst(two, 1.0)]
    system.env.run(until=both[0] & both[1])
    assert system.env.now == pytest.approx(2.0)


def test_a_pool_turns_away_who_finds_the_line_full() -> None:
    pool = Pool(_system(_shop(Call("store", "read"))).env, size=1, queue=1)
    assert [pool.enter() is None for _ in range(3)] == [False, False, True]
