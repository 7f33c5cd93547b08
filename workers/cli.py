"""``aitia …``: the command line."""

from __future__ import annotations

import asyncio
from importlib.metadata import entry_points
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from causal.errors import AitiaError
from playbooks.words import plain_lines
from workers.commands import (
    approvals,
    audit,
    brakes,
    check,
    database,
    diagnose,
    incidents,
    init,
    learning,
    people,
    playbook,
    replay,
    shadow,
)
from workers.policies import LEARNING, METRIC, REMEDIATION, ROOT_CAUSE
from workers.settings import read_settings

EXTENSIONS = "aitia.commands"


class _Told(TyperGroup):
    """Commands whose errors of our own are told on stderr, with exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except AitiaError as error:
            typer.echo("aitia: " + "\n".join(plain_lines(str(error))), err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    name="aitia",
    cls=_Told,
    help="Finds why a running system broke, fixes it, and proves what it did.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def up() -> None:
    """Start everything in the foreground: Temporal, the door and the four agents. Ctrl-C stops it."""
    from workers.up import run

    asyncio.run(run(read_settings(), tell=typer.echo))


@app.command()
def door() -> None:
    """Run the door alone: OTLP, alert webhooks, and the API."""
    from workers.serve import serve_door

    serve_door(read_settings())


@app.command()
def work(
    queue: Annotated[
        list[str] | None,
        typer.Option(
            help=f"task queue to serve: {METRIC}, {ROOT_CAUSE}, {REMEDIATION}, {LEARNING}; all if none"
        ),
    ] = None,
) -> None:
    """Run agents alone, for all task queues or for those named."""
    from workers.serve import serve_agents

    serve_agents(read_settings(), tuple(queue or ()))


@app.command()
def token() -> None:
    """Print the token that the door asks for; it is made at first use."""
    typer.echo(read_settings().token())


app.add_typer(audit.app, name="audit")
app.add_typer(database.app, name="database")
app.add_typer(playbook.app, name="playbook")
app.add_typer(people.app, name="people")
app.add_typer(learning.app, name="learning")
incidents.add_to(app)
approvals.add_to(app)
brakes.add_to(app)
diagnose.add_to(app)
shadow.add_to(app)
replay.add_to(app)
check.add_to(app)
init.add_to(app)


def main() -> None:
    """Run the command line with the commands that others add to it."""
    for extension in sorted(entry_points(group=EXTENSIONS), key=lambda entry: entry.name):
        try:
            app.add_typer(extension.load(), name=extension.name)
        except (ImportError, AttributeError) as error:
            typer.echo(f"aitia: the commands {extension.name} cannot be loaded: {error}", err=True)
    app(prog_name="aitia")
