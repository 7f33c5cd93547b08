import os
import select
import signal
import subprocess
import sys

import pytest

from integrations.leash import leashed

CHILD = [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"]
PARENT = f"""
import signal, subprocess
from integrations.leash import leashed
child = subprocess.Popen(leashed({CHILD!r}), stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
signal.pause()
"""


def ends(pid: int, *, within: float = 30.0) -> bool:
    return bool(select.select([os.pidfd_open(pid)], [], [], within)[0])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the tie is the Linux kernel's")
def test_a_child_dies_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
        assert ends(child)


def test_a_leashed_command_keeps_its_exit_code() -> None:
    assert subprocess.run(leashed([sys.executable, "-c", "raise SystemExit(7)"]), check=False).returncode == 7


def test_a_leashed_command_keeps_the_process_id() -> None:
    argv = leashed([sys.executable, "-c", "import os; print(os.getpid())"])
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        assert int(child.communicate()[0]) == child.pid


def test_a_leashed_command_that_does_not_exist_says_so() -> None:
    ran = subprocess.run(leashed(["/no/such/program"]), capture_output=True, text=True, check=False)
    assert "/no/such/program: No such file" in ran.stderr


def test_a_leashed_command_still_stops_by_a_signal() -> None:
    with subprocess.Popen(leashed(CHILD), stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.terminate()
        assert child.wait(30) == -signal.SIGTERM
