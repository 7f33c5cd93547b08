import os
import socket
from pathlib import Path

import pytest

from demo.places import ShopFolder
from demo.processes import is_ours, reserve_port


def test_a_reserved_port_refuses_connections() -> None:
    with reserve_port() as reserved, socket.socket() as caller, pytest.raises(ConnectionRefusedError):
        caller.connect(reserved.getsockname())


def test_a_reserved_port_can_be_served_by_another_socket() -> None:
    with (
        reserve_port() as reserved,
        reserve_port(reserved.getsockname()[1]) as serving,
        socket.socket() as caller,
    ):
        serving.listen()
        caller.connect(reserved.getsockname())
        assert caller.getpeername() == serving.getsockname()


def test_a_strangers_process_is_not_ours(tmp_path: Path) -> None:
    assert not is_ours(os.getpid(), ShopFolder(tmp_path, "small"))
