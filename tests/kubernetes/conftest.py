"""The clusters that these tests run in: the double everywhere, a real control plane where it is asked for."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from integrations.kubernetes_connection import Bounds
from tests.doubles.kubernetes import KubernetesDouble, running_double
from tests.kubernetes.control_plane import running_control_plane
from tests.kubernetes.people import Access, People
from tests.kubernetes.shop import Shop

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def real_access() -> Iterator[Access]:
    """A real control plane, started once; its programs are built where they are missing."""
    built = subprocess.run([ROOT / "tools/kubernetes"], stdout=subprocess.PIPE, text=True, check=True)
    with running_control_plane(Path(built.stdout.strip())) as access:
        yield access


@pytest.fixture(scope="session")
def unused_namespaces() -> Iterator[str]:
    return (f"shop-{number}" for number in count())


@pytest.fixture
def double() -> Iterator[KubernetesDouble]:
    with running_double() as double:
        yield double


@pytest.fixture(params=["double", pytest.param("real", marks=pytest.mark.kubernetes)])
def people(
    request: pytest.FixtureRequest, tmp_path: Path, unused_namespaces: Iterator[str]
) -> Iterator[People]:
    """An administrator in a namespace of their own, of either cluster."""
    if request.param == "real":
        access = request.getfixturevalue("real_access")
    else:
        access = Access(request.getfixturevalue("double").url, tmp_path)
    people = People(access, next(unused_namespaces), is_real=request.param == "real")
    people.settle_in()
    yield people
    people.leave()


@pytest.fixture
def shop(people: People) -> Shop:
    people.deploy("1")
    people.bounds = {people.cart: Bounds(least=1, most=5)}
    return Shop(people)


@pytest.fixture
def twice(shop: Shop) -> Shop:
    """A deployment with two revisions."""
    shop.people.deploy_again("2")
    return shop
