"""A child process that dies with its parent, however the parent dies.

Whoever starts a server as a child stops it at the end; but after `kill -9` nobody is left to do so, and the
orphan keeps its ports and its database file. Linux can tie the two together: the kernel sends a signal to a
process when the thread that forked it ends (`PR_SET_PDEATHSIG`, prctl(2)). The tie is made after the fork and
before the exec, so it needs a moment of code in the child: this file runs itself as that moment.

Fork from a thread that lives as long as the parent: the main thread, or the one of the event loop.
On systems other than Linux there is no such tie, and the command is returned as it is.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def leashed(argv: Sequence[str | Path]) -> list[str]:
    """Return the command that runs ``argv`` and gets SIGTERM when this very process ends.

    The process keeps its id: the wrapper replaces itself by ``argv``. ``argv[0]`` is looked up on PATH.
    """
    command = [str(word) for word in argv]
    if not sys.platform.startswith("linux"):
        return command
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(os.getpid()), *command]


def _become(parent: int, command: list[str]) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:  # it died before the tie was made
        sys.exit(1)
    try:
        os.execvp(command[0], command)  # noqa: S606  # argv is the caller's own list, and no shell is wanted
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
