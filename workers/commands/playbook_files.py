"""What the commands of ``aitia playbook`` have in common: which playbooks there are, what is known here."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from causal.errors import AitiaError
from integrations.actions import standard_actions, standard_checks
from integrations.connections import Connections, read_connections
from integrations.connections.files import KINDS
from integrations.people import PeopleFile
from integrations.ports import Actions, Checks
from playbooks.catalog import Catalog, read_catalog
from playbooks.people import People
from playbooks.site import Site
from playbooks.words import plain_lines
from workers.settings import Settings, read_settings

USAGE = 2

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def known_names() -> list[str]:
    """What a shell may complete; nothing where the playbooks cannot be read."""
    try:
        return sorted(read_catalog(read_settings().playbook_folders, *schemas()).playbooks)
    except AitiaError:
        return []


Name = Annotated[str, typer.Argument(help="The playbook's name.", autocompletion=known_names)]


def schemas() -> tuple[Actions, Checks]:
    """Return the actions and checks for their schemas alone: nothing is connected, so nothing can be done."""
    return standard_actions(Connections, Path("/nonexistent")), standard_checks(Connections)


def connected(settings: Settings) -> tuple[Actions, Checks]:
    """Return the actions and checks with the site's connections: they can be asked for their previews."""

    def connections() -> Connections:
        return read_connections(settings.connections_folder)

    return standard_actions(connections, settings.home / "actions"), standard_checks(connections)


def the_catalog() -> Catalog:
    """Read every playbook; what is wrong with them ends the command with 1."""
    try:
        return read_catalog(read_settings().playbook_folders, *schemas())
    except AitiaError as error:
        fail(str(error))


def site_of(settings: Settings) -> Site:
    """What is known of this site: its connections and its people, as far as there are files of them."""
    connections = read_connections(settings.connections_folder)
    names = {kind: frozenset(connections.of_kind(kind)) for kind in KINDS}
    people = PeopleFile(settings.people_file).read()
    return Site(names if connections.files else None, _roles(people) if people is not None else None)


def _roles(people: People) -> dict[str, frozenset[str]]:
    holders: dict[str, set[str]] = defaultdict(set)
    for person in people.people:
        for role in person.roles:
            holders[role].add(person.name)
    return {role: frozenset(names) for role, names in holders.items()}


def fail(says: str, code: int = 1) -> NoReturn:
    """Say on stderr what is wrong, and end the command."""
    typer.echo("aitia: " + "\n".join(plain_lines(says)), err=True)
    raise typer.Exit(code)


def print_json(value: object) -> None:
    """Print a value as JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
