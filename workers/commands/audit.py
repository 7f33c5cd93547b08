"""``aitia audit``: reading the record of what was decided and done, and checking that nobody changed it.

Exit codes: 0 all is well; 1 the chain was changed, the first bad row is named; 2 wrong usage, or nothing
to read.
"""

import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from causal.errors import AitiaError, Malformed, NotFound, Tampered
from integrations.audit import Verified, export_rows, verify_file, verify_rows
from integrations.ports import AuditLog, AuditRow

app = typer.Typer(
    help="What was decided and done, and the proof that nobody changed it.", no_args_is_help=True
)

_HASH_LENGTH = 64

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_rows(
    incident: Annotated[str | None, typer.Option(help="Only the rows of this incident.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many rows, the newest.")] = 50,
    as_json: Json = False,
) -> None:
    """List the newest rows, the newest last."""
    with _exit_codes(), _log() as log:
        rows = deque(log.rows(incident), maxlen=limit)
    if as_json:
        _print_json([row.model_dump(mode="json") for row in rows])
        return
    for row in rows:
        typer.echo(_line(row))


@app.command()
def show(seq: Annotated[int, typer.Argument(min=1, help="The row's number.")], as_json: Json = False) -> None:
    """Show one row with all its facts."""
    with _exit_codes(), _log() as log:
        row = next(islice(log.rows(), seq - 1, None), None)
        if row is None:
            raise NotFound(f"the audit log has no row {seq}")
    if as_json:
        _print_json(row.model_dump(mode="json"))
        return
    for name, value in _facts_of(row).items():
        typer.echo(f"{name:9} {value}")


@app.command()
def export(file: Annotated[Path, typer.Argument(help="Where to; an older file is replaced.")]) -> None:
    """Write the whole log to a file that can be verified anywhere."""
    with _exit_codes(), _log() as log:
        done = export_rows(log.rows(), file)
    typer.echo(f"{done.count} rows written to {file}\nhead {done.head}")


@app.command()
def verify(
    file: Annotated[Path | None, typer.Argument(help="An exported file; without one: the database.")] = None,
    anchor: Annotated[
        str | None, typer.Option(help="A head kept elsewhere, that must be in the chain.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Recompute the chain, of an exported file with no network and no settings."""
    with _exit_codes():
        try:
            done = _verified(file, anchor)
        except Tampered as error:
            if as_json:
                _print_json({"intact": False, "row": error.row, "says": str(error)})
            raise
    if as_json:
        _print_json({"intact": True, **done.model_dump()})
        return
    typer.echo(f"intact: {done.count} rows\nhead {done.head}")
    if done.anchored is not None:
        typer.echo(f"the anchor is row {done.anchored}")


def _verified(file: Path | None, anchor: str | None) -> Verified:
    if anchor is not None and (len(anchor) != _HASH_LENGTH or set(anchor) - set("0123456789abcdef")):
        raise Malformed("a head is 64 hexadecimal digits in lower case", where="--anchor")
    if file is not None:
        return verify_file(file, anchor)
    with _log() as log:
        return verify_rows(log.rows(), anchor)


@contextmanager
def _log() -> Iterator[AuditLog]:
    # Late, because verifying a file must work where neither settings nor a database are.
    from integrations.database import open_database
    from integrations.store import SqlAuditLog
    from workers.settings import read_settings

    engine = open_database(read_settings().database_url, create=False)
    try:
        yield SqlAuditLog(engine)
    finally:
        engine.dispose()


@contextmanager
def _exit_codes() -> Iterator[None]:
    try:
        yield
    except Tampered as error:
        typer.echo(f"changed: {_plain(str(error))}", err=True)
        raise typer.Exit(1) from error
    except AitiaError as error:
        typer.echo(_plain(str(error)), err=True)
        raise typer.Exit(2) from error


def _line(row: AuditRow) -> str:
    entry = row.entry
    told = f"{entry.incident:16}  {entry.actor:18}  {entry.event:20}  {entry.summary}"
    return f"{row.seq:>6}  {row.at[:19]}  {_plain(told)}"


def _facts_of(row: AuditRow) -> dict[str, str]:
    fields = row.model_dump(mode="json")
    fields |= fields.pop("entry")
    return {
        name: _plain(value) if isinstance(value, str) else json.dumps(value, indent=2)
        for name, value in fields.items()
    }


def _plain(text: str) -> str:
    # What other people wrote may hold control sequences that a terminal would obey.
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2))
