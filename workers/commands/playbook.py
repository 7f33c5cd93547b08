"""``aitia playbook``: what may be done, and whether what was written about it is sound.

Exit codes: 0 all is well; 1 a playbook has problems or does not hold, or there is none of that name; 2 wrong
usage.
"""

from __future__ import annotations

from pathlib import Path

import typer

from causal.errors import AitiaError
from playbooks.catalog import Catalog, playbook_digest
from playbooks.remedy import Playbook
from workers.commands import playbook_history, playbook_plan, playbook_rehearsal, playbook_writing
from workers.commands.playbook_files import Json, Name, fail, print_json, the_catalog

app = typer.Typer(help="What may be done about a fault.", no_args_is_help=True)


@app.command("list")
def list_playbooks(*, as_json: Json = False) -> None:
    """List the playbooks: the library's and the site's own (AITIA_HOME/playbooks)."""
    catalog = the_catalog()
    known = [catalog.playbooks[name] for name in sorted(catalog.playbooks)]
    if as_json:
        print_json([_facts(playbook, catalog) for playbook in known])
        return
    widest = max((len(playbook.name) for playbook in known), default=0)
    for playbook in known:
        faults = ", ".join(dict.fromkeys(str(cure.fault) for cure in playbook.cures))
        typer.echo(f"{playbook.name:{widest}}  {playbook.impact:4}  {faults}")
        typer.echo(f"{'':{widest}}        {' '.join(playbook.description.split())}")


@app.command()
def show(name: Name, *, as_json: Json = False) -> None:
    """Show one playbook as it was written, or as it was understood (--json)."""
    catalog = the_catalog()
    try:
        playbook = catalog.get(name)
    except AitiaError as error:
        fail(str(error))
    if as_json:
        understood = playbook.model_dump(mode="json", by_alias=True)
        print_json({**_facts(playbook, catalog), "playbook": understood})
        return
    typer.echo(f"# {catalog.files[name]}\n# digest {playbook_digest(playbook)}\n")
    typer.echo(Path(catalog.files[name]).read_text(encoding="utf-8").rstrip())


def _facts(playbook: Playbook, catalog: Catalog) -> dict[str, object]:
    return {
        "name": playbook.name,
        "description": " ".join(playbook.description.split()),
        "impact": playbook.impact,
        "cures": [cure.model_dump(mode="json", exclude_none=True) for cure in playbook.cures],
        "digest": playbook_digest(playbook),
        "file": catalog.files[playbook.name],
    }


playbook_writing.add_to(app)
playbook_plan.add_to(app)
playbook_rehearsal.add_to(app)
playbook_history.add_to(app)
