"""``aitia playbook test``: a rehearsal with a mishap at each step, on the code that carries out plans.

Nothing outside is touched: targets, time and server are played. The incident is a small made-up one, made
from the playbook's own cures, and a recorded one too if it is given.

Exit codes: 0 every law held in every scene; 1 one did not, or there was nothing to rehearse; 2 wrong usage.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from causal.errors import AitiaError
from integrations.connections import read_connections, service_facts
from playbooks.example import INCIDENT, example
from playbooks.example import service_facts as made_up_facts
from playbooks.rehearsal import MEANS, OF_A_STEP
from playbooks.remedy import Playbook
from playbooks.words import plain
from workers.commands.playbook_files import (
    USAGE,
    Json,
    fail,
    known_names,
    print_json,
    schemas,
    the_catalog,
)
from workers.commands.playbook_plan import Case, Seen, seen_in_case
from workers.commands.playbook_record import record_of
from workers.settings import read_settings

if TYPE_CHECKING:
    from workers.rehearsal import Rehearsal, Stage

_COLUMNS = {"step": 16, "fault": 24, "told": 14, "ended": 14, "effects": 22, "undone": 18, "left": 18}


def rehearse(
    name: Annotated[
        str | None, typer.Argument(help="The playbook's name.", autocompletion=known_names)
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Test every playbook.")] = False,
    case: Case = None,
    as_json: Json = False,
) -> None:
    """Rehearse a playbook: each step with a time-out, a refusal, a crash, a lost or late answer, and more.

    Holds where no step takes effect twice, what was done is found again after a crash, and what has to be
    taken back is taken back in reverse order. Touches nothing outside.
    """
    if every == (name is not None):
        fail("say which playbook: its name, or --all", USAGE)
    catalog = the_catalog()
    try:
        chosen = [catalog.playbooks[each] for each in sorted(catalog.playbooks)] if name is None else []
        chosen = chosen or [catalog.get(str(name))]
        seen = None
        if case is not None:
            with record_of(read_settings()) as record:
                seen = seen_in_case(case, record)
        rehearsals = [each for playbook in chosen for each in _rehearsed(playbook, seen, every=every)]
    except AitiaError as error:
        fail(str(error))
    if as_json:
        print_json([_facts(each) for each in rehearsals])
    else:
        _tell(rehearsals, in_full=not every)
    if not all(each.holds for each in rehearsals):
        raise typer.Exit(1)


def _rehearsed(playbook: Playbook, seen: Seen | None, *, every: bool) -> Iterator[Rehearsal]:
    from workers.rehearsal import Stage  # late: it needs all that production needs

    stage = Stage(*schemas())
    yield _on_a_made_up(playbook, stage)
    if seen is None:
        return
    on_record = _on_record(playbook, seen, stage)
    if on_record.acts or not every:  # of all playbooks, most are for something else
        yield on_record


def _on_a_made_up(playbook: Playbook, stage: Stage) -> Rehearsal:
    """The whole rehearsal for the first cure; every other cure must at least lead to a plan."""
    from workers.rehearsal import Rehearsal

    full: Rehearsal | None = None
    skipped: list[str] = []
    for cure in playbook.cures:
        try:
            made = example(playbook, cure)
        except AitiaError as reason:
            return Rehearsal(playbook=playbook.name, incident=INCIDENT, skipped=(str(reason),))
        service = made.diagnosis.hypotheses[0].service
        told = playbook, made.alert, made.diagnosis, {service: made.facts}, INCIDENT
        skipped += stage.plans(*told).skipped
        full = full or stage.rehearse(*told)
    known = full or Rehearsal(playbook=playbook.name, incident=INCIDENT)
    return known.model_copy(update={"skipped": tuple(skipped)})


def _on_record(playbook: Playbook, seen: Seen, stage: Stage) -> Rehearsal:
    """Against what was recorded; what no connection says of a service here is made up."""
    connections = read_connections(read_settings().connections_folder)
    services = {each.service for each in seen.diagnosis.hypotheses}
    facts = {
        service: {**made_up_facts(playbook), **service_facts(connections, service)} for service in services
    }
    found = stage.rehearse(playbook, seen.alert, seen.diagnosis, facts, seen.incident)
    if found.acts or found.skipped:
        return found
    cured = ", ".join(dict.fromkeys(str(cure.fault) for cure in playbook.cures))
    blamed = ", ".join(dict.fromkeys(str(each.fault) for each in seen.diagnosis.hypotheses)) or "nothing"
    return found.model_copy(update={"skipped": (f"it is for {cured}; the diagnosis says {blamed}",)})


def _facts(found: Rehearsal) -> dict[str, object]:
    from workers.rehearsal import rows

    return {
        "playbook": found.playbook,
        "incident": found.incident,
        "about": found.about,
        "holds": found.holds,
        "skipped": list(found.skipped),
        "scenes": list(rows(found)),
    }


def _tell(rehearsals: list[Rehearsal], *, in_full: bool) -> None:
    from workers.rehearsal import rows

    for found in rehearsals:
        typer.echo(_headline(found))
        for reason in found.skipped:
            typer.echo(f"  not rehearsed: {plain(reason)}")
        shown = [row for row in rows(found) if in_full or not row["holds"]]
        for line in _table(shown) if shown else ():
            typer.echo(line)
    if in_full:
        typer.echo("\n" + "\n".join(f"  {mishap:24} {MEANS[mishap]}" for mishap in OF_A_STEP))


def _headline(found: Rehearsal) -> str:
    failed = sum(bool(act.broken) for act in found.acts)
    verdict = "does not apply" if not found.acts else f"{failed} do not hold" if failed else "all hold"
    about = f" ({found.about})" if found.about else ""
    return plain(f"{found.playbook} on {found.incident}{about}: {len(found.acts)} scenes, {verdict}")


def _table(shown: list[dict[str, Any]]) -> Iterator[str]:
    yield "  " + "".join(f"{name:{width}}" for name, width in _COLUMNS.items()) + "holds"
    for row in shown:
        cells = "".join(f"{_cell(row[name]):{width}}" for name, width in _COLUMNS.items())
        yield f"  {cells}{'yes' if row['holds'] else 'NO'}"
        yield from (f"      {plain(law)}" for law in row["broken"])


def _cell(value: object) -> str:
    words = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return plain(words or "-") + " "


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("test")(rehearse)
