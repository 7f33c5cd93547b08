"""``aitia stop-all``, ``resume``, ``locks``."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from playbooks.words import iso, plain
from workers.commands.door_client import ask_door
from workers.commands.options import AsJson, By, Token

Because = Annotated[str, typer.Option(help="the reason; it is kept in the audit log")]


def stop_all(*, because: Because, by: By, token: Token = None, as_json: AsJson = False) -> None:
    """Stop everything at once: nothing is carried out any more, also what is queued already."""
    _tell(ask_door("POST", "/stop", json={"because": because, "by": by}, token=token), as_json=as_json)


def resume(*, because: Because, by: By, token: Token = None, as_json: AsJson = False) -> None:
    """Let plans be carried out again; what was stopped on its way stays as it is."""
    _tell(ask_door("POST", "/resume", json={"because": because, "by": by}, token=token), as_json=as_json)


def locks(*, token: Token = None, as_json: AsJson = False) -> None:
    """List what is being acted on, by which plan, and whether everything is stopped."""
    held, state = ask_door("GET", "/locks", token=token), ask_door("GET", "/stop", token=token)
    if as_json:
        typer.echo(json.dumps({"locks": held, "stop": state}, indent=1))
        return
    if state["stopped"]:
        typer.echo(plain(stopped(state)))
    for lock in held:
        typer.echo(plain(f"{lock['target']}  {lock['owner']}  until {iso(lock['until'])}"))
    if not held:
        typer.echo("nothing is being acted on")


def stopped(state: dict[str, Any]) -> str:
    """Say that everything is stopped, and how to let it go on."""
    when = iso(state["at"])
    return f"stopped by {state['by']} at {when} ({state['because']}); `aitia resume` lets it go on"


def _tell(state: dict[str, Any], *, as_json: bool) -> None:
    says = stopped(state) if state["stopped"] else f"{state['by']} lets it go on ({state['because']})"
    typer.echo(json.dumps(state, indent=1) if as_json else plain(says))


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("stop-all")(stop_all)
    app.command("resume")(resume)
    app.command("locks")(locks)
