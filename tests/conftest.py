"""What all tests share: one real Temporal server for the whole run, a namespace of its own for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from integrations.temporal_server import DevServer, DevServerSettings, find_binary, start_dev_server
from tests.left_out import (
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)

__all__ = [
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_testnodedown",
]

# No test asserts a time, and a busy machine is no failure.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

NAMESPACES = tuple(f"test-{number}" for number in range(100))


@pytest.fixture(scope="session")
async def temporal_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DevServer]:
    """The real server, started once."""
    log: Path = tmp_path_factory.mktemp("temporal") / "temporal.log"
    wanted = DevServerSettings(
        log=log,
        ui_port=None,
        namespaces=NAMESPACES,
        # A server may fire timers a second late, to fire many at once; there are dozens in the tests.
        dynamic_config={"history.timerProcessorMaxTimeShift": '"5ms"'},
    )
    async with start_dev_server(find_binary(), wanted) as server:
        yield server


@pytest.fixture(scope="session")
def unused_namespaces() -> Iterator[str]:
    """Namespaces that no test has had."""
    return (NAMESPACES[number] for number in count())


@pytest.fixture
async def client(temporal_server: DevServer, unused_namespaces: Iterator[str]) -> Client:
    """A client in a namespace of its own."""
    return await Client.connect(
        temporal_server.address, namespace=next(unused_namespaces), data_converter=pydantic_data_converter
    )
