from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from causal.errors import MalformedSettings
from integrations.connections import read_connections, service_facts
from integrations.kubernetes_cluster import merged, replacing
from tests.doubles.kubernetes import merge_patched

WRITTEN = """\
clusters:
  shop-cluster:
    kubeconfig: /srv/kubeconfig
    namespaces: [shop]
    services: {cart: shop/cart-v2}
    replicas: {shop/cart-v2: {least: 2, most: 8}}
    nodes: ["pool-a-*"]
"""

LEAVES = st.integers() | st.text(max_size=3) | st.booleans() | st.lists(st.integers(), max_size=2)
OBJECTS = st.recursive(
    st.dictionaries(st.text(max_size=2), LEAVES, max_size=3),
    lambda inner: st.dictionaries(st.text(max_size=2), inner | LEAVES, max_size=3),
)


def read(folder: Path, text: str) -> dict[str, object]:
    (folder / "shop.yaml").write_text(text)
    return dict(service_facts(read_connections(folder), "cart"))


def test_a_service_knows_its_cluster_and_its_deployment(tmp_path: Path) -> None:
    facts = read(tmp_path, WRITTEN)
    assert (facts["service.cluster"], facts["service.deployment"]) == ("shop-cluster", "shop/cart-v2")


def test_a_service_in_two_clusters_has_no_deployment_that_could_be_meant(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(WRITTEN.replace("shop-cluster", "other-cluster"))
    assert "service.deployment" not in read(tmp_path, WRITTEN)


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("/srv/kubeconfig", "kubeconfig", "absolute path"),
        ("[shop]", "[]", "namespaces"),
        ("[shop]", "[other]", "outside of the namespaces"),
        ("shop/cart-v2}", "cart-v2}", "services"),
        ("least: 2", "least: 9", "least is 9"),
        ("least: 2", "least: -1", "least"),
        ('"pool-a-*"', '"pool a"', "nodes"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, right: str, wrong: str, says: str) -> None:
    with pytest.raises(MalformedSettings, match=rf"shop\.yaml:\d+:\d+: .*{says}"):
        read(tmp_path, WRITTEN.replace(right, wrong, 1))


@given(OBJECTS, OBJECTS)
def test_a_patch_turns_what_is_into_what_was(now: dict[str, object], then: dict[str, object]) -> None:
    assert merge_patched(now, replacing(now, then)) == then


@given(OBJECTS)
def test_what_stays_the_same_is_not_patched(same: dict[str, object]) -> None:
    assert replacing(same, same) == {}


@given(OBJECTS, OBJECTS, OBJECTS)
def test_two_patches_in_one_do_what_both_do(
    found: dict[str, object], one: dict[str, object], other: dict[str, object]
) -> None:
    assume(not _starts_anew(one, other))  # for that a merge patch (RFC 7396) has no word
    in_turn = merge_patched(merge_patched({**found}, one), other)
    assert merge_patched({**found}, merged(one, other)) == in_turn


def _starts_anew(one: dict[str, object], other: dict[str, object]) -> bool:
    """Whether the second patch writes into what the first has taken away."""
    shared = [(one[name], each) for name, each in other.items() if name in one and isinstance(each, dict)]
    return any(_starts_anew(mine, each) if isinstance(mine, dict) else True for mine, each in shared)


def test_the_client_is_imported_only_by_the_step_that_needs_it() -> None:
    asked = "import sys, integrations.actions; sys.exit('lightkube' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0
