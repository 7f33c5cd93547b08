"""A lock on an open file, waited for until a deadline; it goes with the file, however its holder ends."""

from __future__ import annotations

import fcntl
import time

from causal.errors import Unavailable

_PAUSE = 0.02


def take(handle: int, deadline: float, where: str) -> None:
    """Lock a file; Unavailable at the deadline (monotonic), telling ``where`` others are at work."""
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise Unavailable(f"another step is at work {where}") from error
            time.sleep(_PAUSE)
        else:
            return
