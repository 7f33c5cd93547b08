"""Becomes another program under limits: ``python -I limited.py LIMITS PROGRAM ARGUMENT...``.

The limits are set in a process of its own, between its start and the program's: a parent with threads must
not run code of its own between fork and exec. LIMITS is JSON: names of `resource`'s limits and their values.
"""

import json
import os
import resource
import signal
import sys

NOT_RUN = 126  # as shells say it; 1 would be an answer of the program


def main(limits: str, program: list[str]) -> None:
    """Set the limits and become the program; its exit status is ours."""
    for name, value in json.loads(limits).items():
        which = getattr(resource, name)
        hard = resource.getrlimit(which)[1]
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (most, most))
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these two, and its heir would too
        signal.signal(ignored, signal.SIG_DFL)
    try:
        os.execv(program[0], program)  # noqa: S606  that no shell stands between is the point
    except OSError as error:
        sys.stderr.write(f"{program[0]} can not be run: {error}\n")
        sys.exit(NOT_RUN)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
