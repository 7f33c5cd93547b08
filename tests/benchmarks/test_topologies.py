import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.mischief import rates
from benchmarks.topologies import SHAPES, draw, generate
from demo.forecast import crowded
from demo.topology import Topology, check_topology

SHOPS = {
    "seed": st.integers(min_value=0, max_value=10_000),
    "number": st.integers(min_value=0, max_value=40),
}


@settings(max_examples=25, deadline=None)
@given(**SHOPS)
def test_every_drawn_shop_is_a_sound_topology(seed: int, number: int) -> None:
    assert list(check_topology(draw(seed, number))) == []


@settings(max_examples=25, deadline=None)
@given(**SHOPS)
def test_no_drawn_shop_is_crowded_from_the_start(seed: int, number: int) -> None:
    assert crowded(draw(seed, number)) == []


@settings(max_examples=25, deadline=None)
@given(**SHOPS)
def test_a_drawn_shop_fits_on_two_cores(seed: int, number: int) -> None:
    shop = draw(seed, number)
    assert 4 <= len(shop.services) <= 12
    assert sum(rates(shop).values()) < 60.0


@settings(max_examples=25, deadline=None)
@given(**SHOPS)
def test_customers_reach_every_service_of_a_drawn_shop(seed: int, number: int) -> None:
    assert min(rates(draw(seed, number)).values()) > 0.0


def test_the_same_seed_draws_the_same_shop() -> None:
    assert draw(5, 3) == draw(5, 3)


def test_another_seed_draws_another_shop() -> None:
    assert draw(5, 3).names != draw(6, 3).names


def test_a_shop_does_not_depend_on_how_many_are_drawn() -> None:
    assert generate(1, 9)[:4] == generate(1, 4)


def test_shapes_take_turns() -> None:
    shapes = [shop.name.rsplit("-", 2)[0] for shop in generate(1, len(SHAPES))]
    assert shapes == [shape.__name__.replace("_", "-") for shape in SHAPES]


@pytest.fixture
def agents() -> Topology:
    return draw(1, [shape.__name__ for shape in SHAPES].index("agent"))


def test_the_agent_shape_has_an_agent_a_model_and_tools(agents: Topology) -> None:
    assert {service.kind for service in agents.services} == {"agent", "model", "service", "tool"}


def test_the_fan_out_shape_calls_in_parallel() -> None:
    shop = draw(1, [shape.__name__ for shape in SHAPES].index("fan_out"))
    door = shop.service(shop.load.entries[0].service)
    assert all(call.parallel for call in door.operations[0].calls)


def test_the_retries_shape_tries_again_everywhere() -> None:
    shop = draw(1, [shape.__name__ for shape in SHAPES].index("retries"))
    assert all(call.retries for route in shop.routes().values() for call in route.calls)
