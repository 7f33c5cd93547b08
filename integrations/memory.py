"""A twin in memory of every port that remembers something: for tests, dry runs and the demo.

The twins pass the same contract tests as the databases do, keep values in the same canonical form, and may be
used from any thread. They are not shared among processes, and what they hold ends with theirs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Lock
from typing import TypeVar

from causal.errors import Conflict, NotFound
from causal.evidence import Alert, Fact, Lesson, Priors
from causal.learn import learn
from integrations import locks
from integrations.audit import GENESIS, canonical_value, seal
from integrations.incidents import Sighting, first_ticket, incident_of, one, stem_of
from integrations.ports import AuditEntry, AuditRow, Claim, Intent, Opened, Stop
from integrations.ports import Lock as TargetLock
from playbooks.remedy import ApprovalRequest, StepResult
from playbooks.ticket import Ticket

F = TypeVar("F", bound=Fact)


def _kept(value: F) -> F:
    """Return a value as a database would give it back; raises Malformed for what none could hold."""
    return type(value).model_validate_json(canonical_value(value))


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class _Told:
    """An alert as it was first told, and when it was last raised."""

    alert: Alert
    raised_at: float


@dataclass
class _Incident:
    ticket: Ticket
    is_open: bool = True
    told: dict[str, _Told] = field(default_factory=dict)

    @property
    def alerts(self) -> tuple[Alert, ...]:
        return tuple(told.alert for told in self.told.values())

    def sightings(self) -> Iterator[Sighting]:
        for told in self.told.values():
            alert = told.alert
            yield Sighting(self.ticket.id, alert.fingerprint, alert.symptom.service, told.raised_at)


@dataclass(frozen=True)
class MemoryIncidents:
    """An `integrations.ports.Incidents`; an alert that is told again is kept once, as it was first told."""

    _incidents: dict[str, _Incident] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def open_or_join(self, alert: Alert, related: frozenset[str], within: float) -> Opened:
        return one(self.take((Claim(alert=alert, related=related),), within))

    def take(self, claims: Sequence[Claim], within: float) -> tuple[Opened | None, ...]:
        kept = [claim.model_copy(update={"alert": _kept(claim.alert)}) for claim in claims]
        with self._lock:
            return tuple(self._take(claim, within) for claim in kept)

    def _take(self, claim: Claim, within: float) -> Opened | None:
        alert = claim.alert
        newest = [seen for known in self._newest() if known.is_open for seen in known.sightings()]
        known = incident_of(alert, claim.related if claim.opens else frozenset(), within, newest)
        if known is None and not claim.opens:
            return None
        incident = known or self._open(alert)
        told = self._incidents[incident].told
        is_known = alert.fingerprint in told
        first = told.get(alert.fingerprint, _Told(alert, alert.raised_at))
        told[alert.fingerprint] = replace(first, raised_at=max(first.raised_at, alert.raised_at))
        opener = next(iter(told.values())).alert
        return Opened(incident=incident, is_new=known is None, is_known=is_known, first=opener)

    def alerts(self, incident: str) -> tuple[Alert, ...]:
        return self._found(incident).alerts

    def put(self, ticket: Ticket) -> None:
        with self._lock:
            known = self._found(ticket.id)
            known.ticket = _kept(ticket)
            known.is_open = known.is_open and ticket.ended_at is None

    def get(self, incident: str) -> Ticket:
        return self._found(incident).ticket

    def all(self, limit: int = 100) -> tuple[Ticket, ...]:
        with self._lock:
            return tuple(known.ticket for known in self._newest())[:limit]

    def open(self) -> Mapping[str, tuple[Alert, ...]]:
        with self._lock:
            return {name: known.alerts for name, known in self._incidents.items() if known.is_open}

    def _newest(self) -> list[_Incident]:
        return list(reversed(self._incidents.values()))

    def _open(self, alert: Alert) -> str:
        stem = stem_of(alert)
        number = 1 + sum(name.rpartition("-")[0] == stem for name in self._incidents)
        incident = f"{stem}-{number}"
        self._incidents[incident] = _Incident(first_ticket(incident, alert))
        return incident

    def _found(self, incident: str) -> _Incident:
        try:
            return self._incidents[incident]
        except KeyError:
            raise NotFound(f"there is no incident {incident}") from None


@dataclass(frozen=True)
class MemoryAuditLog:
    """An `integrations.ports.AuditLog`: the same chain, sealed in the same way."""

    clock: Callable[[], datetime] = _utc_now
    _rows: list[AuditRow] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def append(self, entry: AuditEntry) -> AuditRow:
        with self._lock:
            for row in self._rows if entry.key is not None else ():
                if row.entry.key == entry.key:
                    return row
            self._rows.append(self._sealed(entry))
            return self._rows[-1]

    def _sealed(self, entry: AuditEntry) -> AuditRow:
        seq, previous = (self._rows[-1].seq, self._rows[-1].hash) if self._rows else (0, GENESIS)
        return seal(entry, seq + 1, self.clock().isoformat(timespec="microseconds"), previous)

    def rows(self, incident: str | None = None, after: int = 0) -> Iterator[AuditRow]:
        return (
            row for row in tuple(self._rows) if incident in (None, row.entry.incident) and row.seq > after
        )

    def last(self) -> AuditRow | None:
        return self._rows[-1] if self._rows else None

    def cut(self, last: int, head: str, entry: AuditEntry) -> AuditRow:
        with self._lock:
            if (last, head) not in {(row.seq, row.hash) for row in self._rows}:
                raise Conflict(f"the audit log has no row {last} with the hash {head} (any more)")
            row = self._sealed(entry)
            self._rows[:] = [*(kept for kept in self._rows if kept.seq > last), row]
            return row


@dataclass(frozen=True)
class MemoryJournal:
    """An `integrations.ports.Journal`."""

    _intents: dict[str, Intent] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def begin(self, intent: Intent) -> Intent:
        with self._lock:
            return self._intents.setdefault(intent.key, _kept(intent))

    def finish(self, key: str, result: StepResult) -> None:
        with self._lock:
            intent = self._intents.get(key)
            if intent is None:
                raise NotFound(f"no intent was written for {key}")
            if intent.result not in (None, result):
                raise Conflict(f"{key} ended already, with another result: {intent.result.status}")
            self._intents[key] = _kept(intent.model_copy(update={"result": result}))

    def of_incident(self, incident: str) -> tuple[Intent, ...]:
        return tuple(intent for intent in tuple(self._intents.values()) if intent.incident == incident)


@dataclass(frozen=True)
class MemoryApprovals:
    """An `integrations.ports.Approvals`."""

    _requests: dict[str, ApprovalRequest] = field(default_factory=dict)

    def put(self, request: ApprovalRequest) -> None:
        self._requests[request.id] = _kept(request)

    def get(self, approval: str) -> ApprovalRequest:
        try:
            return self._requests[approval]
        except KeyError:
            raise NotFound(f"there is no approval {approval}") from None

    def open(self) -> tuple[ApprovalRequest, ...]:
        asked = [request for request in tuple(self._requests.values()) if request.status == "open"]
        return tuple(sorted(asked, key=lambda request: request.asked_at))


@dataclass(frozen=True)
class MemoryLocks:
    """An `integrations.ports.Locks`."""

    _known: dict[str, TargetLock] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def acquire(self, targets: frozenset[str], owner: str, *, now: float, lease: float) -> int:
        with self._lock:
            changed = locks.granted(self._known, targets, owner, now=now, lease=lease)
            self._known.update(changed)
            return locks.fence_of(changed)

    def check(self, owner: str, fence: int, *, now: float) -> None:
        locks.still_held(tuple(self._known.values()), owner, fence, now=now)

    def release(self, owner: str) -> None:
        with self._lock:
            self._known.update(locks.freed(tuple(self._known.values()), owner))

    def held(self, *, now: float) -> tuple[TargetLock, ...]:
        return locks.in_force(tuple(self._known.values()), now=now)


@dataclass(frozen=True)
class MemoryKillSwitch:
    """An `integrations.ports.KillSwitch`."""

    _said: list[Stop] = field(default_factory=lambda: [Stop(stopped=False)])

    def state(self) -> Stop:
        return self._said[-1]

    def throw(self, *, by: str, because: str, at: float) -> Stop:
        return self._put(Stop(stopped=True, by=by, because=because, at=at))

    def release(self, *, by: str, because: str, at: float) -> Stop:
        return self._put(Stop(stopped=False, by=by, because=because, at=at))

    def _put(self, state: Stop) -> Stop:
        self._said[:] = [state]
        return state


@dataclass(frozen=True)
class MemorySeenEvents:
    """An `integrations.ports.SeenEvents`."""

    _until: dict[str, float] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def first(self, key: str, *, now: float, keep: float) -> bool:
        with self._lock:
            if self.seen(key, now=now):
                return False
            self._until[key] = now + keep
            return True

    def seen(self, key: str, *, now: float) -> bool:
        return self._until.get(key, now) > now


@dataclass(frozen=True)
class MemoryPriorStore:
    """An `integrations.ports.PriorStore`."""

    _lessons: dict[tuple[str, str], Lesson] = field(default_factory=dict)
    _versions: list[Priors] = field(default_factory=lambda: [Priors()])
    _lock: Lock = field(default_factory=Lock)

    def current(self) -> Priors:
        return self._versions[-1]

    def lessons(self) -> tuple[Lesson, ...]:
        return tuple(self._lessons.values())

    def learn(self, lesson: Lesson) -> Priors:
        with self._lock:
            told = (lesson.incident, lesson.key)
            if told not in self._lessons:
                self._lessons[told] = lesson
                self._versions.append(_kept(learn(self._versions[-1], lesson)))
            return self._versions[-1]


@dataclass(frozen=True)
class MemoryNotifier:
    """An `integrations.ports.Notifier`; ``messages`` holds what people saw of each incident in turn."""

    messages: dict[str, list[Ticket]] = field(default_factory=dict)

    def publish(self, ticket: Ticket) -> None:
        seen = self.messages.setdefault(ticket.id, [])
        if seen[-1:] != [ticket]:
            seen.append(ticket)
