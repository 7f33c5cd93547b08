"""``aitia learning``: what was learned, whether it still holds, and what automation may do alone.

Exit codes: 0 all is well; 1 autonomy is withdrawn, or what was asked for failed; 2 wrong usage.
"""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer

from playbooks.drift import Drift
from playbooks.words import iso, plain
from workers.commands.door_client import ask_door
from workers.commands.options import AsJson, By, Token
from workers.learning_view import LearningView
from workers.messages import Retrained

app = typer.Typer(help="What was learned, and whether it still holds.", no_args_is_help=True)

LOOK_EVERY_SECONDS = 1.0
ALL = "all playbooks"


@app.command()
def show(*, token: Token = None, as_json: AsJson = False) -> None:
    """Show what was learned, the watches for drift, and what automation may not do alone any more."""
    found = ask_door("GET", "/learning", token=token)
    if as_json:
        _print(found)
    else:
        _tell(LearningView.model_validate(found))
    raise typer.Exit(1 if found["demotions"] else 0)


@app.command()
def check(*, token: Token = None, as_json: AsJson = False) -> None:
    """Look for drift now, as each night: withdraw autonomy, or give it back where it is earned again."""
    found = ask_door("POST", "/learning/check", token=token)
    if as_json:
        _print(found)
    else:
        _tell_drift(Drift.model_validate(found))
    raise typer.Exit(1 if found["demotions"] else 0)


@app.command()
def restore(
    playbook: Annotated[str, typer.Argument(help="A playbook; all that was withdrawn if none.")] = "",
    *,
    because: Annotated[str, typer.Option(help="the reason; it is kept in the audit log")],
    by: By,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Give autonomy back; what was before counts no more for the watches."""
    wish = {"playbook": playbook, "because": because, "by": by}
    given = ask_door("POST", "/learning/restore", json=wish, token=token)
    if as_json:
        _print(given)
        return
    for each in given:
        typer.echo(plain(f"{each['playbook'] or ALL} may act as the policy says ({each['by']})"))


@app.command()
def retrain(
    *,
    token: Token = None,
    as_json: AsJson = False,
    wait: Annotated[float, typer.Option(min=0, help="wait so long for its end, in seconds")] = 600.0,
) -> None:
    """Learn the baselines anew now, as each week, and say what has changed."""
    ask_door("POST", "/learning/retrain", token=token)
    found, end = ask_door("GET", "/learning/retrain", token=token), time.monotonic() + wait
    while found["state"] == "running" and time.monotonic() < end:
        typer.echo("learning quiet time anew ...", err=True)
        time.sleep(LOOK_EVERY_SECONDS)
        found = ask_door("GET", "/learning/retrain", token=token)
    if as_json:
        _print(found)
    else:
        typer.echo(Retrained.model_validate(found["done"]).says if found["done"] else found["state"])
    raise typer.Exit(0 if found["state"] == "done" else 1)


def _tell(found: LearningView) -> None:
    typer.echo(f"version {found.version}: {found.labels} confirmed incidents, {found.deeds} deeds of a year")
    typer.echo(plain(found.calibration))
    for record in found.playbooks:
        where = record.service or "all services"
        typer.echo(
            plain(
                f"  {record.playbook}  {record.fault.replace('_', ' ')}  {where}: {record.successes:.1f} "
                f"successes, {record.failures:.1f} failures, {record.declined:.1f} declined"
            )
        )
    for watch in (known for known in found.watches if known.outcomes):
        typer.echo(plain(f"  {watch.says}"))
    for demotion in found.demotions:
        typer.echo(
            plain(f"withdrawn from {demotion.playbook or ALL} at {iso(demotion.at)}: {demotion.because}")
        )
    typer.echo("`aitia learning restore` gives it back" if found.demotions else "nothing is withdrawn")


def _tell_drift(found: Drift) -> None:
    for watch in (known for known in found.watches if known.outcomes):
        typer.echo(plain(watch.says))
    for demotion in found.demotions:
        typer.echo(plain(f"withdrawn from {demotion.playbook or ALL}: {demotion.because}"))
    for restoration in found.restorations:
        typer.echo(plain(f"given back to {restoration.playbook or ALL}: {restoration.because}"))
    if not found.changes:
        typer.echo("nothing changes")


def _print(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1))
