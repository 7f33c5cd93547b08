"""Processes of the shop: started by argument list, known by id, gone when the shopkeeper is gone.

A child asks the kernel to be killed when its parent dies, so that nothing is left running whatever happens.
Ports are reserved by the shopkeeper for the life of the shop: a socket that is bound and never listens keeps
the port, refuses connections while the service is dead, and lets the service (which shares the port) listen
on it.
"""

import ctypes
import os
import signal
import socket
import sys
import time
from pathlib import Path

from demo.places import ShopFolder

_PR_SET_PDEATHSIG = 1
LOOPBACK = "127.0.0.1"


def reserve_port(port: int = 0) -> socket.socket:
    """Bind a port (a free one by default) without listening; another socket of this user may share it."""
    reserved = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reserved.bind((LOOPBACK, port))
    return reserved


def command(module: str, folder: ShopFolder, *more: str) -> list[str]:
    """The argument list that runs a module of the shop; the folder in it is how the process is recognised."""
    return [sys.executable, "-m", module, str(folder.home), folder.name, *more]


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies (Linux); ends at once if it has."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit(1)


def is_ours(pid: int, folder: ShopFolder) -> bool:
    """Whether a process of that id lives and belongs to this shop (ids are used again by others)."""
    try:
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (OSError, IndexError):
        return False
    return state != "Z" and str(folder.home).encode() in argv and folder.name.encode() in argv


def read_pid(folder: ShopFolder, process: str) -> int | None:
    """The id of a living process of the shop; None if it does not run."""
    try:
        pid = int(folder.pid(process).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return pid if is_ours(pid, folder) else None


def leftovers(folder: ShopFolder) -> dict[str, int]:
    """Processes of the shop that run, by name."""
    names = [path.stem for path in sorted((folder.root / "run").glob("*.pid"))]
    return {name: pid for name in names if (pid := read_pid(folder, name)) is not None}


def end(pid: int, folder: ShopFolder, *, patience: float) -> None:
    """Ask a process of the shop to end, and make it end when patience (seconds) is out."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if not is_ours(pid, folder):
            return
        os.kill(pid, sign)
        _wait_gone(pid, folder, patience)


def _wait_gone(pid: int, folder: ShopFolder, patience: float) -> None:
    deadline = time.monotonic() + patience
    while is_ours(pid, folder) and time.monotonic() < deadline:
        time.sleep(0.05)
