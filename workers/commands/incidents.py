"""``aitia incidents``, ``incident``, ``approvals``, ``approve``, ``decline``."""

from __future__ import annotations

import getpass
import json
from typing import Annotated, Any
from urllib.parse import quote

import typer

from causal.errors import AitiaError, NotFound, Refused
from causal.evidence import Fault
from playbooks.render import one_line, to_markdown, to_text
from playbooks.ticket import Ticket
from playbooks.words import plain
from workers.commands.door_client import ask_door

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise Refused("this account has no name; say with --by who answers") from None


By = Annotated[str, typer.Option(help="who answers", default_factory=_me, show_default="you")]


def _known_incidents() -> list[str]:
    return _ids("/incidents")


def _open_approvals() -> list[str]:
    return _ids("/approvals")


def _ids(path: str) -> list[str]:
    """What a shell may complete; nothing where no Aitia answers, for nobody asked to hear about that."""
    try:
        return [found["id"] for found in ask_door("GET", path)]
    except AitiaError:
        return []


def _blamed(ctx: typer.Context) -> list[str]:
    """The services that an incident's hypotheses name."""
    try:
        found = ask_door("GET", f"/incidents/{quote(str(ctx.params.get('incident', '')), safe='')}")
    except AitiaError:
        return []
    return [hypothesis["service"] for hypothesis in found["hypotheses"]]


Because = Annotated[str, typer.Option(help="how it is known; kept in the audit log")]
IncidentId = Annotated[str, typer.Argument(metavar="ID", autocompletion=_known_incidents)]
ApprovalId = Annotated[
    str, typer.Argument(metavar="ID", help="an approval, or its incident", autocompletion=_open_approvals)
]


def list_incidents(
    *, as_json: AsJson = False, limit: Annotated[int, typer.Option(min=1, max=1000)] = 100
) -> None:
    """List incidents, newest first."""
    found = ask_door("GET", "/incidents", params={"limit": limit})
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
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


def list_approvals(*, as_json: AsJson = False) -> None:
    """List what waits for an answer."""
    found = ask_door("GET", "/approvals")
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    if not found:
        typer.echo("nothing waits for an answer")
    for approval in found:
        typer.echo(plain(f"{approval['id']}  {approval['title']}"))


def approve(approval: ApprovalId, *, by: By, as_json: AsJson = False) -> None:
    """Approve a plan: exactly the one that is shown with its incident."""
    _answer(approval, approve_it=True, by=by, because="", as_json=as_json)


def decline(
    approval: ApprovalId,
    *,
    because: Annotated[str, typer.Option(help="the reason; it is kept and learned from")],
    by: By,
    as_json: AsJson = False,
) -> None:
    """Decline a plan, with the reason."""
    _answer(approval, approve_it=False, by=by, because=because, as_json=as_json)


def confirm(incident: IncidentId, *, by: By, because: Because = "", as_json: AsJson = False) -> None:
    """Say that the first hypothesis of an ended incident named the true cause; Aitia learns from it."""
    _tell_cause(incident, {"by": by, "because": because}, as_json=as_json)


def correct(
    incident: IncidentId,
    *,
    service: Annotated[str, typer.Option(help="what was to blame", autocompletion=_blamed)],
    fault: Annotated[Fault | None, typer.Option(help="the kind of fault, where it is known")] = None,
    by: By,
    because: Because = "",
    as_json: AsJson = False,
) -> None:
    """Say what the true cause of an ended incident was; Aitia learns from it."""
    told = {"service": service, "fault": fault, "by": by, "because": because}
    _tell_cause(incident, told, as_json=as_json)


def _tell_cause(incident: str, told: dict[str, Any], *, as_json: bool) -> None:
    found = ask_door("POST", f"/incidents/{quote(incident, safe='')}/cause", json=told)
    cause = found["cause"]
    verdict = "confirmed" if cause["confirmed"] else "corrected"
    says = f"{incident}: {cause['service']} ({cause['fault'].replace('_', ' ')}), {verdict}"
    typer.echo(json.dumps(found, indent=1) if as_json else plain(says))


def _answer(approval: str, *, approve_it: bool, by: str, because: str, as_json: bool) -> None:
    question = _question(approval)
    answer = {"plan_digest": question["plan_digest"], "approve": approve_it, "by": by, "because": because}
    answered = ask_door("POST", f"/approvals/{question['id']}", json=answer)
    typer.echo(json.dumps(answered, indent=1) if as_json else f"{answered['id']} is {answered['status']}")


def _question(approval: str) -> dict[str, Any]:
    """The approval with this id, or the one that waits in the incident with this id."""
    waiting: list[dict[str, Any]] = ask_door("GET", "/approvals")
    for question in waiting:
        if approval in {question["id"], question["incident"]}:
            return question
    try:
        known: dict[str, Any] = ask_door("GET", f"/approvals/{quote(approval, safe='')}")
    except NotFound:
        ids = ", ".join(question["id"] for question in waiting) or "nothing"
        raise NotFound(f"no approval {approval}; waiting for an answer: {ids}") from None
    return known


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("incidents")(list_incidents)
    app.command("incident")(show_incident)
    app.command("approvals")(list_approvals)
    app.command("approve")(approve)
    app.command("decline")(decline)
    app.command("confirm")(confirm)
    app.command("correct")(correct)
