"""``aitia approvals``, ``approve``, ``decline``, ``delegate``.

Exit codes: 0 the answer counts; 1 it does not, or there is nothing to answer; 2 wrong usage.
"""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import quote

import typer

from causal.errors import AitiaError, NotFound, Refused
from causal.evidence import Fault
from integrations.people import PeopleFile
from playbooks.words import FAULTS, plain
from playbooks.written import nearest
from workers.commands.door_client import ask_door
from workers.commands.options import AsJson, By, Token, ids
from workers.settings import read_settings


def _open_approvals() -> list[str]:
    return ids("/approvals")


def _names() -> list[str]:
    try:
        return [person.name for person in PeopleFile(read_settings().people_file).named().people]
    except AitiaError:
        return []


def _causes(ctx: typer.Context) -> list[str]:
    """What the hypotheses say, but the first: it is what is declined."""
    try:
        incident = _question(str(ctx.params.get("approval", "")), None)["incident"]
        found = ask_door("GET", f"/incidents/{quote(incident, safe='')}")
    except AitiaError:
        return []
    return [f"{each['service']}:{each['fault']}" for each in found["hypotheses"][1:]]


ApprovalId = Annotated[
    str, typer.Argument(metavar="ID", help="an approval, or its incident", autocompletion=_open_approvals)
]


def list_approvals(*, token: Token = None, as_json: AsJson = False) -> None:
    """List what waits for an answer."""
    found = ask_door("GET", "/approvals", token=token)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    if not found:
        typer.echo("nothing waits for an answer")
    for approval in found:
        note = f"  ({approval['note']})" if approval["note"] else ""
        typer.echo(plain(f"{approval['id']}  {approval['title']}{note}"))


def approve(approval: ApprovalId, *, by: By, token: Token = None, as_json: AsJson = False) -> None:
    """Approve a plan: exactly the one that is shown with its incident."""
    _answer(approval, {"approve": True, "by": by}, token, as_json=as_json)


def decline(
    approval: ApprovalId,
    *,
    because: Annotated[str, typer.Option(help="the reason; it is kept and learned from")] = "",
    it_was: Annotated[
        str | None,
        typer.Option(
            metavar="SERVICE:FAULT",
            help="what it was instead; it is kept and learned from",
            autocompletion=_causes,
        ),
    ] = None,
    by: By,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Decline a plan, with the reason or with what it was instead."""
    if not because.strip() and it_was is None:
        raise typer.BadParameter("say why, or with --it-was what it was instead", param_hint="--because")
    no: dict[str, Any] = {"approve": False, "because": because, "by": by}
    if it_was is not None:
        no["it_was"] = _cause(it_was)
    _answer(approval, no, token, as_json=as_json)


def delegate(
    approval: ApprovalId,
    *,
    to: Annotated[str, typer.Option(help="who is to answer instead", autocompletion=_names)],
    by: By,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Hand your vote to somebody else until the question expires."""
    question = _question(approval, token)
    wish = {"binding": question["binding"], "to": to, "by": by}
    told = ask_door("POST", f"/approvals/{quote(question['id'], safe='')}/delegate", json=wish, token=token)
    handed = told["delegations"][-1]
    says = f"{told['id']}: {handed['to']} answers for {handed['by']}"
    typer.echo(json.dumps(told, indent=1) if as_json else plain(says))


def _answer(approval: str, answer: dict[str, Any], token: str | None, *, as_json: bool) -> None:
    question = _question(approval, token)
    bound = {"binding": question["binding"], "token": question["token"]}
    path = f"/approvals/{quote(question['id'], safe='')}"
    answered = ask_door("POST", path, json={**bound, **answer}, token=token)
    typer.echo(json.dumps(answered, indent=1) if as_json else plain(_now(answered)))


def _now(answered: dict[str, Any]) -> str:
    if answered["status"] == "open":
        return f"{answered['id']} has {len(answered['votes'])} of {answered['quorum']} votes"
    return f"{answered['id']} is {answered['status']}"


def _cause(text: str) -> dict[str, str]:
    """Read ``service:fault``; a service alone is a fault of unknown kind."""
    service, _, fault = text.rpartition(":") if ":" in text else (text, "", str(Fault.UNKNOWN))
    kinds = [str(kind) for kind in FAULTS]
    if not service.strip() or fault not in kinds:
        raise Refused(f"--it-was {text}: write SERVICE:FAULT; of faults, {nearest(fault, kinds)}")
    return {"service": service.strip(), "fault": fault}


def _question(approval: str, token: str | None) -> dict[str, Any]:
    """The approval with this id, or the one that waits in the incident with this id."""
    waiting: list[dict[str, Any]] = ask_door("GET", "/approvals", token=token)
    for question in waiting:
        if approval in {question["id"], question["incident"]}:
            return question
    try:
        known: dict[str, Any] = ask_door("GET", f"/approvals/{quote(approval, safe='')}", token=token)
    except NotFound:
        ids_ = ", ".join(question["id"] for question in waiting) or "nothing"
        raise NotFound(f"no approval {approval}; waiting for an answer: {ids_}") from None
    return known


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("approvals")(list_approvals)
    app.command("approve")(approve)
    app.command("decline")(decline)
    app.command("delegate")(delegate)
