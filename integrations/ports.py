"""What the house asks of the outside.

Each protocol's docstring is its specification: every implementation, the shipped in-memory twin among them,
passes the same contract tests. All calls are synchronous and may be made from any thread; all raise children
of `causal.errors.AitiaError` and nothing of a vendor's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel

from causal.evidence import Alert, Change, Fact, Lesson, Priors, Window
from causal.telemetry import Batch, Telemetry
from playbooks.remedy import ApprovalRequest, JsonValue, StepResult
from playbooks.ticket import Ticket

if TYPE_CHECKING:  # Arrow is heavy, and who only names a port does not need it
    from integrations.arrow import ArrowBatch


class TelemetryStore(Protocol):
    """Recent telemetry, bounded by age and by size; the oldest goes first.

    `append` returns only when another process would see the rows, also after this process is killed; it
    raises Unavailable where there is no room, and then has kept nothing that a reader would take for whole.
    `tables` gives every row whose time lies in the window (spans by their start), spans that repeat
    (trace, span) once, running totals as rates, in no particular order; `read` gives the same rows as the
    engine reads them. A damaged stretch is skipped, and named in `damage` once a reading came across it.
    """

    def append(self, rows: ArrowBatch) -> None: ...

    def tables(self, window: Window) -> ArrowBatch: ...

    def read(self, window: Window) -> Batch: ...

    def damage(self) -> Sequence[str]: ...


class Snapshots(Protocol):
    """Frozen telemetry of incidents, one folder each in the case format.

    `save` is content-addressed: the same content has the same reference, and saving it again changes nothing.
    `cut` saves what a store holds of both windows, with the real span ids, and adds the changes that the
    telemetry itself tells of. `load` raises NotFound for an unknown reference and MalformedCase for a damaged
    folder.
    """

    def save(self, alert: Alert, telemetry: Telemetry) -> str: ...

    def cut(
        self,
        store: TelemetryStore,
        alert: Alert,
        baseline: Window,
        incident: Window,
        changes: Sequence[Change] = (),
    ) -> str: ...

    def load(self, reference: str) -> tuple[Alert, Telemetry]: ...


class ChangeSource(Protocol):
    """Changes that somebody made, within a window, oldest first. An unreachable source raises Unavailable."""

    def changes(self, window: Window) -> tuple[Change, ...]: ...


class Claim(Fact):
    """An alert that looks for its incident; ``related`` are the services that its trouble may come from.

    One that does not ``open`` only joins the open incident that has its fingerprint.
    """

    alert: Alert
    related: frozenset[str] = frozenset()
    opens: bool = True


class Opened(Fact):
    """The incident that an alert belongs to; ``is_new`` is true for exactly one alert of an incident.

    ``first`` is the alert that opened it; ``is_known`` says that the incident had this fingerprint already.
    """

    incident: str
    is_new: bool
    is_known: bool = False
    first: Alert | None = None


class Incidents(Protocol):
    """The incidents and their tickets.

    `open_or_join` is atomic over all processes. An alert joins, in this order: the open incident that already
    has its fingerprint; the newest open incident that has an alert on one of the ``related`` services and was
    raised at most ``within`` seconds before it; else it opens a new incident whose id is made from its
    fingerprint (``inc-<first 8 characters>-<n>``). `take` does so for several alerts, one after the other,
    all or none of them; its answer to one that must not open an incident and has none is None. `put` replaces
    the ticket of an incident. An incident is open until a ticket with `ended_at` is put. `all` is newest
    first.
    """

    def open_or_join(self, alert: Alert, related: frozenset[str], within: float) -> Opened: ...

    def take(self, claims: Sequence[Claim], within: float) -> tuple[Opened | None, ...]: ...

    def alerts(self, incident: str) -> tuple[Alert, ...]: ...

    def put(self, ticket: Ticket) -> None: ...

    def get(self, incident: str) -> Ticket: ...

    def all(self, limit: int = 100) -> tuple[Ticket, ...]: ...

    def open(self) -> Mapping[str, tuple[Alert, ...]]: ...


class AuditEntry(Fact):
    """One fact for the audit log, before it has a place in the chain."""

    incident: str = ""
    trace_id: str = ""
    actor: str
    event: str
    summary: str
    facts: dict[str, Any] = {}
    key: str | None = None


class AuditRow(Fact):
    """One row of the chain.

    ``hash`` is the SHA-256 of the canonical JSON of all other fields, ``previous`` the hash of the row before
    (64 zeros for the first). ``seq`` counts from 1 without gaps.
    """

    seq: int
    at: str
    entry: AuditEntry
    previous: str
    hash: str


class AuditLog(Protocol):
    """Append-only and hash-chained, correct under concurrent writers of several processes.

    An entry with a ``key`` that is there already is not written again: `append` returns the row that has it.
    `rows` goes in order of seq, from the first one with a seq above ``after``; `last` is the newest row.
    `cut` takes away the rows up to ``last`` and appends ``entry``, which says so: both or neither. It raises
    Conflict unless row ``last`` is there and has the hash ``head``.
    """

    def append(self, entry: AuditEntry) -> AuditRow: ...

    def rows(self, incident: str | None = None, after: int = 0) -> Iterator[AuditRow]: ...

    def last(self) -> AuditRow | None: ...

    def cut(self, last: int, head: str, entry: AuditEntry) -> AuditRow: ...


class Intent(Fact):
    """What is about to be done, written before it is done."""

    key: str
    incident: str
    plan: str
    step: str
    action: str
    params: dict[str, Any] = {}
    started_at: float
    result: StepResult | None = None


class Journal(Protocol):
    """Write-ahead intents, one a step and direction, by idempotency key.

    `begin` writes the intent, or returns the one that is there already (with its result, if it ended).
    `finish` records the result; finishing again with another result raises Conflict.
    """

    def begin(self, intent: Intent) -> Intent: ...

    def finish(self, key: str, result: StepResult) -> None: ...

    def of_incident(self, incident: str) -> tuple[Intent, ...]: ...


class Approvals(Protocol):
    """Questions to humans. `put` inserts or replaces by id; `get` raises NotFound; `open` is oldest first."""

    def put(self, request: ApprovalRequest) -> None: ...

    def get(self, approval: str) -> ApprovalRequest: ...

    def open(self) -> tuple[ApprovalRequest, ...]: ...


class Lock(Fact):
    """Who may act on a target and until when (Unix seconds); ``fence`` shuts out whoever held it before."""

    target: str
    owner: str
    fence: int
    until: float


class Locks(Protocol):
    """Who may act on a target: one owner (an incident's plan) at a time, over all processes.

    `acquire` gives all targets or none, in one transaction: it returns a fence that is higher than any given
    for these targets before, or raises Conflict naming who holds which target until when. The owner who holds
    them already gets its old fence and a longer lease, also where its lease is over and nobody came in
    between. A lock whose lease is over may be taken by another; the whole grant it belonged to is over then.
    `check` raises Conflict for a fence whose grant was taken or released, or whose lease is over: acquire
    again, and the same fence says that nobody was there meanwhile. `acquire` of no targets returns 0, which
    no `check` lets pass. `release` of what is not held changes nothing. `held` is in order of target, leases
    that are over left out.
    """

    def acquire(self, targets: frozenset[str], owner: str, *, now: float, lease: float) -> int: ...

    def check(self, owner: str, fence: int, *, now: float) -> None: ...

    def release(self, owner: str) -> None: ...

    def held(self, *, now: float) -> tuple[Lock, ...]: ...


class Stop(Fact):
    """The kill switch as it stands: who threw it, when and why."""

    stopped: bool
    by: str = ""
    because: str = ""
    at: float = 0.0


class KillSwitch(Protocol):
    """Whether anything may be carried out at all; it outlives every process.

    `state` is never stopped before the first `throw`. `throw` and `release` return the new state; doing
    either twice changes nothing but who said it last.
    """

    def state(self) -> Stop: ...

    def throw(self, *, by: str, because: str, at: float) -> Stop: ...

    def release(self, *, by: str, because: str, at: float) -> Stop: ...


class SeenEvents(Protocol):
    """Events that others deliver at least once, by ids of theirs; remembered over all processes.

    `first` is true for one of all who ask about a key, and again only after ``keep`` seconds. `seen` looks
    whether it was asked before, and leaves it at that.
    """

    def first(self, key: str, *, now: float, keep: float) -> bool: ...

    def seen(self, key: str, *, now: float) -> bool: ...


class PriorStore(Protocol):
    """What was learned. `learn` takes the lesson of each plan of an incident once, however often it is told.

    `lessons` are all that were taken, in the order in which they were.
    """

    def current(self) -> Priors: ...

    def lessons(self) -> tuple[Lesson, ...]: ...

    def learn(self, lesson: Lesson) -> Priors: ...


class Notifier(Protocol):
    """Shows a ticket to people: the first `publish` of an incident makes a message, later ones update it.

    Publishing the same ticket twice changes nothing that a person would see.
    """

    def publish(self, ticket: Ticket) -> None: ...


class MessageRef(Fact):
    """Where something was posted; ``content`` is the digest of what it shows, ``shown_at`` when."""

    channel: str
    ts: str
    content: str = ""
    shown_at: float = 0.0


class MessageRefs(Protocol):
    """Which post shows which part of an incident, so that it is posted once and updated from then on.

    `claim` is atomic over all processes: of all who want to post a part, it is true for one; it is true
    again only after ``lease`` seconds without a `put`, or after `release`, and never while the part has a
    reference.
    `get` is None until the part was put. `put` inserts or replaces. `release` forgets claim and reference.
    """

    def claim(self, incident: str, part: str, *, now: float, lease: float) -> bool: ...

    def get(self, incident: str, part: str) -> MessageRef | None: ...

    def put(self, incident: str, part: str, ref: MessageRef) -> None: ...

    def release(self, incident: str, part: str) -> None: ...


class Effect(Fact):
    """What an action found or did; ``facts`` is kept for people and given to its undo."""

    says: str
    facts: dict[str, JsonValue] = {}


@runtime_checkable
class Action(Protocol):
    """Something that a playbook step can do.

    ``Params`` is the schema of its parameters. `preview` changes nothing and says exactly what would be done
    (a diff where it can give one). `observe` looks whether the effect of this key is there already: an Effect
    if so, None if certainly not, UnknownEffect if that cannot be told. `execute` acts and returns the effect;
    it raises Refused where its rules forbid it, Unavailable where nothing was done and trying again may help,
    UnknownEffect where it may have acted. `mutates` is false for what only looks.
    """

    name: ClassVar[str]
    Params: ClassVar[type[BaseModel]]
    mutates: ClassVar[bool]

    def target(self, params: Any) -> str: ...

    def preview(self, params: Any) -> str: ...

    def observe(self, params: Any, *, key: str) -> Effect | None: ...

    def execute(self, params: Any, *, key: str, timeout: float) -> Effect: ...


class Check(Protocol):
    """A precondition: `holds` returns None if it does, else the reason why not."""

    name: ClassVar[str]
    Params: ClassVar[type[BaseModel]]

    def holds(self, params: Any) -> str | None: ...


Actions = Mapping[str, Action]
Checks = Mapping[str, Check]


def by_name(actions: Iterable[Action]) -> dict[str, Action]:
    """Actions by their names; two of the same name are a mistake of ours."""
    known: dict[str, Action] = {}
    for action in actions:
        if action.name in known:
            raise ValueError(f"two actions are called {action.name}")
        known[action.name] = action
    return known
