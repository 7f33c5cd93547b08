"""What several commands ask for in the same words, and what a shell may complete."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from causal.errors import AitiaError, Refused
from workers.commands.door_client import ask_door

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
Token = Annotated[
    str | None,
    typer.Option(
        envvar="AITIA_TOKEN", help="your own token (`aitia people add`); the door's if none", metavar="TOKEN"
    ),
]


def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise Refused("this account has no name; say with --by who answers") from None


By = Annotated[
    str,
    typer.Option(
        help="who answers; counts only where people.yaml names nobody",
        default_factory=_me,
        show_default="you",
    ),
]


def ids(path: str) -> list[str]:
    """What a shell may complete; nothing where no Aitia answers, for nobody asked to hear about that."""
    try:
        return [found["id"] for found in ask_door("GET", path)]
    except AitiaError:
        return []
