from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest

from causal.errors import Refused
from integrations.kubernetes import (
    replicas_of,
)
from integrations.kubernetes_cluster import Cluster, Proposed
from integrations.kubernetes_scale import Scale, ScaleParams
from integrations.ports import Effect
from tests.kubernetes.people import CLUSTER, Json, People
from tests.kubernetes.shop import Shop, preview_of


@dataclass(frozen=True)
class Interrupted(Scale):
    """A scaling during which, between its look and its act, somebody else scales to four."""

    people: People

    def proposed(self, cluster: Cluster, params: ScaleParams, found: Json) -> Proposed:
        proposed = super().proposed(cluster, params, found)
        if replicas_of(found) == 2:
            self.people.scale(4)
        return proposed


def test_a_deployment_is_scaled_to_a_number(shop: Shop) -> None:
    shop.scale(replicas=4)
    assert shop.people.replicas() == 4


@pytest.mark.parametrize(("percent", "replicas"), [(150, 3), (101, 3), (1000, 5), (1, 1)])
def test_a_percentage_is_rounded_up_and_stops_at_the_bounds(shop: Shop, percent: int, replicas: int) -> None:
    shop.scale(percent=percent)
    assert shop.people.replicas() == replicas


@pytest.mark.parametrize("replicas", [0, 6])
def test_a_number_outside_of_the_bounds_is_refused(shop: Shop, replicas: int) -> None:
    with pytest.raises(Refused, match="may have 1 to 5 replicas"):
        shop.scale(replicas=replicas)


def test_a_deployment_at_its_bound_is_not_scaled_further(shop: Shop) -> None:
    shop.people.scale(5)
    with pytest.raises(Refused, match="has 5 replicas already"):
        shop.scale(percent=200)


def test_a_deployment_without_bounds_is_not_scaled(shop: Shop) -> None:
    shop.people.bounds = {}
    with pytest.raises(Refused, match="gives no bounds"):
        shop.scale(replicas=3)


def test_a_deployment_that_an_autoscaler_scales_is_left_to_it(shop: Shop) -> None:
    shop.people.add_autoscaler()
    with pytest.raises(Refused, match="HorizontalPodAutoscaler cart"):
        shop.scale(replicas=3)


def test_a_percentage_is_taken_once_for_each_key(shop: Shop) -> None:
    shop.scale(percent=150)
    shop.scale(percent=150)
    assert shop.people.replicas() == 3


def test_scaling_back_restores_the_number(shop: Shop) -> None:
    shop.scale_back(shop.scale(replicas=4))
    assert shop.people.replicas() == 2


def test_scaling_back_leaves_the_number_that_somebody_else_set(shop: Shop) -> None:
    effect = shop.scale(replicas=4)
    shop.people.scale(3)
    with pytest.raises(Refused, match="somebody has scaled it since"):
        shop.scale_back(effect)


def test_a_preview_of_scaling_changes_nothing(shop: Shop) -> None:
    shown = preview_of(Scale(shop.people.connections), shop.at(percent=150))
    assert (shown, shop.people.replicas()) == (
        f"scale deployment {shop.people.cart} in {CLUSTER}: 2 -> 3 replicas",
        2,
    )


def test_what_changed_between_the_look_and_the_act_is_looked_at_again(shop: Shop) -> None:
    effect = shop.do(Interrupted(shop.people.connections, shop.people), percent=125)
    assert (effect.facts["replicas_before"], shop.people.replicas()) == (4, 5)


def test_two_workers_with_the_same_step_take_it_once(shop: Shop) -> None:
    effects: list[Effect] = []
    workers = [threading.Thread(target=lambda: effects.append(shop.scale(percent=150))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (len(effects), len(set(map(str, effects))), shop.people.replicas()) == (4, 1, 3)


@pytest.mark.parametrize(
    "params", [{}, {"replicas": 3, "percent": 50}, {"replicas": -1}, {"deployment": "../x"}], ids=str
)
def test_malformed_parameters_of_scaling_are_refused(params: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        ScaleParams.model_validate({"cluster": CLUSTER, "deployment": "shop/cart", **params})
