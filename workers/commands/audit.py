"""``aitia audit``: reading the record of what was decided and done, and checking that nobody changed it.

Exit codes: 0 all is well; 1 the chain was changed (the first bad row is named), a decision does not follow
from what it rested on, or a step from no decision; 2 wrong usage, or nothing to read.
"""

import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from causal.errors import AitiaError, NotFound, Tampered
from integrations.ports import AuditLog, AuditRow
from workers.commands.audit_check import Checked, check, in_words
from workers.settings import Settings

app = typer.Typer(
    help="What was decided and done, and the proof that nobody changed it.", no_args_is_help=True
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OfIncident = Annotated[str | None, typer.Option(help="Only the rows of this incident.")]


@app.command("list")
def list_rows(
    incident: OfIncident = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many rows, the newest.")] = 50,
    as_json: Json = False,
) -> None:
    """List the newest rows, the newest last."""
    with _exit_codes(), _log() as log:
        newest = log.last()
        after = newest.seq - limit if newest and incident is None else 0
        rows = deque(log.rows(incident, after=max(0, after)), maxlen=limit)
    if as_json:
        _print_json([row.model_dump(mode="json") for row in rows])
        return
    for row in rows:
        typer.echo(_line(row))


@app.command()
def show(seq: Annotated[int, typer.Argument(min=1, help="The row's number.")], as_json: Json = False) -> None:
    """Show one row with all its facts."""
    with _exit_codes(), _log() as log:
        row = next(islice(log.rows(after=seq - 1), 1), None)
        if row is None or row.seq != seq:
            raise NotFound(f"the audit log has no row {seq}")
    if as_json:
        _print_json(row.model_dump(mode="json"))
        return
    for name, value in _facts_of(row).items():
        typer.echo(f"{name:9} {value}")


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="Where to; an older file is replaced.")],
    incident: OfIncident = None,
) -> None:
    """Write the whole log to a file that can be verified anywhere, or one incident's rows to be read."""
    from integrations.audit_file import export_rows, export_some

    with _exit_codes(), _log() as log:
        if incident is not None:
            count = export_some(log.rows(incident), file)
            typer.echo(f"{count} rows of {incident} written to {file}: an excerpt, that proves nothing alone")
            return
        done = export_rows(log.rows(), file)
    typer.echo(f"{done.count} rows written to {file}\nhead {done.head}")


@app.command()
def verify(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Exported files, archives first; without one: the database."),
    ] = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option(help="What was kept elsewhere: a head, a file of heads, or a git repository of them."),
    ] = None,
    as_of: Annotated[
        datetime | None, typer.Option(help="When an older export was made: leave out heads kept later.")
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Ask for every row from the first: give the archives too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Recompute the chain and every decision; of exported files with no network, settings or database."""
    moment = as_of.replace(tzinfo=as_of.tzinfo or UTC) if as_of else None
    with _exit_codes():
        try:
            done = _checked(files or [], anchor or [], moment, whole=whole)
        except Tampered as error:
            if as_json:
                _print_json({"intact": False, "row": error.row, "says": str(error)})
            raise
    if as_json:
        _print_json(done.as_json())
    else:
        typer.echo("\n".join(map(_plain, in_words(done))))
    if done.review.findings:
        raise typer.Exit(1)


@app.command()
def anchor() -> None:
    """Hand the head to the anchors of the settings (AITIA_AUDIT_ANCHORS), as the learning agent does."""
    from integrations.anchors import keep_head, read_anchors

    with _exit_codes():
        settings = _settings()
        anchors = read_anchors(settings.audit_anchors, settings.audit_anchor_token_file)
        if not anchors:
            raise NotFound(
                "no anchor is set: AITIA_AUDIT_ANCHORS=file:/elsewhere/heads.jsonl,git:/…,https://…"
            )
        with _log() as log:
            row = keep_head(log, anchors, now=datetime.now(UTC))
    typer.echo(_plain(row.entry.summary) if row else "the anchors have the head already")
    if row and row.entry.facts["failed"]:
        raise typer.Exit(1)


@app.command()
def retain(
    older_than: Annotated[str, typer.Option(help="Cut rows older than this, such as 400d.")],
    archive: Annotated[
        Path | None, typer.Option(help="Where they go; else AITIA_HOME/audit/rows-<first>-<last>.jsonl.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; without, it is only said what would be.")
    ] = False,
) -> None:
    """Move the oldest rows to an archive that verifies, and leave a row that proves which they were."""
    from workers.commands.audit_retain import age, cut

    with _exit_codes(), _log() as log:
        typer.echo(cut(log, age(older_than), archive, _settings().home, really=yes))


def _checked(files: list[Path], anchors: list[str], as_of: datetime | None, *, whole: bool) -> Checked:
    if files:
        return check(files, anchors, as_of=as_of, whole=whole)
    with _log() as log:
        return check(log, anchors, as_of=as_of, whole=whole)


def _settings() -> Settings:
    from workers.settings import read_settings

    return read_settings()


@contextmanager
def _log() -> Iterator[AuditLog]:
    # Late, because verifying a file must work where neither settings nor a database are.
    from integrations.database import open_database
    from integrations.store import SqlAuditLog

    engine = open_database(_settings().database_url, create=False)
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
