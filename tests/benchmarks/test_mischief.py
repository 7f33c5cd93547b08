from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.mischief import INDICATORS, KINDS, choose, felt, is_commit, kind_of, rates
from benchmarks.topologies import draw
from demo.faults import BadConfig, Dead, PoolSize, SlowPeer, check_fault
from demo.forecast import forecast
from demo.topology import Topology

SEEDS = st.integers(min_value=0, max_value=10_000)
NUMBERS = st.integers(min_value=0, max_value=20)
AGENTS = draw(1, 4)


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, number=NUMBERS)
def test_every_chosen_fault_fits_its_shop(seed: int, number: int) -> None:
    shop = draw(seed, number)
    assert [
        list(check_fault(fault, shop)) for fault in choose(shop, seed) if list(check_fault(fault, shop))
    ] == []


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, number=NUMBERS)
def test_only_services_that_customers_feel_are_broken(seed: int, number: int) -> None:
    shop = draw(seed, number)
    assert {fault.service for fault in choose(shop, seed) if not isinstance(fault, SlowPeer)} <= set(
        felt(shop)
    )


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, number=NUMBERS)
def test_the_shop_itself_forecasts_that_pool_faults_are_felt(seed: int, number: int) -> None:
    shop = draw(seed, number)
    pools = [
        f for f in choose(shop, seed) if kind_of(f) in {"bad_config_pool_size", "slow_peer_exhausts_pool"}
    ]
    assert not any("hardly" in forecast(fault, shop) for fault in pools)


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, number=NUMBERS)
def test_a_door_is_never_killed(seed: int, number: int) -> None:
    shop = draw(seed, number)
    doors = {entry.service for entry in shop.load.entries}
    assert not any(isinstance(fault, Dead) and fault.service in doors for fault in choose(shop, seed))


def test_every_kind_is_chosen_once_where_it_can_show() -> None:
    assert sorted(kind_of(fault) for fault in choose(AGENTS, 1)) == sorted(KINDS)


def test_a_shop_without_an_agent_gets_no_bad_prompt() -> None:
    assert "bad_prompt" not in {kind_of(fault) for fault in choose(draw(1, 0), 1)}


def test_a_selection_of_kinds_does_not_change_the_faults() -> None:
    assert set(choose(AGENTS, 1, ["errors"])) <= set(choose(AGENTS, 1))


def test_the_same_seed_chooses_the_same_faults() -> None:
    assert choose(AGENTS, 7) == choose(AGENTS, 7)


def test_commits_are_told_apart_from_ailments() -> None:
    assert {kind_of(fault) for fault in choose(AGENTS, 1) if is_commit(fault)} == {
        "bad_config_pool_size",
        "bad_config_timeout",
        "bad_config_wrong_upstream",
        "bad_prompt",
    }


def test_indicators_are_of_known_kinds() -> None:
    assert set(INDICATORS) <= set(KINDS)


def test_rates_add_up_over_operations() -> None:
    call = {"to": "store", "operation": "get"}
    shop = Topology.model_validate({
        "name": "two",
        "load": {"entries": [{"service": "door", "operation": name, "per_second": 2} for name in "ab"]},
        "services": [
            {"name": "door", "operations": [{"name": name, "calls": [call]} for name in "ab"]},
            {"name": "store", "operations": [{"name": "get"}]},
        ],
    })  # fmt: skip
    assert rates(shop) == {"door": 4.0, "store": 4.0}


def test_a_bad_pool_is_never_as_quick_to_recycle_as_before() -> None:
    for seed in range(20):
        shop = draw(seed, seed)
        for fault in choose(shop, seed, ["bad_config_pool_size"]):
            assert isinstance(fault, BadConfig)
            assert isinstance(fault.change, PoolSize)
            assert fault.change.recycle_ms != shop.service(fault.service).pool.recycle_ms
