"""``aitia check``: is everything that Aitia works with there and willing? Nothing is changed by asking.

Exit codes: 0 all is well, warnings included; 1 something failed; 2 wrong usage.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer

from causal.errors import AitiaError, NotFound
from workers.checkup.asking import LIMIT_SECONDS, ask_all
from workers.checkup.report import Finding, State, System, finding, wrong
from workers.commands.options import AsJson
from workers.settings import read_settings

USAGE = 2
COLOURS: dict[State, str] = {"ok": "green", "warning": "yellow", "failed": "red"}
_CLEAR = "\r\x1b[2K"

Waiting = Callable[[tuple[str, ...]], None]


def _names() -> list[str]:
    from workers.checkup.systems import all_systems, known_names

    try:
        return known_names(all_systems(read_settings()))
    except AitiaError:
        return []


def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...", help="what to look at; everything in use if none", autocompletion=_names
        ),
    ] = None,
    *,
    as_json: AsJson = False,
    limit: Annotated[float, typer.Option(min=0.1, help="seconds that each may take")] = LIMIT_SECONDS,
) -> None:
    """Ask every configured system whether all is well, and say what is missing and what to do.

    Nothing is changed anywhere. A name may be a system (slack), one of a kind (prometheus/main) or a kind
    (prometheus). Exit codes: 0 well, 1 something failed, 2 no such name.
    """
    from workers.checkup.systems import all_systems, chosen, secrets_of  # late: they bring all vendors

    try:
        settings = read_settings()
    except AitiaError as error:
        _end([finding("settings", [wrong(str(error), "mend it")])], as_json=as_json, left=())
    systems = all_systems(settings)
    try:
        asked = chosen(systems, names or ())
    except NotFound as error:
        typer.echo(f"aitia: {error}", err=True)
        raise typer.Exit(USAGE) from None
    width = max(len(system.name) for system in asked)
    found = []
    with _progress() as waiting:
        for each in ask_all(asked, secrets=secrets_of(settings), limit=limit, waiting=waiting):
            found.append(each)
            waiting(())
            if not as_json:
                _tell(each, width)
    _end(found, as_json=as_json, left=() if names else _left_out(systems), told=True)


def _end(found: Sequence[Finding], *, as_json: bool, left: tuple[str, ...], told: bool = False) -> None:
    if as_json:
        typer.echo(json.dumps({"systems": [_as_json(each) for each in found], "not_set_up": left}, indent=1))
    elif not told:
        for each in found:
            _tell(each, len(each.system))
    if left and not as_json:
        typer.echo(f"not set up: {', '.join(left)} (`aitia check NAME` says what they need)")
    raise typer.Exit(1 if any(each.state == "failed" for each in found) else 0)


def _left_out(systems: Sequence[System]) -> tuple[str, ...]:
    return tuple(system.name for system in systems if not system.is_set_up)


def _as_json(each: Finding) -> dict[str, object]:
    return {
        "system": each.system,
        "state": each.state,
        "remarks": [asdict(remark) for remark in each.remarks],
    }


def _tell(each: Finding, width: int) -> None:
    state = typer.style(f"{each.state:<7}", fg=COLOURS[each.state])
    typer.echo(f"{state}  {each.system:<{width}}  {each.words}")


@contextmanager
def _progress() -> Iterator[Waiting]:
    """Say on a terminal who has not answered yet, in a line that goes when there is an answer."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    room = shutil.get_terminal_size().columns - 1

    def say(names: tuple[str, ...]) -> None:
        sys.stderr.write(f"{_CLEAR}{('waiting for ' + ', '.join(names))[:room] if names else ''}")
        sys.stderr.flush()

    yield say
    say(())


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(check)
