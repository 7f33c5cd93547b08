"""What every table of the store stands on: one metadata, two kinds of transaction, one translation of errors.

Writers that first read and then write what depends on it (a chain's head, an open incident) come one
after the other. SQLite gives that with BEGIN IMMEDIATE, which takes the write lock before the first read:
a deferred transaction would read a snapshot and be turned away when it starts to write. On PostgreSQL an
advisory lock does it, held to the end of the transaction, taken in a statement of its own and under READ
COMMITTED: under a stricter level the locking statement itself fixes the snapshot, and the next statement
reads a head that is no longer one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import ClassVar

from sqlalchemy import Connection, Engine, MetaData, text
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from sqlmodel import Session, SQLModel

from causal.errors import Conflict, Malformed, Unavailable

READS_ONLY = "aitia_reads_only"
"""The execution option of a connection that will not write."""


class Stored(SQLModel):
    """The base of all rows; constraints have predictable names, so that migrations can speak of them."""

    metadata: ClassVar[MetaData] = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Lock(IntEnum):
    """PostgreSQL's advisory locks are numbers, shared by all who use the database; these are ours."""

    SCHEMA = 0x41697469_01
    AUDIT = 0x41697469_02
    INCIDENTS = 0x41697469_03
    JOURNAL = 0x41697469_04
    APPROVALS = 0x41697469_05
    PRIORS = 0x41697469_06
    MESSAGES = 0x41697469_07
    TARGETS = 0x41697469_08
    STOP = 0x41697469_09
    SEEN = 0x41697469_0A


@contextmanager
def writing(engine: Engine, lock: Lock) -> Iterator[Session]:
    """One transaction, alone among all that take the same lock; committed at the end, or rolled back."""
    with translated(engine), Session(engine, expire_on_commit=False) as session, session.begin():
        hold(session.connection(), lock)
        yield session


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """One look at the database, that keeps no writer waiting."""
    with translated(engine), Session(engine.execution_options(**{READS_ONLY: True})) as session:
        yield session


def hold(connection: Connection, lock: Lock) -> None:
    """Wait for a lock and keep it to the end of the transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": int(lock)})


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Turn a database's errors into ours; none of them repeats what was to be written."""
    where = engine.url.render_as_string(hide_password=True)
    try:
        yield
    except IntegrityError as error:
        raise Conflict(f"{where} refused a row: {error.orig}") from error
    except DataError as error:
        raise Malformed(f"cannot be stored: {error.orig}", where=where) from error
    except SQLAlchemyError as error:
        raise Unavailable(f"{where} did not answer: {getattr(error, 'orig', None) or error}") from error
