"""How much memory a call needed at its worst: the peak of this process's resident set.

Linux keeps that peak and lets a process set its own back (``5`` into ``/proc/self/clear_refs``), so it can be
asked for one call alone. Elsewhere only the peak since the process began is known.
"""

import re
import resource
from pathlib import Path

_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_RESET_PEAK = "5"
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)
_KIBI = 1024


def forget_peak() -> None:
    """Begin to measure anew, where the system can."""
    try:
        _CLEAR.write_text(_RESET_PEAK, encoding="ascii")
    except OSError:
        return


def peak_bytes() -> int:
    """Peak resident memory since `forget_peak`, libraries and data included."""
    try:
        found = _PEAK.search(_STATUS.read_text(encoding="ascii"))
    except OSError:
        found = None
    kilobytes = int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes * _KIBI
