"""Which Slack post shows which part of an incident: in the database, and a twin in memory.

One row is one post. A row without a timestamp is a claim: somebody is posting it just now. A claim that grows
old belonged to a process that died, and the next who asks may take it over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock as ThreadLock

from sqlalchemy import Engine
from sqlmodel import Field

from integrations.ports import MessageRef
from integrations.store.base import Lock, Stored, reading, writing


class _SlackMessageRow(Stored, table=True):
    __tablename__ = "slack_message"

    incident: str = Field(primary_key=True)
    part: str = Field(primary_key=True)
    channel: str = ""
    ts: str = ""
    content: str = ""
    shown_at: float = 0.0
    claimed_at: float = 0.0


@dataclass(frozen=True)
class SqlMessageRefs:
    """An `integrations.ports.MessageRefs`."""

    engine: Engine

    def claim(self, incident: str, part: str, *, now: float, lease: float) -> bool:
        with writing(self.engine, Lock.MESSAGES) as session:
            row = session.get(_SlackMessageRow, (incident, part))
            if row is not None and (row.ts or row.claimed_at > now - lease):
                return False
            session.merge(_SlackMessageRow(incident=incident, part=part, claimed_at=now))
            return True

    def get(self, incident: str, part: str) -> MessageRef | None:
        with reading(self.engine) as session:
            row = session.get(_SlackMessageRow, (incident, part))
            return MessageRef.model_validate(row.model_dump()) if row is not None and row.ts else None

    def put(self, incident: str, part: str, ref: MessageRef) -> None:
        with writing(self.engine, Lock.MESSAGES) as session:
            session.merge(_SlackMessageRow(incident=incident, part=part, **ref.model_dump()))

    def release(self, incident: str, part: str) -> None:
        with writing(self.engine, Lock.MESSAGES) as session:
            row = session.get(_SlackMessageRow, (incident, part))
            if row is not None:
                session.delete(row)


@dataclass(frozen=True)
class MemoryMessageRefs:
    """An `integrations.ports.MessageRefs` within one process."""

    _refs: dict[tuple[str, str], MessageRef] = field(default_factory=dict)
    _claims: dict[tuple[str, str], float] = field(default_factory=dict)
    _lock: ThreadLock = field(default_factory=ThreadLock)

    def claim(self, incident: str, part: str, *, now: float, lease: float) -> bool:
        key = (incident, part)
        with self._lock:
            if key in self._refs or self._claims.get(key, now - lease) > now - lease:
                return False
            self._claims[key] = now
            return True

    def get(self, incident: str, part: str) -> MessageRef | None:
        return self._refs.get((incident, part))

    def put(self, incident: str, part: str, ref: MessageRef) -> None:
        with self._lock:
            self._refs[incident, part] = ref

    def release(self, incident: str, part: str) -> None:
        with self._lock:
            self._refs.pop((incident, part), None)
            self._claims.pop((incident, part), None)
