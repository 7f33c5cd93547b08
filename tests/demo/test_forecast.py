import pytest

from demo.faults import BadConfig, PoolSize, SlowPeer
from demo.forecast import arrivals, crowded, forecast, held_seconds, workers_needed
from demo.topology import Topology, read_topology, shipped_topologies

SMALL = Topology.model_validate({
    "name": "small",
    "load": {"entries": [{"service": "door", "operation": "enter", "per_second": 10}]},
    "services": [
        {
            "name": "door",
            "pool": {"size": 4, "recycle_ms": 0},
            "operations": [
                {
                    "name": "enter",
                    "work": {"mean_ms": 20},
                    "calls": [{"to": "store", "operation": "get", "share": 0.5, "fan_out": 2}],
                }
            ],
        },
        {
            "name": "store",
            "pool": {"size": 4, "recycle_ms": 100},
            "operations": [{"name": "get", "work": {"mean_ms": 50}}],
        },
    ],
})  # fmt: skip


def test_arrivals_multiply_along_calls() -> None:
    assert arrivals(SMALL)["store", "get"] == pytest.approx(10 * 0.5 * 2)


def test_a_caller_holds_its_worker_while_it_waits() -> None:
    assert held_seconds(SMALL)["door", "enter"] == pytest.approx(0.020 + 0.5 * 2 * 0.050)


def test_workers_needed_follow_littles_law() -> None:
    assert workers_needed(SMALL)["store"] == pytest.approx(10 * (0.050 + 0.100))


def test_a_fault_that_is_hardly_felt_is_said_to_be() -> None:
    fault = BadConfig(kind="bad_config", service="door", change=PoolSize(setting="pool_size", size=3))
    assert forecast(fault, SMALL) == "door needs about 0.7 workers and has 3: it will hardly be felt"


def test_a_slow_peer_drains_its_callers_pool() -> None:
    fault = SlowPeer(kind="slow_peer_exhausts_pool", service="store", caller="door", delay_ms=1000)
    assert forecast(fault, SMALL) == "door needs about 10.7 workers and has 4"


@pytest.mark.parametrize("name", shipped_topologies())
def test_shipped_shops_have_workers_enough(name: str) -> None:
    assert crowded(read_topology(shipped_topologies()[name])) == []
