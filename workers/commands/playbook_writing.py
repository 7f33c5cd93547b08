"""``aitia playbook lint``, ``schema``, ``new``: for the person who writes one."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from causal.errors import AitiaError
from causal.evidence import Fault
from playbooks.catalog import check_files, check_playbook, playbook_files
from playbooks.schema import playbook_schema, written
from playbooks.skeleton import skeleton
from playbooks.written import Problem, nearest
from workers.commands.playbook_files import (
    USAGE,
    Json,
    fail,
    known_names,
    print_json,
    schemas,
    site_of,
)
from workers.settings import read_settings

Files = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Playbook files; all that the house would read if none.", exists=True, dir_okay=False
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="End with 1 for warnings too.")]


def lint(files: Files = None, *, as_json: Json = False, strict: Strict = False) -> None:
    """Check playbooks; every problem is one line with file, line and column.

    Warnings (what works and is hardly meant) are told once there are no errors. Names of connections and of
    roles are held against connections.d and people.yaml, where these are there.
    """
    settings = read_settings()
    chosen = files or playbook_files(settings.playbook_folders)
    try:
        catalog, problems = check_files(chosen, *schemas(), site_of(settings))
    except AitiaError as error:
        fail(str(error))
    errors = [problem for problem in problems if problem.severity == "error"]
    if as_json:
        understood = sorted(catalog.playbooks)
        print_json({"read": len(chosen), "understood": understood, "problems": [asdict(p) for p in problems]})
    else:
        _tell(problems)
        counted = f"{len(errors)} problems, {len(problems) - len(errors)} warnings"
        typer.echo(f"{len(chosen)} read, {len(catalog.playbooks)} understood, {counted}", err=True)
    if errors or (strict and problems):
        raise typer.Exit(1)


def _tell(problems: tuple[Problem, ...]) -> None:
    for problem in problems:
        typer.echo(str(problem))


def schema() -> None:
    """Print the format of playbooks as JSON Schema, with all that each action takes."""
    typer.echo(written(playbook_schema(*schemas())), nl=False)


def _action_names() -> list[str]:
    return sorted(schemas()[0])


def new(
    name: Annotated[str, typer.Argument(help="What it is to be called: lower case, digits and hyphens.")],
    *,
    fault: Annotated[Fault, typer.Option(help="The kind of fault it is for.")] = Fault.CONFIG_CHANGE,
    action: Annotated[
        str | None, typer.Option(help="What its first step does.", autocompletion=_action_names)
    ] = None,
) -> None:
    """Begin a playbook: a commented file in AITIA_HOME/playbooks, and the schema that editors read beside it.

    What only you can know is marked FILL-IN, and told with its line; such a draft lies in playbooks/drafts,
    where nothing reads it before you move it. No file is ever overwritten.
    """
    settings, actions = read_settings(), schemas()[0]
    if action is not None and action not in actions:
        fail(f"there is no action {action}; {nearest(action, actions)}", USAGE)
    if name in known_names():
        fail(f"{name} is the name of a playbook already; choose another")
    text = skeleton(name, fault, action, actions)
    _, problems = check_playbook(text, name, *schemas())
    if wrong := [problem for problem in problems if problem.path == "name"]:
        fail(wrong[0].what, USAGE)
    folder = settings.home / "playbooks"
    file = (folder / "drafts" if problems else folder) / f"{name}.yaml"
    _write(file, text)
    typer.echo(f"{file}")
    _tell(tuple(replace(problem, where=str(file)) for problem in problems))
    then = f"aitia playbook lint {file}" + (f", and move it to {folder}" if problems else "")
    typer.echo(f"next: {then}; then aitia playbook test {name}", err=True)


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        fail(f"{file} is there already; it is left as it is")
    beside = file.parent / "playbook.schema.json"
    beside.write_text(written(playbook_schema(*schemas())), encoding="utf-8")


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command()(lint)
    app.command()(schema)
    app.command()(new)
