"""Putting a shop up and down from outside: folders, tokens, the shopkeeper, cleaning up after a crash."""

import secrets
import shutil
import subprocess
import time
from pathlib import Path

from demo.admin_client import AdminClient
from demo.connections import remove_connection
from demo.errors import AlreadyRunning, DidNotStart, NotRunning, ShopError
from demo.places import ShopFolder, read_json, shops_under, write_json, write_text
from demo.plan import Plan, write_plan
from demo.processes import command, end, leftovers, read_pid
from demo.telemetry import OtlpTarget
from demo.topology import Topology

_START_SECONDS = 180.0
_STOP_SECONDS = 15.0
_LOOK_AGAIN = 0.1
_KEEPER = "shopkeeper"


def put_up(folder: ShopFolder, topology: Topology, target: OtlpTarget | None) -> AdminClient:
    """Start a shop and return when customers are served; raises ``AlreadyRunning`` or ``DidNotStart``."""
    if read_pid(folder, _KEEPER) is not None:
        raise AlreadyRunning(f"the shop '{folder.name}' is up already; `aitia shop down` ends it")
    put_down(folder)
    shutil.rmtree(folder.root, ignore_errors=True)
    write_text(folder.owner_token, secrets.token_urlsafe(24), secret=True)
    write_text(folder.admin_token, secrets.token_urlsafe(24), secret=True)
    write_json(folder.topology, topology.model_dump(mode="json"))
    write_plan(folder, Plan(target=target))
    try:
        _start(folder)
    except BaseException:  # also Ctrl-C: nothing may be left running
        put_down(folder)
        raise
    return find_shop(folder.home, folder.name)


def _start(folder: ShopFolder) -> None:
    log = folder.log(_KEEPER)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        keeper = subprocess.Popen(
            command("demo.admin", folder),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        _wait_open(folder, keeper)
    except BaseException:  # also Ctrl-C: its children die with it
        keeper.kill()
        keeper.wait()
        raise


def _wait_open(folder: ShopFolder, keeper: subprocess.Popen[bytes]) -> None:
    deadline, log = time.monotonic() + _START_SECONDS, folder.log(_KEEPER)
    while not folder.admin.exists():
        if keeper.poll() is not None or time.monotonic() > deadline:
            raise DidNotStart(f"the shop '{folder.name}' did not come up; {log} ends with:\n{_tail(log)}")
        time.sleep(_LOOK_AGAIN)


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])


def put_down(folder: ShopFolder) -> list[str]:
    """Stop what runs of a shop and take back what it offered; returns what was done. Safe at any time."""
    done = _stop_keeper(folder)
    for name, pid in leftovers(folder).items():
        end(pid, folder, patience=2)
        done.append(f"stopped {name} ({pid}), which was left over")
    if remove_connection(folder):
        done.append(f"removed {folder.connection}")
    for path in (folder.admin, folder.owner_token, folder.admin_token, folder.plan):
        path.unlink(missing_ok=True)
    return done


def _stop_keeper(folder: ShopFolder) -> list[str]:
    pid = read_pid(folder, _KEEPER)
    if pid is None:
        return []
    end(pid, folder, patience=_STOP_SECONDS)
    return [f"stopped the shop '{folder.name}' ({pid})"]


def find_shop(home: Path, name: str | None) -> AdminClient:
    """The shop of that name, or the only one that is up; raises ``NotRunning``."""
    up = [folder for folder in shops_under(home) if read_pid(folder, _KEEPER) and read_json(folder.admin)]
    chosen = [folder for folder in up if name in (None, folder.name)]
    if not chosen:
        raise NotRunning(
            f"no shop{f' named {name}' if name else ''} is up under {home}; `aitia shop up` starts one"
        )
    if len(chosen) > 1:
        raise ShopError(f"several shops are up: say --shop and one of {', '.join(f.name for f in chosen)}")
    return AdminClient(chosen[0], str(read_json(chosen[0].admin)["url"]))
