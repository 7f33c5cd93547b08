"""Incidents, their alerts and their tickets."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, Text, UniqueConstraint
from sqlmodel import Field, Session, col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from causal.errors import NotFound
from causal.evidence import Alert
from integrations.audit import canonical_value
from integrations.incidents import Sighting, first_ticket, incident_of, one, stem_of
from integrations.ports import Claim, Opened
from integrations.store.base import Lock, Stored, reading, writing
from playbooks.ticket import Ticket

_AT_ONCE = 500  # values in one question: databases have a limit


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
        return one(self.take((Claim(alert=alert, related=related),), within))

    def take(self, claims: Sequence[Claim], within: float) -> tuple[Opened | None, ...]:
        with writing(self.engine, Lock.INCIDENTS) as session:
            desk = _Desk(session, [claim.alert.fingerprint for claim in claims], within)
            return tuple(desk.take(claim) for claim in claims)

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


class _Desk:
    """Takes the alerts of one transaction, one after the other; what it needs to know is read once.

    Of alerts on one service of an incident the last one decides (whatever is near an older one is near it
    too), so that thousands of alerts are a few rows. Incidents go from the newest to the oldest.
    """

    def __init__(self, session: Session, fingerprints: Sequence[str], within: float) -> None:
        self._session, self._within = session, within
        self._rows = {(row.incident, row.fingerprint): row for row in _rows_of(session, fingerprints)}
        self._last = _last_of_services(session)
        self._first: dict[str, Alert] = {}

    def take(self, claim: Claim) -> Opened | None:
        alert, related = claim.alert, claim.related if claim.opens else frozenset()
        known = incident_of(alert, related, self._within, self._seen())
        if known is None and not claim.opens:
            return None
        incident = known or _open(self._session, alert)
        if known is None:
            self._last = {incident: {}, **self._last}
        is_known = self._keep(incident, alert)
        first = self._first_of(incident, alert if known is None else None)
        return Opened(incident=incident, is_new=known is None, is_known=is_known, first=first)

    def _keep(self, incident: str, alert: Alert) -> bool:
        """Keep an alert as it was first told, and when it was last raised; whether it was there."""
        key = (incident, alert.fingerprint)
        row = self._rows.get(key)
        is_known = row is not None
        row = row or _AlertRow(
            incident=incident,
            fingerprint=alert.fingerprint,
            service=alert.symptom.service,
            raised_at=alert.raised_at,
            alert=canonical_value(alert).decode(),
        )
        row.raised_at = max(row.raised_at, alert.raised_at)
        self._session.add(row)
        self._rows[key] = row
        last = self._last[incident]
        last[row.service] = max(row.raised_at, last.get(row.service, row.raised_at))
        return is_known

    def _seen(self) -> Iterator[Sighting]:
        for incident, fingerprint in self._rows:
            yield Sighting(incident, fingerprint, None, 0.0)
        for incident, last in self._last.items():
            yield from (Sighting(incident, None, service, at) for service, at in last.items())

    def _first_of(self, incident: str, alert: Alert | None) -> Alert:
        """The alert that opened an incident, read once."""
        if alert is not None:
            self._first[incident] = alert
        if incident not in self._first:
            told = select(_AlertRow.alert).where(_AlertRow.incident == incident)
            oldest = told.order_by(col(_AlertRow.ordinal)).limit(1)
            self._first[incident] = Alert.model_validate_json(self._session.exec(oldest).one())
        return self._first[incident]


def _last_of_services(session: Session) -> dict[str, dict[str | None, float]]:
    """When an alert on each service of each open incident was last raised."""
    service, incident, newest = col(_AlertRow.service), col(_AlertRow.incident), col(_IncidentRow.ordinal)
    asked = (
        select(incident, service, func.max(_AlertRow.raised_at))
        .join(_IncidentRow)
        .where(col(_IncidentRow.is_open))
        .group_by(newest, incident, service)
        .order_by(newest.desc())
    )
    last: dict[str, dict[str | None, float]] = {}
    for of, on, at in session.exec(asked):
        last.setdefault(of, {})[on] = at
    return last


def _rows_of(session: Session, fingerprints: Sequence[str]) -> list[_AlertRow]:
    """The alerts of open incidents that have these fingerprints; newest incidents first."""
    newest = _alerts_of_open().order_by(col(_IncidentRow.ordinal).desc())
    asked = sorted(set(fingerprints))
    parts = [asked[at : at + _AT_ONCE] for at in range(0, len(asked), _AT_ONCE)]
    return [row for part in parts for row in session.exec(newest.where(col(_AlertRow.fingerprint).in_(part)))]


def _open(session: Session, alert: Alert) -> str:
    stem = stem_of(alert)
    last = session.exec(select(func.max(_IncidentRow.number)).where(_IncidentRow.stem == stem)).one()
    number = (last or 0) + 1
    incident = f"{stem}-{number}"
    ticket = canonical_value(first_ticket(incident, alert)).decode()
    session.add(_IncidentRow(id=incident, stem=stem, number=number, ticket=ticket))
    session.flush()
    return incident


def _row(session: Session, incident: str) -> _IncidentRow:
    row = session.exec(select(_IncidentRow).where(_IncidentRow.id == incident)).one_or_none()
    if row is None:
        raise NotFound(f"there is no incident {incident}")
    return row
