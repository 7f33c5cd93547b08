"""Incidents, their alerts and their tickets."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Engine, Text, UniqueConstraint
from sqlmodel import Field, Session, col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from causal.errors import NotFound
from causal.evidence import Alert
from integrations.audit import canonical_value
from integrations.incidents import Sighting, first_ticket, incident_of, stem_of
from integrations.ports import Opened
from integrations.store.base import Lock, Stored, reading, writing
from playbooks.ticket import Ticket


class _IncidentRow(Stored, table=True):
    __tablename__ = "incident"
    __table_args__ = (UniqueConstraint("stem", "number"),)

    ordinal: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True)
    stem: str
    number: int
    is_open: bool = Field(default=True, index=True)
    ticket: str = Field(sa_type=Text)


class _AlertRow(Stored, table=True):
    __tablename__ = "incident_alert"
    __table_args__ = (UniqueConstraint("incident", "fingerprint"),)

    ordinal: int | None = Field(default=None, primary_key=True)
    incident: str = Field(foreign_key="incident.id", index=True)
    fingerprint: str
    service: str | None = None
    raised_at: float
    alert: str = Field(sa_type=Text)


@dataclass(frozen=True)
class SqlIncidents:
    """An `integrations.ports.Incidents`; an alert that is told again is kept once, as it was first told."""

    engine: Engine

    def open_or_join(self, alert: Alert, related: frozenset[str], within: float) -> Opened:
        with writing(self.engine, Lock.INCIDENTS) as session:
            known = incident_of(alert, related, within, _sightings(session))
            incident = known or _open(session, alert)
            _add(session, incident, alert)
            return Opened(incident=incident, is_new=known is None)

    def alerts(self, incident: str) -> tuple[Alert, ...]:
        with reading(self.engine) as session:
            _row(session, incident)
            told = select(_AlertRow).where(_AlertRow.incident == incident).order_by(col(_AlertRow.ordinal))
            return tuple(Alert.model_validate_json(row.alert) for row in session.exec(told))

    def put(self, ticket: Ticket) -> None:
        with writing(self.engine, Lock.INCIDENTS) as session:
            row = _row(session, ticket.id)
            row.ticket = canonical_value(ticket).decode()
            row.is_open = row.is_open and ticket.ended_at is None
            session.add(row)

    def get(self, incident: str) -> Ticket:
        with reading(self.engine) as session:
            return Ticket.model_validate_json(_row(session, incident).ticket)

    def all(self, limit: int = 100) -> tuple[Ticket, ...]:
        with reading(self.engine) as session:
            newest = select(_IncidentRow.ticket).order_by(col(_IncidentRow.ordinal).desc()).limit(limit)
            return tuple(Ticket.model_validate_json(ticket) for ticket in session.exec(newest))

    def open(self) -> Mapping[str, tuple[Alert, ...]]:
        told: dict[str, tuple[Alert, ...]] = {}
        with reading(self.engine) as session:
            for row in session.exec(_alerts_of_open().order_by(col(_AlertRow.ordinal))):
                told[row.incident] = (*told.get(row.incident, ()), Alert.model_validate_json(row.alert))
        return told


def _alerts_of_open() -> SelectOfScalar[_AlertRow]:
    return select(_AlertRow).join(_IncidentRow).where(col(_IncidentRow.is_open))


def _sightings(session: Session) -> list[Sighting]:
    newest = _alerts_of_open().order_by(col(_IncidentRow.ordinal).desc(), col(_AlertRow.ordinal))
    return [
        Sighting(row.incident, row.fingerprint, row.service, row.raised_at) for row in session.exec(newest)
    ]


def _open(session: Session, alert: Alert) -> str:
    stem = stem_of(alert)
    last = session.exec(select(func.max(_IncidentRow.number)).where(_IncidentRow.stem == stem)).one()
    number = (last or 0) + 1
    incident = f"{stem}-{number}"
    ticket = canonical_value(first_ticket(incident, alert)).decode()
    session.add(_IncidentRow(id=incident, stem=stem, number=number, ticket=ticket))
    session.flush()
    return incident


def _add(session: Session, incident: str, alert: Alert) -> None:
    same = select(_AlertRow).where(_AlertRow.incident == incident, _AlertRow.fingerprint == alert.fingerprint)
    row = session.exec(same).one_or_none() or _AlertRow(
        incident=incident,
        fingerprint=alert.fingerprint,
        service=alert.symptom.service,
        raised_at=alert.raised_at,
        alert=canonical_value(alert).decode(),
    )
    row.raised_at = max(row.raised_at, alert.raised_at)
    session.add(row)


def _row(session: Session, incident: str) -> _IncidentRow:
    row = session.exec(select(_IncidentRow).where(_IncidentRow.id == incident)).one_or_none()
    if row is None:
        raise NotFound(f"there is no incident {incident}")
    return row
