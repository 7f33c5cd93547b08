import asyncio
import os
import select
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from temporalio.client import Client

from causal.errors import Conflict, Unavailable
from integrations.temporal_server import DevServer, DevServerSettings, find_binary, start_dev_server

PARENT = """
import asyncio, sys
from pathlib import Path
from integrations.temporal_server import DevServerSettings, find_binary, start_dev_server

async def main():
    settings = DevServerSettings(log=Path(sys.argv[1]), ui_port=None)
    async with start_dev_server(find_binary(), settings) as server:
        print(server.pid, flush=True)
        await server.ended()

asyncio.run(main())
"""


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        yield holder.getsockname()[1]


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DevServer]:
    folder = tmp_path_factory.mktemp("temporal")
    settings = DevServerSettings(log=folder / "logs/temporal.log", namespaces=["aside"])
    async with start_dev_server(find_binary(), settings) as running:
        yield running


async def test_a_started_server_answers_at_its_address(server: DevServer) -> None:
    client = await Client.connect(server.address)
    assert await client.service_client.check_health()


async def test_a_namespace_asked_for_is_there_from_the_start(server: DevServer) -> None:
    client = await Client.connect(server.address, namespace="aside")
    assert [workflow async for workflow in client.list_workflows()] == []


async def test_the_web_interface_answers_at_its_address(server: DevServer) -> None:
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{server.ui}")
    assert answer.status_code == 200


async def test_the_process_id_is_the_running_servers(server: DevServer) -> None:
    assert os.getpgid(server.pid) == server.pid


async def test_a_stopped_server_is_gone_with_the_context(tmp_path: Path) -> None:
    async with start_dev_server(find_binary(), DevServerSettings(tmp_path / "log")) as server:
        pass
    assert server.process.returncode == 0


async def test_a_server_without_web_interface_names_none(tmp_path: Path) -> None:
    settings = DevServerSettings(tmp_path / "log", ui_port=None)
    async with start_dev_server(find_binary(), settings) as server:
        assert server.ui is None


async def test_a_database_file_keeps_workflows_over_a_restart(tmp_path: Path) -> None:
    settings = DevServerSettings(tmp_path / "log", database=tmp_path / "new/temporal.db", ui_port=None)
    async with start_dev_server(find_binary(), settings) as server:
        client = await Client.connect(server.address)
        await client.start_workflow("Anything", id="kept", task_queue="nobody")
    async with start_dev_server(find_binary(), settings) as server:
        client = await Client.connect(server.address)
        assert (await client.get_workflow_handle("kept").describe()).workflow_type == "Anything"


async def test_a_server_killed_from_outside_is_noticed(tmp_path: Path) -> None:
    settings = DevServerSettings(tmp_path / "log", ui_port=None)
    async with start_dev_server(find_binary(), settings) as server:
        server.process.kill()
        async with asyncio.timeout(30):
            assert await server.ended() != 0


async def test_a_taken_port_is_named_in_the_error(tmp_path: Path) -> None:
    with taken_port() as port, pytest.raises(Conflict, match=f"Temporal's port 127.0.0.1:{port}"):
        async with start_dev_server(find_binary(), DevServerSettings(tmp_path / "log", port=port)):
            pass


async def test_a_taken_port_of_the_web_interface_is_named_in_the_error(tmp_path: Path) -> None:
    with taken_port() as port, pytest.raises(Conflict, match=f"Temporal's UI port 127.0.0.1:{port}"):
        async with start_dev_server(find_binary(), DevServerSettings(tmp_path / "log", ui_port=port)):
            pass


async def test_a_program_that_ends_at_once_is_an_error_with_its_log(tmp_path: Path) -> None:
    program = tmp_path / "temporal"
    program.write_text("#!/bin/sh\necho no disk today\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(Unavailable, match="no disk today"):
        async with start_dev_server(program, DevServerSettings(tmp_path / "log")):
            pass


async def test_a_program_that_never_answers_is_stopped_and_reported(tmp_path: Path) -> None:
    program = tmp_path / "temporal"
    program.write_text("#!/bin/sh\necho its id is $$\nexec sleep 600\n")
    program.chmod(0o755)
    with pytest.raises(Unavailable, match=r"its id is \d+") as refusal:
        async with start_dev_server(program, DevServerSettings(tmp_path / "log", starts_within=1.0)):
            pass
    with pytest.raises(ProcessLookupError):
        os.kill(int(str(refusal.value).rsplit(maxsplit=1)[-1]), 0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the tie is the Linux kernel's")
def test_a_server_dies_when_its_parent_is_killed(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", PARENT, str(tmp_path / "log")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        server = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
        assert select.select([server], [], [], 30.0)[0]
