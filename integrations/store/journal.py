"""Write-ahead intents: what is about to be done, before it is done."""

from dataclasses import dataclass

from sqlalchemy import Engine, Text
from sqlmodel import Field, Session, col, select

from causal.errors import Conflict, NotFound
from integrations.audit import canonical_value
from integrations.ports import Intent
from integrations.store.base import Lock, Stored, reading, writing
from playbooks.remedy import StepResult


class _IntentRow(Stored, table=True):
    __tablename__ = "intent"

    ordinal: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True)
    incident: str = Field(index=True)
    intent: str = Field(sa_type=Text)


@dataclass(frozen=True)
class SqlJournal:
    """An `integrations.ports.Journal`."""

    engine: Engine

    def begin(self, intent: Intent) -> Intent:
        with writing(self.engine, Lock.JOURNAL) as session:
            row = _found(session, intent.key)
            if row is not None:
                return Intent.model_validate_json(row.intent)
            session.add(_IntentRow(key=intent.key, incident=intent.incident, intent=_text(intent)))
            return intent

    def finish(self, key: str, result: StepResult) -> None:
        with writing(self.engine, Lock.JOURNAL) as session:
            row = _found(session, key)
            if row is None:
                raise NotFound(f"no intent was written for {key}")
            row.intent = _text(finished(Intent.model_validate_json(row.intent), result))
            session.add(row)

    def of_incident(self, incident: str) -> tuple[Intent, ...]:
        with reading(self.engine) as session:
            rows = select(_IntentRow).where(_IntentRow.incident == incident).order_by(col(_IntentRow.ordinal))
            return tuple(Intent.model_validate_json(row.intent) for row in session.exec(rows))


def finished(intent: Intent, result: StepResult) -> Intent:
    """Return the intent with its result; raises Conflict where it has another one."""
    if intent.result not in (None, result):
        raise Conflict(f"{intent.key} ended already, with another result: {intent.result.status}")
    return intent.model_copy(update={"result": result})


def _found(session: Session, key: str) -> _IntentRow | None:
    return session.exec(select(_IntentRow).where(_IntentRow.key == key)).one_or_none()


def _text(intent: Intent) -> str:
    return canonical_value(intent).decode()
