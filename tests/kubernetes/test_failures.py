"""What a real control plane does not do on demand: get busy, break in the middle, lose its answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from causal.errors import Refused, Unavailable, UnknownEffect
from integrations.connections import ClusterConnection, ConnectionFile, Connections
from integrations.kubernetes import DeploymentParams, RolloutRestart
from integrations.ports import Effect
from tests.doubles.kubernetes import Failure, KubernetesDouble
from tests.kubernetes.people import ADMIN, CLUSTER, Access, People

KEY = "inc-1/p1/step"


@pytest.fixture
def cluster(double: KubernetesDouble, tmp_path: Path) -> People:
    people = People(Access(double.url, tmp_path), "shop", is_real=False)
    people.deploy("1")
    return people


def restart(people: People, timeout: float = 20) -> Effect:
    params = DeploymentParams(cluster=CLUSTER, deployment=people.cart)
    return RolloutRestart(people.connections).execute(params, key=KEY, timeout=timeout)


@pytest.mark.parametrize("code", [429, 503])
def test_a_busy_server_did_nothing_and_may_be_asked_again(
    cluster: People, double: KubernetesDouble, code: int
) -> None:
    double.failures.append(Failure(code))
    with pytest.raises(Unavailable, match="come again later") as caught:
        restart(cluster)
    assert not isinstance(caught.value, UnknownEffect)


@pytest.mark.parametrize("code", [500, 502, 504])
def test_a_server_that_broke_may_have_acted(cluster: People, double: KubernetesDouble, code: int) -> None:
    double.failures.append(Failure(code, after_the_effect=True))
    with pytest.raises(UnknownEffect, match=f"answered {code}"):
        restart(cluster)


def test_a_lost_answer_leaves_the_effect_unknown(cluster: People, double: KubernetesDouble) -> None:
    double.failures.append(Failure(hang=True, after_the_effect=True))
    with pytest.raises(UnknownEffect, match="no answer that can be read"):
        restart(cluster, timeout=0.5)


@pytest.mark.parametrize("after", [True, False])
def test_a_step_whose_answer_was_lost_takes_effect_once(
    cluster: People, double: KubernetesDouble, *, after: bool
) -> None:
    generation = cluster.deployment()["metadata"]["generation"]
    double.failures.append(Failure(504, after_the_effect=after))
    with pytest.raises(UnknownEffect):
        restart(cluster)
    restart(cluster)
    assert cluster.deployment()["metadata"]["generation"] == generation + 1


def test_a_conflict_is_observed_and_tried_again(cluster: People, double: KubernetesDouble) -> None:
    double.failures.append(Failure(409))
    restart(cluster)
    assert cluster.restarts()


def test_an_object_that_never_rests_is_given_up_in_time(cluster: People, double: KubernetesDouble) -> None:
    double.failures.extend(Failure(409) for _ in range(100))
    with pytest.raises(Unavailable, match="does not come to rest"):
        restart(cluster, timeout=0.5)


def test_an_answer_of_something_else_is_no_answer(cluster: People, double: KubernetesDouble) -> None:
    double.failures.append(Failure(502, body="<html>proxy</html>"))
    with pytest.raises(UnknownEffect):
        restart(cluster)


def test_what_the_server_does_not_accept_is_told_in_its_words(
    cluster: People, double: KubernetesDouble
) -> None:
    double.failures.append(Failure(422))
    with pytest.raises(Refused, match="made up: 422"):
        restart(cluster)


def test_a_server_that_is_not_there_did_nothing(cluster: People) -> None:
    cluster.url = "http://127.0.0.1:1"
    with pytest.raises(Unavailable, match="can not be reached") as caught:
        restart(cluster)
    assert not isinstance(caught.value, UnknownEffect)


def test_the_token_is_in_no_message(cluster: People, double: KubernetesDouble) -> None:
    double.failures.append(Failure(500))
    with pytest.raises(UnknownEffect) as caught:
        restart(cluster)
    assert ADMIN not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[", "clusters: []", '{"clusters": [], "contexts": []}'], ids=repr)
def test_a_kubeconfig_that_can_not_be_used_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(text)
    with pytest.raises(Refused, match="kubeconfig"):
        restart_with(file)


def test_a_kubeconfig_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="kubeconfig"):
        restart_with(tmp_path / "none")


def restart_with(kubeconfig: Path) -> None:
    connection = ClusterConnection(kubeconfig=kubeconfig, namespaces=("shop",))
    connections = Connections(files=(ConnectionFile(clusters={CLUSTER: connection}),))
    params = DeploymentParams(cluster=CLUSTER, deployment="shop/cart")
    RolloutRestart(lambda: connections).execute(params, key=KEY, timeout=5)
