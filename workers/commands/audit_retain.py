"""What ``aitia audit retain`` does: says what would be cut, or archives and cuts it."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from causal.errors import Malformed
from integrations.ports import AuditLog
from integrations.retention import cuttable, retain
from playbooks.remedy import seconds


def age(text: str) -> timedelta:
    """Read an age such as ``400d``; Malformed says what to write."""
    try:
        found = seconds(text)
    except ValueError as error:
        raise Malformed(str(error), where="--older-than") from error
    if not isinstance(found, float):
        raise Malformed(f"{text!r} is not an age; write for example 400d", where="--older-than")
    return timedelta(seconds=found)


def cut(log: AuditLog, older_than: timedelta, archive: Path | None, home: Path, *, really: bool) -> str:
    """Archive and cut rows, or only say which; returns what was done."""
    before = datetime.now(UTC) - older_than
    found = cuttable(log, before)
    if not found.count:
        return f"no row is older than {before:%Y-%m-%d %H:%M} UTC; nothing to cut"
    place = archive or home / "audit" / f"rows-{found.first}-{found.last}.jsonl"
    rows = f"{found.count} rows, {found.first} ({found.since[:10]}) to {found.last} ({found.until[:10]})"
    if not really:
        return f"would move {rows} to {place}; say --yes to do it"
    if archive is None:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    row = retain(log, before, place, getpass.getuser())
    return f"moved {rows} to {place}\nrow {row.seq if row else 0} says so\nhead {row.hash if row else ''}"
