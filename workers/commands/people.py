"""``aitia people``: who may answer, in ``people.yaml`` of the home folder.

Exit codes: 0 all is well; 1 nobody has that name, or somebody has it, or the file cannot be read; 2 wrong
usage.
"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from causal.errors import AitiaError
from integrations.people import PeopleFile
from playbooks.words import plain
from workers.commands.options import AsJson
from workers.settings import read_settings

app = typer.Typer(help="Who may answer, with which roles, and their tokens.", no_args_is_help=True)


def _names() -> list[str]:
    try:
        return [person.name for person in _file().named().people]
    except AitiaError:
        return []


def _file() -> PeopleFile:
    return PeopleFile(read_settings().people_file)


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    *,
    role: Annotated[
        list[str] | None, typer.Option(help="a role that playbooks name; may be repeated")
    ] = None,
    slack: Annotated[str | None, typer.Option(metavar="U...", help="their Slack user id")] = None,
    email: Annotated[str | None, typer.Option(help="the e-mail of their PagerDuty user")] = None,
    as_json: AsJson = False,
) -> None:
    """Name somebody and print their token, once: only its digest is kept."""
    token = _file().add(name, tuple(role or ()), slack, email)
    if as_json:
        typer.echo(json.dumps({"name": name, "token": token}))
        return
    typer.echo(token)
    typer.echo(
        plain(f"this is {name}'s own token, and not shown again; they set AITIA_TOKEN to it"), err=True
    )


@app.command("list")
def list_people(*, as_json: AsJson = False) -> None:
    """List who is named, with their roles; no token is kept that could be shown."""
    people = _file().read()
    if as_json:
        shown = [person.model_dump(exclude={"token_sha256"}) for person in people.people] if people else []
        typer.echo(json.dumps({"named": people is not None, "people": shown}, indent=1))
        return
    if people is None:
        typer.echo("nobody is named: whoever holds the door's token may answer, by the name they give")
        return
    for person in people.people:
        known = [word for word in (person.slack, person.email) if word]
        typer.echo(plain(f"{person.name}  {', '.join(person.roles) or 'no role'}  {' '.join(known)}"))
    if not people.people:
        typer.echo("the file names nobody, so nobody may answer")


@app.command("remove")
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", autocompletion=_names)], *, as_json: AsJson = False
) -> None:
    """Strike somebody out; their token is worth nothing from then on."""
    gone = _file().remove(name)
    typer.echo(json.dumps({"removed": gone.name}) if as_json else plain(f"{gone.name} is no longer named"))
