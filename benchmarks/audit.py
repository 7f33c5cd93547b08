"""How fast an exported audit log is verified: `python -m benchmarks.audit [ROWS ...]`.

For each length: the rows a second of the chain alone and with every decision made again, and the largest
memory of a fresh process that does it, which must not grow with the log.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.audit_story import story
from integrations.audit_file import export_rows, verify_files
from integrations.audit_review import Reviewer

LENGTHS = (1_000, 10_000, 100_000)
_FRESH = """
import resource, sys, time
from collections.abc import Callable
from pathlib import Path
from integrations.audit_file import verify_files
from integrations.audit_review import Reviewer
reviewer = Reviewer()
verify_files([Path(sys.argv[1])], look=reviewer.take)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def main(words: list[str]) -> None:
    """Measure each length and print a table."""
    print(
        f"{'rows':>8} {'MB':>6} {'chain rows/s':>13} {'with decisions':>15} {'decisions':>10} {'peak MB':>8}"
    )
    with tempfile.TemporaryDirectory(prefix="aitia-audit-") as folder:
        for rows in [int(word) for word in words] or LENGTHS:
            print(_line(rows, Path(folder) / "audit.jsonl"), flush=True)


def _line(rows: int, file: Path) -> str:
    export_rows(story(rows), file)
    reviewer = Reviewer()
    alone = _seconds(lambda: verify_files([file]))
    whole = _seconds(lambda: verify_files([file], look=reviewer.take))
    found = reviewer.review()
    if found.findings or found.elsewhere:
        raise SystemExit(f"a sound log has findings: {found.findings[:3]}")
    peak = subprocess.run(
        [sys.executable, "-c", _FRESH, str(file)], check=True, capture_output=True, text=True
    )
    return (
        f"{rows:>8} {file.stat().st_size / 1e6:>6.1f} {rows / alone:>13.0f} {rows / whole:>15.0f} "
        f"{found.decisions:>10} {peak.stdout.strip():>8}"
    )


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main(sys.argv[1:])
