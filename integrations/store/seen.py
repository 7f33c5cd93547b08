"""Events from outside that were taken already: one row each, until it may be forgotten."""

from dataclasses import dataclass

from sqlalchemy import Engine, delete
from sqlmodel import Field, col

from integrations.store.base import Lock, Stored, reading, writing


class _SeenRow(Stored, table=True):
    __tablename__ = "seen_event"

    key: str = Field(primary_key=True)
    until: float = Field(index=True)


@dataclass(frozen=True)
class SqlSeenEvents:
    """An `integrations.ports.SeenEvents`."""

    engine: Engine

    def first(self, key: str, *, now: float, keep: float) -> bool:
        with writing(self.engine, Lock.SEEN) as session:
            session.execute(delete(_SeenRow).where(col(_SeenRow.until) <= now))
            if session.get(_SeenRow, key) is not None:
                return False
            session.add(_SeenRow(key=key, until=now + keep))
            return True

    def seen(self, key: str, *, now: float) -> bool:
        with reading(self.engine) as session:
            row = session.get(_SeenRow, key)
        return row is not None and row.until > now
