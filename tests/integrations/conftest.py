"""What the tests of the integrations share: the databases."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import psycopg
import pytest

from benchmarks.postgres import local_postgres
from integrations.database import open_database
from integrations.memory import (
    MemoryApprovals,
    MemoryAuditLog,
    MemoryIncidents,
    MemoryJournal,
    MemoryKillSwitch,
    MemoryLocks,
    MemoryPriorStore,
    MemorySeenEvents,
)
from integrations.ports import (
    Approvals,
    AuditLog,
    Incidents,
    Journal,
    KillSwitch,
    Locks,
    PriorStore,
    SeenEvents,
)
from integrations.store import (
    SqlApprovals,
    SqlAuditLog,
    SqlIncidents,
    SqlJournal,
    SqlKillSwitch,
    SqlLocks,
    SqlPriorStore,
    SqlSeenEvents,
)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Yield the URL of a real server; started once a run, and only where a test asks for it."""
    with local_postgres() as server:
        yield server.url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'aitia.db'}"
    server: str = request.getfixturevalue("postgres")
    return new_database(server)


def new_database(server: str) -> str:
    """Return the URL of an empty schema on a server, which is to our tables what a database would be."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
    return f"{server}&options=-csearch_path%3D{name}"


class Store(NamedTuple):
    """All that remembers."""

    incidents: Incidents
    audit: AuditLog
    journal: Journal
    approvals: Approvals
    priors: PriorStore
    locks: Locks
    switch: KillSwitch
    seen: SeenEvents


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield Store(
            MemoryIncidents(),
            MemoryAuditLog(),
            MemoryJournal(),
            MemoryApprovals(),
            MemoryPriorStore(),
            MemoryLocks(),
            MemoryKillSwitch(),
            MemorySeenEvents(),
        )
        return
    url = f"sqlite:///{tmp_path / 'aitia.db'}"
    if request.param == "postgresql":
        url = new_database(request.getfixturevalue("postgres"))
    engine = open_database(url)
    yield Store(
        SqlIncidents(engine),
        SqlAuditLog(engine),
        SqlJournal(engine),
        SqlApprovals(engine),
        SqlPriorStore(engine),
        SqlLocks(engine),
        SqlKillSwitch(engine),
        SqlSeenEvents(engine),
    )
    engine.dispose()
