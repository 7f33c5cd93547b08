"""``aitia playbook plan``: what would be done about an incident, shown and not done.

The incident is one on record (``--incident``) or a case folder (``--case``); no server needs to run, no
approval is asked for, and nothing is changed: previews and preconditions look at the targets, the gate is
asked and its answer is not written down.

Exit codes: 0 there is a plan; 1 the playbook does not apply, and why; 2 wrong usage.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from causal.errors import AitiaError, NotFound
from causal.evidence import Alert, Diagnosis
from integrations.connections import read_connections, service_facts
from integrations.ports import Actions, Checks
from playbooks.catalog import Catalog, cures, read_catalog
from playbooks.plan_page import Asked, plan_text
from playbooks.planning import Planning, plans_for
from playbooks.remedy import Plan, PlannedCall, Proposal
from playbooks.words import blamed, percent
from workers.commands.playbook_files import (
    USAGE,
    Json,
    Name,
    connected,
    fail,
    print_json,
)
from workers.commands.playbook_record import Record, record_of
from workers.settings import Settings, read_settings

Case = Annotated[
    Path | None, typer.Option("--case", exists=True, help="A recorded incident: a case folder, or a file.")
]


@dataclass(frozen=True)
class Seen:
    """An incident as it was diagnosed."""

    incident: str
    alert: Alert
    diagnosis: Diagnosis

    def on(self, service: str) -> Seen:
        """The same with the hypotheses about one service alone."""
        kept = [each for each in self.diagnosis.hypotheses if each.service == service]
        if not kept:
            named = ", ".join(dict.fromkeys(each.service for each in self.diagnosis.hypotheses))
            raise NotFound(f"no hypothesis blames {service}; blamed are {named or 'none'}")
        diagnosis = self.diagnosis.model_copy(update={"hypotheses": tuple(kept)})
        return Seen(self.incident, self.alert, diagnosis)


def _incidents() -> list[str]:
    try:
        with record_of(read_settings()) as record:
            return [ticket.id for ticket in record.incidents.all()]
    except AitiaError:
        return []


def plan(
    name: Name,
    *,
    incident: Annotated[
        str | None, typer.Option(metavar="ID", help="An incident on record.", autocompletion=_incidents)
    ] = None,
    case: Case = None,
    service: Annotated[str | None, typer.Option(help="Look at this service's hypotheses alone.")] = None,
    as_json: Json = False,
) -> None:
    """Show what a playbook would do about an incident, or why it would do nothing. Changes nothing."""
    if (incident is None) == (case is None):
        fail("say which incident: --incident ID or --case FOLDER", USAGE)
    settings = read_settings()
    try:
        with record_of(settings) as record:
            seen = seen_in_case(case, record) if case else _seen_on_record(str(incident), record)
            seen = seen.on(service) if service else seen
            actions, checks = connected(settings)
            catalog = _alone(name, settings, actions, checks)
            planning = _planned(seen, catalog, record, settings)
            asked = tuple(_asked(each, checks, record) for each in planning.plans)
    except AitiaError as error:
        fail(str(error))
    skipped = planning.skipped or _why_none(name, seen, catalog)
    if as_json:
        print_json(_facts(seen, asked, skipped))
    else:
        typer.echo(plan_text(seen.diagnosis, seen.alert, asked, skipped))
    if not asked:
        raise typer.Exit(1)


def seen_in_case(path: Path, record: Record) -> Seen:
    """Diagnose a recorded incident with what this site has learned."""
    from causal.diagnose import diagnose
    from integrations.sources import read_any

    alert, telemetry = read_any(path)
    return Seen(f"case-{path.resolve().name}", alert, diagnose(alert, telemetry, record.priors.current()))


def _seen_on_record(incident: str, record: Record) -> Seen:
    ticket = record.incidents.get(incident)
    if ticket.diagnosis is None:
        raise NotFound(f"{incident} is {ticket.status.replace('_', ' ')}: there is no diagnosis to plan from")
    return Seen(incident, ticket.alert, ticket.diagnosis)


def _alone(name: str, settings: Settings, actions: Actions, checks: Checks) -> Catalog:
    """The catalogue with one playbook in it."""
    catalog = read_catalog(settings.playbook_folders, actions, checks)
    return Catalog({name: catalog.get(name)}, actions, checks, catalog.files)


def _planned(seen: Seen, catalog: Catalog, record: Record, settings: Settings) -> Planning:
    connections = read_connections(settings.connections_folder)
    return plans_for(
        seen.diagnosis,
        seen.alert,
        seen.incident,
        catalog,
        record.priors.current(),
        facts=lambda service: service_facts(connections, service),
    )


def _asked(plan: Plan, checks: Checks, record: Record) -> Asked:
    conditions = tuple((each.action, _broken(each, checks)) for each in plan.preconditions)
    return Asked(Proposal(plan=plan, decision=record.decide(plan)), conditions)


def _broken(planned: PlannedCall, checks: Checks) -> str:
    check = checks[planned.action]
    try:
        return check.holds(check.Params.model_validate(planned.params)) or ""
    except AitiaError as error:
        return f"can not be told: {error}"


def _why_none(name: str, seen: Seen, catalog: Catalog) -> tuple[str, ...]:
    """Why not even a reason to skip it was found: it is for something else."""
    playbook = catalog.get(name)
    if any(cures(playbook, hypothesis) for hypothesis in seen.diagnosis.hypotheses):
        return ()
    meant = ", ".join(dict.fromkeys(str(cure.fault) for cure in playbook.cures))
    first = seen.diagnosis.hypotheses[:3]
    found = "; ".join(f"{blamed(each)} ({percent(each.probability)})" for each in first)
    return (f"{name} is for {meant}; the diagnosis says {found or 'nothing'}",)


def _facts(seen: Seen, asked: tuple[Asked, ...], skipped: tuple[str, ...]) -> dict[str, object]:
    return {
        "incident": seen.incident,
        "plans": [
            {
                **each.proposal.model_dump(mode="json"),
                "digest": each.proposal.plan.digest(),
                "preconditions": [
                    {"check": check, "holds": not broken, "because": broken}
                    for check, broken in each.conditions
                ],
            }
            for each in asked
        ],
        "skipped": list(skipped),
    }


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(plan)
