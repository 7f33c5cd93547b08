"""``aitia playbook``: what may be done, and whether what was written about it is sound.

Exit codes: 0 all is well; 1 a playbook has problems, or there is none of that name; 2 wrong usage.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from causal.errors import AitiaError
from integrations.actions import standard_actions, standard_checks
from integrations.connections import Connections
from integrations.ports import Actions, Checks
from playbooks.catalog import Catalog, check_files, playbook_digest, playbook_files, read_catalog
from playbooks.remedy import Playbook
from workers.settings import read_settings

app = typer.Typer(help="What may be done about a fault.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_playbooks(*, as_json: Json = False) -> None:
    """List the playbooks: the library's and the site's own (AITIA_HOME/playbooks)."""
    catalog = _catalog()
    known = [catalog.playbooks[name] for name in sorted(catalog.playbooks)]
    if as_json:
        typer.echo(json.dumps([_facts(playbook, catalog) for playbook in known], indent=2))
        return
    widest = max((len(playbook.name) for playbook in known), default=0)
    for playbook in known:
        faults = ", ".join(dict.fromkeys(str(cure.fault) for cure in playbook.cures))
        typer.echo(f"{playbook.name:{widest}}  {playbook.impact:4}  {faults}")
        typer.echo(f"{'':{widest}}        {' '.join(playbook.description.split())}")


def _names() -> list[str]:
    """What a shell may complete; nothing where the playbooks cannot be read."""
    try:
        return sorted(read_catalog(read_settings().playbook_folders, *_known()).playbooks)
    except AitiaError:
        return []


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="The playbook's name.", autocompletion=_names)],
    *,
    as_json: Json = False,
) -> None:
    """Show one playbook as it was written, or as it was understood (--json)."""
    catalog = _catalog()
    try:
        playbook = catalog.get(name)
    except AitiaError as error:
        typer.echo(f"aitia: {error}", err=True)
        raise typer.Exit(1) from error
    if as_json:
        understood = playbook.model_dump(mode="json", by_alias=True)
        typer.echo(json.dumps({**_facts(playbook, catalog), "playbook": understood}, indent=2))
        return
    typer.echo(f"# {catalog.files[name]}\n# digest {playbook_digest(playbook)}\n")
    typer.echo(Path(catalog.files[name]).read_text(encoding="utf-8").rstrip())


@app.command()
def lint(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Playbook files; all that the house would read if none.", exists=True, dir_okay=False
        ),
    ] = None,
) -> None:
    """Check playbooks; every problem is one line with file, line and column."""
    chosen = files or playbook_files(read_settings().playbook_folders)
    actions, checks = _known()
    catalog, problems = check_files(chosen, actions, checks)
    for problem in problems:
        typer.echo(str(problem))
    typer.echo(f"{len(chosen)} read, {len(catalog.playbooks)} understood, {len(problems)} problems", err=True)
    if problems:
        raise typer.Exit(1)


def _catalog() -> Catalog:
    try:
        return read_catalog(read_settings().playbook_folders, *_known())
    except AitiaError as error:
        typer.echo(f"aitia: {error}", err=True)
        raise typer.Exit(1) from error


def _known() -> tuple[Actions, Checks]:
    """Return the actions and checks for their schemas alone: nothing is connected, so nothing can be done."""
    return standard_actions(Connections, Path("/nonexistent")), standard_checks(Connections)


def _facts(playbook: Playbook, catalog: Catalog) -> dict[str, object]:
    return {
        "name": playbook.name,
        "description": " ".join(playbook.description.split()),
        "impact": playbook.impact,
        "cures": [cure.model_dump(mode="json", exclude_none=True) for cure in playbook.cures],
        "digest": playbook_digest(playbook),
        "file": catalog.files[playbook.name],
    }
