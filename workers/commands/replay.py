"""``aitia replay``: which decisions about recorded incidents would be others today.

The site's incidents are put through today's engine, policy and playbooks, or through those that are named
(``--engine``, ``--policy FILE``, ``--playbooks FOLDER``) with the rest as it was recorded. A folder of cases
has no recorded decisions: they are compared with those of the site's own policy and playbooks, or with an
earlier ``--json`` (``--against FILE``), such as the one of the branch that a change is to go into.

Exit codes: 0 nothing changed; with ``--gate`` 3 where decisions changed; 1 where something could not be
replayed, or there was nothing to replay; 2 wrong usage.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from causal.errors import AitiaError
from playbooks.words import plain_lines
from workers.commands.replay_sources import Asked, results
from workers.replaying import SAME_PROBABILITY, Replayed
from workers.settings import read_settings

CHANGED, TROUBLE, USAGE = 3, 1, 2
MOST_REASONS = 3


def replay(
    *,
    gate: Annotated[bool, typer.Option("--gate", help="End with 3 where decisions change: for CI.")] = False,
    engine: Annotated[bool, typer.Option("--engine", help="Replay with today's engine.")] = False,
    policy: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Replay with this policy.")
    ] = None,
    playbooks: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Replay with the library and these playbooks."),
    ] = None,
    cases: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Replay a folder of cases instead.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Compare with an earlier --json.")
    ] = None,
    last: Annotated[int, typer.Option(min=1, help="At most so many incidents, the newest.")] = 1000,
    tolerance: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="How far a probability may move and be the same.")
    ] = SAME_PROBABILITY,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Replay recorded incidents and print which decisions change."""
    asked = Asked(engine, policy, playbooks, cases, against, last, tolerance)
    if cases is not None and not (policy or playbooks or against):
        _fail("cases have no decisions on record: name --policy or --playbooks, or --against FILE", USAGE)
    try:
        found = list(_shown(results(asked, read_settings())))
    except AitiaError as error:
        _fail(str(error), TROUBLE)
    typer.echo(_json(found) if as_json else _text(found))
    changed, troubled = _counts(found)
    typer.echo(f"{len(found)} replayed, {changed} changed, {troubled} could not be replayed", err=True)
    if troubled or not found:
        raise typer.Exit(TROUBLE)
    if changed and gate:
        raise typer.Exit(CHANGED)


def _shown(found: Iterator[tuple[int, Replayed]]) -> Iterator[Replayed]:
    """Pass results on, and tell on a terminal how far it is."""
    for number, (total, result) in enumerate(found, start=1):
        if sys.stderr.isatty():
            end = "\n" if number == total else ""
            typer.echo(f"\r{number}/{total} {result.incident:40.40}{end}", err=True, nl=False)
        yield result


def _counts(found: list[Replayed]) -> tuple[int, int]:
    return sum(bool(each.changed) for each in found), sum(bool(each.trouble) for each in found)


def _json(found: list[Replayed]) -> str:
    changed, troubled = _counts(found)
    head = {"replayed": len(found), "changed": changed, "troubled": troubled}
    told = [each.model_dump(mode="json") for each in found]
    return json.dumps({**head, "incidents": told}, indent=1)


def _text(found: list[Replayed]) -> str:
    if not found:
        return "nothing to replay: no incident on record has a diagnosis and its telemetry"
    lines = [line for each in found for line in _lines(each)]
    return "\n".join(lines) if lines else "no decision changes"


def _lines(result: Replayed) -> Iterator[str]:
    if result.trouble:
        yield f"{result.incident}: could not be replayed: {result.trouble}"
    elif result.changed:
        yield result.incident
        for name in result.changed:
            was, now = getattr(result.before, name), getattr(result.now, name)
            yield f"  {name:12} {_shown_value(was)} -> {_shown_value(now)}"
        if {"plan", "verdict"} & set(result.changed):
            yield from (f"  {'because':12} {_shown_value(why)}" for why in result.now.reasons[:MOST_REASONS])


def _shown_value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
    return " ".join(plain_lines(text)) or "nothing"


def _fail(says: str, code: int) -> NoReturn:
    typer.echo("aitia: " + "\n".join(plain_lines(says)), err=True)
    raise typer.Exit(code)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("replay")(replay)
