from __future__ import annotations

from itertools import count

import pytest

from causal.errors import Refused
from integrations.kubernetes_nodes import Cordon, NodeParams, Uncordon
from integrations.ports import Action
from tests.kubernetes.people import CLUSTER, NEEDED, People

KEY = "inc-1/p1/cordon"
NUMBERS = count()


@pytest.fixture
def node(people: People) -> str:
    name = f"played-{next(NUMBERS)}"
    people.add_node(name)
    return name


def cordon(people: People, node: str, key: str = KEY) -> str:
    params = NodeParams(cluster=CLUSTER, node=node)
    return Cordon(people.connections).execute(params, key=key, timeout=30).says


def uncordon(people: People, node: str, key: str = f"{KEY}/undo") -> str:
    params = NodeParams(cluster=CLUSTER, node=node)
    return Uncordon(people.connections).execute(params, key=key, timeout=30).says


@pytest.mark.parametrize("action", [Cordon, Uncordon])
def test_the_actions_keep_the_ports_contract(people: People, action: type[Cordon]) -> None:
    assert isinstance(action(people.connections), Action)


def test_a_cordoned_node_takes_no_more_pods(people: People, node: str) -> None:
    cordon(people, node)
    assert people.is_cordoned(node)


def test_a_cordon_that_is_done_is_not_done_again(people: People, node: str) -> None:
    assert cordon(people, node) == cordon(people, node)


def test_an_uncordoned_node_takes_pods_again(people: People, node: str) -> None:
    cordon(people, node)
    uncordon(people, node)
    assert not people.is_cordoned(node)


def test_a_node_that_somebody_else_cordoned_stays_so(people: People, node: str) -> None:
    people.cordon(node)
    with pytest.raises(Refused, match="not cordoned by a step of Aitia"):
        uncordon(people, node)


def test_a_node_that_somebody_else_cordoned_after_us_stays_so(people: People, node: str) -> None:
    cordon(people, node)
    uncordon(people, node)
    people.cordon(node)
    with pytest.raises(Refused, match="not cordoned by a step of Aitia"):
        uncordon(people, node, "inc-2/p1/cordon/undo")


def test_a_node_that_is_cordoned_already_is_told(people: People, node: str) -> None:
    people.cordon(node)
    with pytest.raises(Refused, match="cordoned already, by somebody else"):
        cordon(people, node)


def test_enough_nodes_must_be_left(people: People, node: str) -> None:
    people.least_schedulable = 100
    with pytest.raises(Refused, match="100 must be left"):
        cordon(people, node)


def test_a_node_that_is_not_allowed_is_refused(people: People) -> None:
    with pytest.raises(Refused, match=r"may be cordoned: played-\*; not control-plane"):
        cordon(people, "control-plane")


def test_a_preview_changes_nothing(people: People, node: str) -> None:
    Cordon(people.connections).preview(NodeParams(cluster=CLUSTER, node=node))
    assert not people.is_cordoned(node)


def test_the_missing_permission_is_of_the_whole_cluster(people: People, node: str) -> None:
    people.token = people.reader
    people.let_reader_look()
    with pytest.raises(Refused, match="patch nodes; give it a ClusterRole"):
        cordon(people, node)


def test_the_permissions_that_the_connection_asks_for_are_enough(people: People, node: str) -> None:
    people.token = people.reader
    people.let_reader(NEEDED)
    cordon(people, node)
    uncordon(people, node)
    assert not people.is_cordoned(node)
