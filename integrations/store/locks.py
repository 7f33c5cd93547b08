"""Who may act on a target; the rules are `integrations.locks`, the rows never go."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import BigInteger, Engine
from sqlmodel import Field, Session, select

from integrations import locks
from integrations.ports import Lock as TargetLock
from integrations.store.base import Lock, Stored, reading, writing


class _LockRow(Stored, table=True):
    __tablename__ = "target_lock"

    target: str = Field(primary_key=True)
    owner: str
    fence: int = Field(sa_type=BigInteger)
    until: float


@dataclass(frozen=True)
class SqlLocks:
    """An `integrations.ports.Locks`."""

    engine: Engine

    def acquire(self, targets: frozenset[str], owner: str, *, now: float, lease: float) -> int:
        with writing(self.engine, Lock.TARGETS) as session:
            changed = locks.granted(_known(session), targets, owner, now=now, lease=lease)
            _put(session, changed)
        return locks.fence_of(changed)

    def check(self, owner: str, fence: int, *, now: float) -> None:
        with reading(self.engine) as session:
            known = _known(session)
        locks.still_held(known.values(), owner, fence, now=now)

    def release(self, owner: str) -> None:
        with writing(self.engine, Lock.TARGETS) as session:
            _put(session, locks.freed(_known(session).values(), owner))

    def held(self, *, now: float) -> tuple[TargetLock, ...]:
        with reading(self.engine) as session:
            known = _known(session)
        return locks.in_force(known.values(), now=now)


def _known(session: Session) -> dict[str, TargetLock]:
    return {row.target: TargetLock.model_validate(row.model_dump()) for row in session.exec(select(_LockRow))}


def _put(session: Session, changed: Mapping[str, TargetLock]) -> None:
    for lock in changed.values():
        session.merge(_LockRow(**lock.model_dump()))
