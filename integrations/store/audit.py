"""The audit log in a database: one chain, however many processes write to it.

The next row is sealed under the writers' lock, so the chain cannot fork; the unique constraint on
``previous`` is the net below that. Triggers, made with the table by its first revision, refuse to change or
delete rows: against mistakes and against other programs, not against the owner of the database, who can drop
a trigger. Against the owner there is the chain (`integrations.audit`), and against an owner who cuts the end
off, only a head that is kept elsewhere (`integrations.anchors`). Retention alone lifts the trigger, for the
one transaction in which it cuts and says so in a row.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, Text, delete
from sqlmodel import Field, Session, col, select

from causal.errors import Conflict, Tampered
from integrations.audit import GENESIS, line_of, row_of, seal
from integrations.ports import AuditEntry, AuditRow
from integrations.store.base import Lock, Stored, reading, writing

_PAGE = 500
_BEFORE_ALL = -(2**31)


class _AuditRow(Stored, table=True):
    __tablename__ = "audit"

    seq: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    incident: str = Field(index=True)
    key: str | None = Field(default=None, unique=True)
    previous: str = Field(unique=True)
    hash: str = Field(unique=True)
    line: str = Field(sa_type=Text)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class SqlAuditLog:
    """An `integrations.ports.AuditLog`; `rows` raises Tampered at a row whose columns and text disagree."""

    engine: Engine
    clock: Callable[[], datetime] = _utc_now

    def append(self, entry: AuditEntry) -> AuditRow:
        with writing(self.engine, Lock.AUDIT) as session:
            known = _with_key(session, entry.key)
            if known is not None:
                return _read(known)
            row = _next(session, entry, self.clock().isoformat(timespec="microseconds"))
            session.add(_stored(row))
            return row

    def rows(self, incident: str | None = None, after: int = 0) -> Iterator[AuditRow]:
        last = after or _BEFORE_ALL
        while page := self._page(last, incident):
            yield from map(_read, page)
            last = page[-1].seq

    def last(self) -> AuditRow | None:
        with reading(self.engine) as session:
            newest = _newest(session)
        return _read(newest) if newest else None

    def cut(self, last: int, head: str, entry: AuditEntry) -> AuditRow:
        with writing(self.engine, Lock.AUDIT) as session:
            known = session.get(_AuditRow, last)
            if known is None or known.hash != head:
                raise Conflict(f"the audit log has no row {last} with the hash {head} (any more)")
            row = _next(session, entry, self.clock().isoformat(timespec="microseconds"))
            session.add(_stored(row))
            session.flush()
            with _deletable(session.connection()) as connection:
                connection.execute(delete(_AuditRow).where(col(_AuditRow.seq) <= last))
            return row

    def _page(self, after: int, incident: str | None) -> list[_AuditRow]:
        query = select(_AuditRow).where(col(_AuditRow.seq) > after).order_by(col(_AuditRow.seq)).limit(_PAGE)
        if incident is not None:
            query = query.where(_AuditRow.incident == incident)
        with reading(self.engine) as session:
            return list(session.exec(query))


def _with_key(session: Session, key: str | None) -> _AuditRow | None:
    if key is None:
        return None
    return session.exec(select(_AuditRow).where(_AuditRow.key == key)).one_or_none()


def _next(session: Session, entry: AuditEntry, at: str) -> AuditRow:
    head = _newest(session)
    seq, previous = (head.seq + 1, head.hash) if head else (1, GENESIS)
    return seal(entry, seq, at, previous)


def _newest(session: Session) -> _AuditRow | None:
    return session.exec(select(_AuditRow).order_by(col(_AuditRow.seq).desc()).limit(1)).one_or_none()


@contextmanager
def _deletable(connection: Connection) -> Iterator[Connection]:
    """Lift the trigger against deleting, within a transaction that holds the writers' lock."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("ALTER TABLE audit DISABLE TRIGGER audit_append_only")
        yield connection
        connection.exec_driver_sql("ALTER TABLE audit ENABLE TRIGGER audit_append_only")
        return
    kept = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 'audit_no_delete'").scalar()
    connection.exec_driver_sql("DROP TRIGGER IF EXISTS audit_no_delete")
    yield connection
    if kept is not None:
        connection.exec_driver_sql(kept)


def _stored(row: AuditRow) -> _AuditRow:
    return _AuditRow.model_validate({**_columns(row), "line": line_of(row).decode()})


def _columns(row: AuditRow) -> dict[str, int | str | None]:
    return {
        "seq": row.seq,
        "incident": row.entry.incident,
        "key": row.entry.key,
        "previous": row.previous,
        "hash": row.hash,
    }


def _read(stored: _AuditRow) -> AuditRow:
    row = row_of(stored.line, stored.seq)
    if _columns(row) != stored.model_dump(exclude={"line"}):
        raise Tampered("its columns and its text disagree", row=stored.seq)
    return row
