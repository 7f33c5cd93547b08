"""Retention: the oldest rows of the audit log go to an archive, and the log itself says which they were.

Nothing is cut before the archive is on disk and verifies. Then, in one transaction, the log gets a row
``audit.cut`` that names the first and last of the rows, their number, the hash of the last and the digest of
the archive, and loses them. That row is part of the chain, so that whoever trusts a later head knows which
rows were there before; the archives and the log together are the whole chain again.

What is cut takes its idempotency keys along: cut only what no workflow will write again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import file_digest
from itertools import takewhile
from pathlib import Path

from causal.errors import Conflict, Refused
from causal.evidence import Fact
from integrations.audit import verify_rows
from integrations.audit_chain import CUT, Cut
from integrations.audit_file import export_rows, verify_file
from integrations.ports import AuditEntry, AuditLog, AuditRow


class Cuttable(Fact):
    """What retention would cut: rows ``first`` to ``last``, written from ``since`` to ``until``."""

    count: int = 0
    first: int = 0
    last: int = 0
    head: str = ""
    since: str = ""
    until: str = ""


@dataclass
class _Seen:
    """What is remembered of the rows while they pass by."""

    first: AuditRow | None = None
    last: AuditRow | None = None
    count: int = 0

    def passing(self, rows: Iterator[AuditRow]) -> Iterator[AuditRow]:
        for row in rows:
            self.first, self.last, self.count = self.first or row, row, self.count + 1
            yield row


def cuttable(log: AuditLog, before: datetime) -> Cuttable:
    """Say what would be cut: all rows up to the first one that was written at ``before`` or later.

    Raises Tampered where the log does not add up: what was changed is not thrown away.
    """
    verify_rows(log.rows())
    seen = _Seen()
    for _ in seen.passing(_older(log, before)):
        pass
    if seen.first is None or seen.last is None:
        return Cuttable()
    return Cuttable(
        count=seen.count,
        first=seen.first.seq,
        last=seen.last.seq,
        head=seen.last.hash,
        since=seen.first.at,
        until=seen.last.at,
    )


def retain(log: AuditLog, before: datetime, archive: Path, by: str) -> AuditRow | None:
    """Archive and cut what is `cuttable`; return the row that says so, None where there is nothing to cut.

    Raises Conflict where somebody else cut meanwhile: nothing was cut then, and ``archive`` may be deleted.
    """
    if archive.exists():
        raise Refused(f"{archive} is there already; an archive is never overwritten")
    found = cuttable(log, before)
    if not found.count:
        return None
    proof = _proof(log, found.first) if found.first > 1 else None
    export_rows(takewhile(lambda row: row.seq <= found.last, log.rows()), archive, proof)
    kept = verify_file(archive)
    if (kept.first, kept.last, kept.head) != (found.first, found.last, found.head):
        raise Conflict(f"the log changed while it was archived; {archive} was left as it is, nothing was cut")
    cut = Cut(
        first=found.first,
        last=found.last,
        count=found.count,
        head=found.head,
        archive=_digest(archive),
    )
    return log.cut(cut.last, cut.head, _entry(cut, found, by))


def _older(log: AuditLog, before: datetime) -> Iterator[AuditRow]:
    return takewhile(lambda row: datetime.fromisoformat(row.at) < before, log.rows())


def _proof(log: AuditLog, first: int) -> AuditRow:
    """Return the row that tells why the log begins with row ``first``."""
    for row in log.rows():
        if row.entry.event == CUT and row.entry.facts.get("last") == first - 1:
            return row
    raise Conflict(f"the log begins with row {first} and no row of it says why")


def _entry(cut: Cut, found: Cuttable, by: str) -> AuditEntry:
    return AuditEntry(
        actor=by,
        event=CUT,
        summary=f"rows {cut.first} to {cut.last} ({found.since[:10]} to {found.until[:10]}) were archived "
        "and cut",
        facts=cut.model_dump(),
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
