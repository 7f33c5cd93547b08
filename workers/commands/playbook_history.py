"""``aitia playbook history``: what became of a playbook's runs, and how far it is trusted for that.

Exit codes: 0; 1 there is no playbook of that name; 2 wrong usage.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated

import typer

from causal.errors import AitiaError
from causal.evidence import Fact, Fault, Priors
from causal.learn import aged
from integrations.connections import read_connections
from playbooks.catalog import Catalog
from playbooks.confidence import confidence
from playbooks.gate import Policy
from playbooks.planning import ENVIRONMENT
from playbooks.remedy import Attempt, AttemptStatus, Playbook
from playbooks.ticket import Ticket
from playbooks.words import iso, percent, plain
from workers.commands.playbook_files import Json, fail, known_names, print_json, the_catalog
from workers.commands.playbook_record import record_of
from workers.settings import read_settings


class Standing(Fact):
    """How far a playbook is trusted with a kind of fault: its runs (older ones count less), an interval."""

    fault: Fault
    successes: float
    failures: float
    mean: float
    floor: float
    ceiling: float


class Level(Fact):
    """What a playbook may do in an environment; on any service if none is named.

    ``withdrawn`` says why it may not act alone although the policy (``autonomy``) lets it.
    """

    environment: str
    service: str = ""
    autonomy: str
    act_above: float
    min_verified_successes: int
    withdrawn: str = ""

    @property
    def in_force(self) -> str:
        """The level that counts: automation that was withdrawn asks people."""
        return "approve" if self.withdrawn and self.autonomy == "auto" else self.autonomy


class Ran(Fact):
    """One run, as its incident tells it."""

    at: float
    incident: str
    service: str
    fault: Fault
    status: AttemptStatus
    approved_by: tuple[str, ...] = ()
    because: str = ""


class History(Fact):
    """Everything on record about one playbook."""

    playbook: str
    standing: tuple[Standing, ...]
    levels: tuple[Level, ...]
    runs: tuple[Ran, ...]


def history(
    name: Annotated[
        str | None, typer.Argument(help="A playbook; all of them if none.", autocompletion=known_names)
    ] = None,
    *,
    as_json: Json = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many runs, the newest.")] = 10,
) -> None:
    """Show runs, confidence with its interval, and the level of autonomy in force."""
    catalog = the_catalog()
    try:
        chosen = [catalog.get(name)] if name else _all(catalog)
        settings = read_settings()
        environments = _environments(read_connections(settings.connections_folder).files)
        with record_of(settings) as record:
            tickets = record.incidents.all(1000)
            found = [
                _history(each, record.priors.current(), record.policy, tickets, environments)
                for each in chosen
            ]
    except AitiaError as error:
        fail(str(error))
    shown = [each.model_copy(update={"runs": each.runs[:limit]}) for each in found]
    if as_json:
        print_json([each.model_dump(mode="json") for each in shown])
        return
    typer.echo("\n\n".join("\n".join(_lines(each)) for each in shown))


def _all(catalog: Catalog) -> list[Playbook]:
    return [catalog.playbooks[name] for name in sorted(catalog.playbooks)]


def _environments(files: tuple[object, ...]) -> tuple[str, ...]:
    named = {str(getattr(file, "environment", ENVIRONMENT)) for file in files}
    return tuple(sorted(named)) or (ENVIRONMENT,)


def _history(
    playbook: Playbook,
    priors: Priors,
    policy: Policy,
    tickets: tuple[Ticket, ...],
    environments: tuple[str, ...],
) -> History:
    runs = sorted(_runs(playbook.name, tickets), key=lambda run: -run.at)
    services = ["", *sorted({run.service for run in runs})]
    demotion = priors.demotion(playbook.name)
    withdrawn = demotion.because if demotion else ""
    levels = [
        _level(playbook.name, service, each, policy, withdrawn)
        for each in environments
        for service in services
    ]
    general = {(level.environment, level.autonomy) for level in levels if not level.service}
    return History(
        playbook=playbook.name,
        standing=tuple(_standing(playbook, priors)),
        levels=tuple(
            level
            for level in levels
            if not level.service or (level.environment, level.autonomy) not in general
        ),
        runs=tuple(runs),
    )


def _standing(playbook: Playbook, priors: Priors) -> Iterator[Standing]:
    for fault in dict.fromkeys(cure.fault for cure in playbook.cures):
        record = aged(priors.record(playbook.name, fault), time.time())
        known = confidence(playbook.confidence, record)
        yield Standing(
            fault=fault,
            successes=record.successes,
            failures=record.failures,
            mean=known.mean,
            floor=known.floor,
            ceiling=known.ceiling,
        )


def _level(playbook: str, service: str, environment: str, policy: Policy, withdrawn: str) -> Level:
    terms = policy.terms(playbook, service, environment)
    return Level(
        environment=environment,
        service=service,
        autonomy=terms.autonomy,
        act_above=terms.act_above,
        min_verified_successes=terms.min_verified_successes,
        withdrawn=withdrawn,
    )


def _runs(name: str, tickets: tuple[Ticket, ...]) -> Iterator[Ran]:
    for ticket in tickets:
        for attempt in ticket.attempts:
            if attempt.plan.playbook == name:
                yield _ran(attempt, ticket)


def _ran(attempt: Attempt, ticket: Ticket) -> Ran:
    return Ran(
        at=max((result.ended_at for result in attempt.results), default=ticket.updated_at),
        incident=ticket.id,
        service=attempt.plan.service,
        fault=attempt.plan.fault,
        status=attempt.status,
        approved_by=attempt.approved_by,
        because=attempt.because,
    )


def _lines(found: History) -> Iterator[str]:
    yield found.playbook
    for each in found.standing:
        counted = f"{each.successes:.3g} successes, {each.failures:.3g} failures"
        between = f"{percent(each.floor)} and {percent(each.ceiling)}"
        yield f"  {each.fault:15} {counted:28} helps in {percent(each.mean)} (90 % between {between})"
    for level in found.levels:
        where = f"{level.environment}, {level.service or 'any service'}"
        needs = f"alone from {level.act_above:g} and {level.min_verified_successes} verified successes"
        alone = f", {needs}" if level.in_force == "auto" else ""
        why = f", not auto: {level.withdrawn}" if level.in_force != level.autonomy else ""
        yield "  " + plain(f"autonomy {level.in_force} in {where}{alone}{why}")
    if not found.runs:
        yield "  no runs on record"
    for run in found.runs:
        by = (
            f"approved by {', '.join(run.approved_by)}" if run.approved_by else "nobody was asked or said yes"
        )
        because = f": {run.because}" if run.because else ""
        outcome = f"{run.status.replace('_', ' ')}{because}"
        yield "  " + plain(f"{iso(run.at)} {run.incident} {run.fault} of {run.service}, {by}; {outcome}")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(history)
