"""``aitia database``: the tables and their versions.

Whoever starts Aitia has the tables brought to the newest version anyway; these commands are for who wants to
do it ahead, look, or go back. Exit codes: 0 all is well; 1 `check` found something, or it was refused; 2
wrong usage.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from causal.errors import AitiaError

if TYPE_CHECKING:
    from sqlalchemy import Engine

app = typer.Typer(help="The tables and their versions.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def status(*, as_json: Json = False) -> None:
    """Say which version the database has, and what an upgrade would do."""
    with _engine() as engine:
        told = _standing(engine)
    _tell(told, as_json, f"version {told['version']} of {told['newest']}" + _list("to do", told["pending"]))


@app.command()
def upgrade(
    to: Annotated[str | None, typer.Argument(help="A version; without one: the newest.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Bring the tables forward; several may do so at once."""
    from integrations.store import schema

    with _engine(create=True) as engine:
        done = schema.upgrade(engine, to)
        told = _standing(engine) | {"done": done}
    _tell(told, as_json, f"version {told['version']}" + _list("done", done))


@app.command()
def downgrade(
    to: Annotated[str, typer.Argument(help="A version; base is before the first, without any table.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Take the tables back; what only the newer ones hold is lost."""
    from integrations.store import schema

    with _engine() as engine:
        if not yes:
            typer.confirm(f"Undo all versions after {to} and lose what only they hold?", abort=True, err=True)
        undone = schema.downgrade(engine, to)
        told = _standing(engine) | {"undone": undone}
    _tell(told, as_json, f"version {told['version']}" + _list("undone", undone))


@app.command()
def check(*, as_json: Json = False) -> None:
    """Compare the tables with what this program needs; exit code 1 where they differ."""
    from integrations.store import schema

    with _engine() as engine:
        told = _standing(engine) | {"differences": schema.differences(engine)}
    told["well"] = not told["pending"] and not told["differences"]
    _tell(
        told,
        as_json,
        f"version {told['version']} of {told['newest']}"
        + _list("to do", told["pending"])
        + _list("differs", told["differences"]),
    )
    if not told["well"]:
        raise typer.Exit(1)


@app.command(hidden=True)
def revise(message: Annotated[str, typer.Argument(help="What changes, in a few words.")]) -> None:
    """Draft the next version in the source tree from what the rows' classes have and the versions lack."""
    from integrations.store import schema

    with _engine(create=True) as engine:
        typer.echo(schema.revise(engine, message))


@contextmanager
def _engine(*, create: bool = False) -> Iterator[Engine]:
    from integrations.database import connect
    from workers.settings import read_settings

    try:
        engine = connect(read_settings().database_url, create=create)
        try:
            yield engine
        finally:
            engine.dispose()
    except AitiaError as error:
        typer.echo(f"aitia: {error}", err=True)
        raise typer.Exit(1) from error


def _standing(engine: Engine) -> dict[str, Any]:
    from integrations.store import schema

    return {
        "database": engine.url.render_as_string(hide_password=True),
        "version": schema.version(engine),
        "newest": schema.newest(),
        "pending": schema.pending(engine),
    }


def _list(what: str, words: tuple[str, ...]) -> str:
    return "".join(f"\n{what:8} {word}" for word in words)


def _tell(told: dict[str, Any], as_json: bool, words: str) -> None:
    typer.echo(json.dumps(told, indent=2) if as_json else f"{told['database']}\n{words}")
