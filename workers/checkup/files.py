"""Files that hold a secret: are they there, not empty, and nobody else's to read?"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from workers.checkup.report import Remark, doubt, wrong


def private(file: Path) -> Iterator[Remark]:
    """A file that holds a secret: is it there, not empty, and nobody else's to read?"""
    try:
        text, mode = file.read_text(errors="replace"), file.stat().st_mode
    except OSError as error:
        yield wrong(
            f"{file} can not be read: {error.strerror}", "put the secret there, readable by this user"
        )
        return
    if not text.strip():
        yield wrong(f"{file} is empty", "put the secret there")
    elif mode & stat.S_IROTH:
        yield doubt(f"anybody on this machine can read {file}", f"chmod 600 {file}")
