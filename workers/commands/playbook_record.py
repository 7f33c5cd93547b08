"""What is on record of a site, read where it lies: no server needs to run, and nothing is made or changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from causal.errors import NotFound
from integrations.ports import Incidents, KillSwitch, Locks, PriorStore
from playbooks.gate import Policy, read_policy
from playbooks.remedy import Decision, Plan
from workers.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine


@dataclass(frozen=True)
class Record:
    """What decisions rest on; all of it empty where nothing was ever recorded."""

    policy: Policy
    priors: PriorStore
    incidents: Incidents
    locks: Locks
    kill_switch: KillSwitch

    def decide(self, plan: Plan) -> Decision:
        """Ask the gate as an agent would, with a log that nobody keeps."""
        from integrations.memory import MemoryAuditLog
        from workers.deciding import Gatekeeper

        log = MemoryAuditLog()
        gate = Gatekeeper(lambda: self.policy, self.priors, self.incidents, self.locks, self.kill_switch, log)
        return gate.decide(plan, "shown", "")


@contextmanager
def record_of(settings: Settings) -> Iterator[Record]:
    """Open what is on record; a site without a database has none."""
    # Late, because a database is a second that most commands need not pay.
    from integrations.database import open_database

    policy = read_policy(_text(settings.policy_file), str(settings.policy_file))
    try:
        engine = open_database(settings.database_url, create=False)
    except NotFound:
        yield _nothing(policy)
        return
    try:
        yield _stored(policy, engine)
    finally:
        engine.dispose()


def _nothing(policy: Policy) -> Record:
    from integrations.memory import MemoryIncidents, MemoryKillSwitch, MemoryLocks, MemoryPriorStore

    return Record(policy, MemoryPriorStore(), MemoryIncidents(), MemoryLocks(), MemoryKillSwitch())


def _stored(policy: Policy, engine: Engine) -> Record:
    from integrations.store import SqlIncidents, SqlKillSwitch, SqlLocks, SqlPriorStore

    return Record(
        policy, SqlPriorStore(engine), SqlIncidents(engine), SqlLocks(engine), SqlKillSwitch(engine)
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
