"""``aitia incidents``, ``incident``, ``confirm``, ``correct``."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import quote

import typer

from causal.errors import AitiaError
from causal.evidence import Fault
from playbooks.render import one_line, to_markdown, to_text
from playbooks.ticket import Ticket
from playbooks.words import plain
from workers.commands.brakes import stopped
from workers.commands.door_client import ask_door
from workers.commands.options import AsJson, By, Token, ids


def _known_incidents() -> list[str]:
    return ids("/incidents")


def _blamed(ctx: typer.Context) -> list[str]:
    """The services that an incident's hypotheses name."""
    try:
        found = ask_door("GET", f"/incidents/{quote(str(ctx.params.get('incident', '')), safe='')}")
    except AitiaError:
        return []
    return [hypothesis["service"] for hypothesis in found["hypotheses"]]


Because = Annotated[str, typer.Option(help="how it is known; kept in the audit log")]
IncidentId = Annotated[str, typer.Argument(metavar="ID", autocompletion=_known_incidents)]


def list_incidents(
    *, as_json: AsJson = False, limit: Annotated[int, typer.Option(min=1, max=1000)] = 100
) -> None:
    """List incidents, newest first."""
    found = ask_door("GET", "/incidents", params={"limit": limit})
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    if (state := ask_door("GET", "/stop"))["stopped"]:
        typer.echo(plain(stopped(state)))
    if not found:
        typer.echo("no incidents")
    for incident in found:
        typer.echo(one_line(Ticket.model_validate(incident)))


def show_incident(
    incident: IncidentId,
    *,
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option(help="print Markdown")] = False,
) -> None:
    """Show one incident: what hurts, why, what is proposed, what was done."""
    found = ask_door("GET", f"/incidents/{quote(incident, safe='')}")
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    ticket = Ticket.model_validate(found)
    typer.echo(to_markdown(ticket) if markdown else to_text(ticket))


def confirm(
    incident: IncidentId, *, by: By, because: Because = "", token: Token = None, as_json: AsJson = False
) -> None:
    """Say that the first hypothesis of an ended incident named the true cause; Aitia learns from it."""
    _tell_cause(incident, {"by": by, "because": because}, token, as_json=as_json)


def correct(
    incident: IncidentId,
    *,
    service: Annotated[str, typer.Option(help="what was to blame", autocompletion=_blamed)],
    fault: Annotated[Fault | None, typer.Option(help="the kind of fault, where it is known")] = None,
    by: By,
    because: Because = "",
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Say what the true cause of an ended incident was; Aitia learns from it."""
    told = {"service": service, "fault": fault, "by": by, "because": because}
    _tell_cause(incident, told, token, as_json=as_json)


def _tell_cause(incident: str, told: dict[str, Any], token: str | None, *, as_json: bool) -> None:
    found = ask_door("POST", f"/incidents/{quote(incident, safe='')}/cause", json=told, token=token)
    cause = found["cause"]
    verdict = "confirmed" if cause["confirmed"] else "corrected"
    says = f"{incident}: {cause['service']} ({cause['fault'].replace('_', ' ')}), {verdict}"
    typer.echo(json.dumps(found, indent=1) if as_json else plain(says))


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("incidents")(list_incidents)
    app.command("incident")(show_incident)
    app.command("confirm")(confirm)
    app.command("correct")(correct)
