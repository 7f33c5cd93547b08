"""What the tests of the workers share: doors that are open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from integrations.temporal_server import DevServer, DevServerSettings, find_binary, start_dev_server
from tests.workers.doors import QUESTION, OpenDoor, open_door, settings_for, settings_of


@pytest.fixture(scope="module")
async def module_client(temporal_server: DevServer, unused_namespaces: Iterator[str]) -> Client:
    """A client in a namespace that the tests of a module share."""
    return await Client.connect(
        temporal_server.address, namespace=next(unused_namespaces), data_converter=pydantic_data_converter
    )


@pytest.fixture(scope="module")
async def opened(module_client: Client, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OpenDoor]:
    """The door of a module."""
    home: Path = tmp_path_factory.mktemp("home")
    with open_door(settings_of(home, module_client)) as there:
        yield there


@pytest.fixture(scope="session")
async def stranded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OpenDoor]:
    """A door whose Temporal server has gone; one question was open."""
    home: Path = tmp_path_factory.mktemp("stranded")
    wanted = DevServerSettings(log=home / "temporal.log", ui_port=None)
    with ExitStack() as stack:
        async with start_dev_server(find_binary(), wanted) as server:
            there = stack.enter_context(open_door(settings_for(home, server.address, "default")))
            await asyncio.to_thread(there.get, "/healthz")
        there.house.approvals.put(QUESTION)
        yield there
