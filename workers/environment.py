"""Environment variables that begin like ours and are nobody's: a slip that would else go unnoticed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from functools import cache

from workers.secret_files import ENDING, PREFIX, secret_names
from workers.settings import Settings

# Read elsewhere than in the settings: by the command line, by what runs a step, by docker-compose.yml.
_OTHERS = frozenset({"AITIA_TOKEN", "AITIA_STEP", "AITIA_DB_PASSWORD", "AITIA_PORT"})


@cache
def variables() -> frozenset[str]:
    """Every variable of ours that means something."""
    fields = Settings.model_fields
    own = {field.alias or f"{PREFIX}{name.upper()}" for name, field in fields.items()}
    files = {f"{PREFIX}{name}{ENDING}".upper() for name in secret_names(fields)}
    return frozenset(own | files | _OTHERS)


def misspelt(environment: Mapping[str, str], also: Iterable[str] = ()) -> tuple[str, ...]:
    """Say of each variable that begins like ours and is none which one was perhaps meant; never its value.

    ``also`` are further names that mean something to somebody.
    """
    known = {*variables(), *also}
    odd = [
        name for name in sorted(environment) if name.upper().startswith(PREFIX) and name.upper() not in known
    ]
    return tuple(_told(name, known) for name in odd)


def _told(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name.upper(), sorted(known), n=1, cutoff=0.6)
    meant = f"did you mean {close[0]}?" if close else "`aitia init` writes a file that names all settings"
    return f"nothing reads the variable {name}; {meant}"
