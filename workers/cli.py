"""``aitia …``: the command line."""

from __future__ import annotations

import asyncio
import sys
from importlib.metadata import entry_points
from typing import Annotated

import typer

from causal.errors import AitiaError
from workers.commands import audit, diagnose, incidents, playbook
from workers.policies import LEARNING, METRIC, REMEDIATION, ROOT_CAUSE
from workers.settings import read_settings

EXTENSIONS = "aitia.commands"

app = typer.Typer(
    name="aitia",
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
app.add_typer(playbook.app, name="playbook")
incidents.add_to(app)
diagnose.add_to(app)


def main() -> None:
    """Run the command line; our own errors are one line on stderr and exit code 1."""
    for extension in sorted(entry_points(group=EXTENSIONS), key=lambda entry: entry.name):
        app.add_typer(extension.load(), name=extension.name)
    try:
        app()
    except AitiaError as error:
        typer.echo(f"aitia: {error}", err=True)
        sys.exit(1)
