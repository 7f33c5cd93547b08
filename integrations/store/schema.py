"""Which version of the tables a database has, and getting from one to another.

The revisions lie in `integrations.store.migrations`. Whoever changes the schema holds one lock from the first
look at the version to the commit, so of several processes that start at once one does the work and the others
find it done. A database from before there were versions has tables and no version: the first revision makes
only what is missing, and so takes it over.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, MetaData

from causal.errors import NotFound, Refused
from integrations import slack_messages, store
from integrations.store.base import READS_ONLY, Lock, Stored, hold, translated

if TYPE_CHECKING:
    from alembic.config import Config

METADATA: MetaData = Stored.metadata
_TABLES_OF = (store.__all__, slack_messages.__name__)
"""Tables are known once their modules are imported; this is what they are imported for."""

_MIGRATIONS = Path(__file__).parent / "migrations"
NOTHING = "base"
"""The version of a database without tables."""


@cache
def versions() -> tuple[str, ...]:
    """Return all versions that this program knows, the oldest first; before them is ``base``."""
    from alembic.script import ScriptDirectory

    newest_first = ScriptDirectory.from_config(_config()).walk_revisions()
    return (NOTHING, *reversed([script.revision for script in newest_first]))


def newest() -> str:
    """Return the version that this program works with."""
    return versions()[-1]


def version(engine: Engine) -> str:
    """Return the version of a database: ``base`` where it is empty, or from before there were versions."""
    with translated(engine), engine.execution_options(**{READS_ONLY: True}).connect() as connection:
        return _version(connection)


def upgrade(engine: Engine, to: str | None = None) -> tuple[str, ...]:
    """Go forward, to the newest version or another, and return those gone through.

    Several processes may do so at once. Raises Refused where the database is newer than this program,
    NotFound for an unknown version.
    """
    from alembic import command

    with _changing(engine) as connection:
        before, after = _place(_version(connection), engine), _named(to or newest())
        if after > before:
            command.upgrade(_config(connection), versions()[after])
        return versions()[before + 1 : after + 1]


def downgrade(engine: Engine, to: str) -> tuple[str, ...]:
    """Go back to a version, ``base`` being before the first, and return those undone, the newest first.

    What only they hold is lost. Raises Refused where the database is newer than this program, NotFound for
    an unknown version.
    """
    from alembic import command

    with _changing(engine) as connection:
        before, after = _place(_version(connection), engine), _named(to)
        if after < before:
            command.downgrade(_config(connection), versions()[after])
        return tuple(reversed(versions()[after + 1 : before + 1]))


def pending(engine: Engine) -> tuple[str, ...]:
    """Return the versions that an upgrade would go through; Refused where the database is a newer one."""
    return versions()[_place(version(engine), engine) + 1 :]


def ready(engine: Engine) -> None:
    """Raise Refused unless the database has the version that this program works with."""
    if pending(engine):
        raise Refused(
            f"{_name(engine)} is at version {version(engine)}, this program needs {newest()}: run "
            "`aitia database upgrade`"
        )


def differences(engine: Engine) -> tuple[str, ...]:
    """Return what would have to change for a database to be as this program describes it."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with translated(engine), engine.execution_options(**{READS_ONLY: True}).connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), METADATA)
    return tuple(_described(difference) for difference in found)


def revise(engine: Engine, message: str) -> Path:
    """Draft the next revision from what differs between a database and the rows' classes; return its file."""
    from alembic import command

    if not differences(engine):
        raise NotFound("nothing differs between the rows' classes and the revisions")
    number = f"{len(versions()):04}"
    with engine.begin() as connection:
        made = command.revision(_config(connection), message, autogenerate=True, rev_id=number)
    if made is None or isinstance(made, list):
        raise NotFound("Alembic made no revision, or more than one")
    return Path(made.path)


@contextmanager
def _changing(engine: Engine) -> Iterator[Connection]:
    with translated(engine), engine.connect() as connection:
        _foreign_keys(connection, on=False)  # SQLite knows this outside of transactions alone
        try:
            with connection.begin():
                hold(connection, Lock.SCHEMA)
                yield connection
                _whole(connection)
        finally:
            _foreign_keys(connection, on=True)


def _foreign_keys(connection: Connection, *, on: bool) -> None:
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        driver.execute(f"PRAGMA foreign_keys={'ON' if on else 'OFF'}")


def _whole(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if broken:
        raise Refused(f"the change would leave {len(broken)} rows without the row they belong to")


def _version(connection: Connection) -> str:
    from alembic.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision() or NOTHING


def _place(found: str, engine: Engine) -> int:
    if found not in versions():
        raise Refused(
            f"{_name(engine)} is at version {found}, this program knows them up to {newest()}: a newer Aitia "
            "made it; start that one, or take the database back with its `aitia database downgrade`"
        )
    return versions().index(found)


def _named(wanted: str) -> int:
    if wanted not in versions():
        raise NotFound(f"there is no version {wanted} of the database; there are {', '.join(versions())}")
    return versions().index(wanted)


def _config(connection: Connection | None = None) -> "Config":
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "r%%(rev)s_%%(slug)s")
    return config


def _described(difference: Any) -> str:
    parts: Sequence[Any] = difference if isinstance(difference, Sequence) else (difference,)
    return " ".join(_described(part) if isinstance(part, list | tuple) else str(part) for part in parts)


def _name(engine: Engine) -> str:
    return f"the database {engine.url.render_as_string(hide_password=True)}"
