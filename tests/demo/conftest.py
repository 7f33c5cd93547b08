"""The small shop, up once for all tests that look at it, and healthy before each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.lifecycle import find_shop
from tests.demo.receiver import receiving
from tests.demo.small_shop import TOPOLOGY, Open, shop


@pytest.fixture(scope="package")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """A small shop, its telemetry received here."""
    home: Path = tmp_path_factory.mktemp("home")
    topology = home / "small.yaml"
    topology.write_text(TOPOLOGY)
    with receiving() as heard:
        try:
            shop(home, "up", str(topology), "--otlp-endpoint", heard.url, "--otlp-token", "sesame")
            yield Open(find_shop(home, None), heard)
        finally:
            shop(home, "down")


@pytest.fixture
def small(opened: Open) -> Iterator[Open]:
    """The small shop, and nothing broken afterwards."""
    yield opened
    opened.client.post("/heal")
