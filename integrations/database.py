"""Opening the database: the settings under which the store's promises hold.

SQLite: write-ahead log, so that readers and the one writer do not wait for each other; synchronous FULL,
so that what was committed outlives a power cut; BEGIN IMMEDIATE for whoever will write. PostgreSQL: READ
COMMITTED, and whoever asks waits a bounded time for an answer (`integrations.patience`); a connection is
looked at before it is used again, so the first question after the server came back is answered.
`integrations.store.base` says why.
"""

from collections.abc import Callable
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from causal.errors import AitiaError, MalformedSettings, NotFound
from integrations.patience import PatientConnection
from integrations.store.base import READS_ONLY
from integrations.store.schema import ready, upgrade

_LOCK_PATIENCE = 30
"""Seconds to wait for somebody else's lock."""

PATIENCE = _LOCK_PATIENCE + 15.0
"""Seconds to wait for PostgreSQL's answer: longer than the server itself waits for a lock."""

_POSTGRESQL_DEFAULTS: dict[str, Any] = {
    "options": f"-c lock_timeout={_LOCK_PATIENCE}s",
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


def open_database(url: str, *, create: bool = True, patience: float = PATIENCE) -> Engine:
    """Open a database by its URL; ``create`` makes what is not there yet, the file and the tables.

    ``sqlite:////absolute/file.db`` or ``postgresql://user@host/name``, whose own connection parameters stand.
    ``patience`` is how long (s) PostgreSQL's answer is awaited. Dispose of the engine at the end.
    Raises MalformedSettings for other URLs, Unavailable where the database does not answer, NotFound
    where there is no file and none is to be made, and Refused where its tables are newer than this program,
    or older and nothing is to be made.
    """
    engine = connect(url, create=create, patience=patience)
    try:
        if create:
            upgrade(engine)
        else:
            ready(engine)
    except AitiaError:
        engine.dispose()
        raise
    return engine


def connect(url: str, *, create: bool = True, patience: float = PATIENCE) -> Engine:
    """Open a database as it is, whatever its tables are; for who looks after the tables themselves."""
    parsed = _parsed(url)
    if not create and parsed.get_backend_name() == "sqlite" and not Path(str(parsed.database)).exists():
        raise NotFound(f"there is no database {parsed.database} yet; Aitia makes it when it first runs")
    return _OPENERS[parsed.get_backend_name()](parsed, patience)


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url.replace("postgres://", "postgresql://", 1))
    except ArgumentError as error:
        raise MalformedSettings(
            "write sqlite:////file or postgresql://user@host/name", where="database URL"
        ) from error
    if parsed.get_backend_name() not in _OPENERS:
        raise MalformedSettings(f"{parsed.drivername} is neither sqlite nor postgresql", where="database URL")
    return parsed


def _sqlite(url: URL, _patience: float) -> Engine:
    if url.database in (None, "", ":memory:"):
        raise MalformedSettings("SQLite needs a file: sqlite:////absolute/file.db", where="database URL")
    Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = create_engine(url, connect_args={"timeout": _LOCK_PATIENCE}, hide_parameters=True)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: SqliteConnection, _record: object) -> None:
    connection.isolation_level = None  # the driver would begin on its own, deferred; `_begin_sqlite` does it
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    only_reads = connection.get_execution_options().get(READS_ONLY, False)
    connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")


def _postgresql(url: URL, patience: float) -> Engine:
    arguments = {name: value for name, value in _POSTGRESQL_DEFAULTS.items() if name not in url.query}

    def connection(_dialect: object, _record: object, positional: list[Any], named: dict[str, Any]) -> object:
        made = PatientConnection.connect(*positional, **named)
        made.patience = patience
        return made

    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        connect_args=arguments,
        hide_parameters=True,
    )
    event.listen(engine, "do_connect", connection)
    return engine


_OPENERS: dict[str, Callable[[URL, float], Engine]] = {"sqlite": _sqlite, "postgresql": _postgresql}
