"""What was learned: every lesson for good, and the priors that they add up to.

The priors at version *n* are the first *n* lessons learned in their order, so any version can be had again.
"""

from dataclasses import dataclass

from sqlalchemy import Engine, Text, UniqueConstraint
from sqlmodel import Field, Session, col, select

from causal.evidence import Lesson, Priors
from causal.learn import learn
from integrations.audit import canonical_value
from integrations.store.base import Lock, Stored, reading, writing


class _LessonRow(Stored, table=True):
    __tablename__ = "lesson"
    __table_args__ = (UniqueConstraint("incident", "playbook"),)

    ordinal: int | None = Field(default=None, primary_key=True)
    incident: str
    playbook: str
    lesson: str = Field(sa_type=Text)


class _PriorsRow(Stored, table=True):
    __tablename__ = "priors"

    id: int = Field(default=1, primary_key=True)
    version: int
    priors: str = Field(sa_type=Text)


@dataclass(frozen=True)
class SqlPriorStore:
    """An `integrations.ports.PriorStore`."""

    engine: Engine

    def current(self) -> Priors:
        with reading(self.engine) as session:
            return _priors(session)

    def lessons(self) -> tuple[Lesson, ...]:
        with reading(self.engine) as session:
            rows = session.exec(select(_LessonRow.lesson).order_by(col(_LessonRow.ordinal)))
            return tuple(map(Lesson.model_validate_json, rows))

    def learn(self, lesson: Lesson) -> Priors:
        with writing(self.engine, Lock.PRIORS) as session:
            if _is_known(session, lesson):
                return _priors(session)
            priors = learn(_priors(session), lesson)
            session.add(_LessonRow(incident=lesson.incident, playbook=lesson.key, lesson=_text(lesson)))
            session.merge(_PriorsRow(version=priors.version, priors=_text(priors)))
            return priors


def _priors(session: Session) -> Priors:
    row = session.get(_PriorsRow, 1)
    return Priors.model_validate_json(row.priors) if row else Priors()


def _is_known(session: Session, lesson: Lesson) -> bool:
    same = select(_LessonRow.ordinal).where(
        _LessonRow.incident == lesson.incident, _LessonRow.playbook == lesson.key
    )
    return session.exec(same).first() is not None


def _text(value: Lesson | Priors) -> str:
    return canonical_value(value).decode()
