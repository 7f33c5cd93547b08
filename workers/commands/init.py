"""``aitia init``: a home folder with files to fill in, and what could be found out filled in already.

Exit codes: 0 all files are there, written now or before; 1 one could not be written, or nobody answered a
question; 2 wrong usage.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from causal.errors import MalformedSettings, Unavailable
from integrations.people import PeopleFile
from playbooks.words import plain
from workers.settings import Settings, default_home

if TYPE_CHECKING:
    from integrations.git_repository import GitRepository
    from workers.discovery import Place

LOOPBACK = "127.0.0.1"
Yes = Annotated[bool, typer.Option("--yes", help="ask nothing; no answer is given for you")]
Home = Annotated[Path | None, typer.Option(metavar="DIR", help="the home folder, if not AITIA_HOME's")]
Hosts = Annotated[
    list[str] | None,
    typer.Option("--host", metavar="HOST[:PORT]", help="look here, not on this machine; may be repeated"),
]


@dataclass(frozen=True)
class _Found:
    """What was found out, and what was answered."""

    places: tuple[Place, ...]
    temporal: str | None
    repository: GitRepository | None
    may_revert: bool
    approver: str

    @property
    def files(self) -> Mapping[str, str]:
        """What to write, by its place in the home folder."""
        from workers import skeletons

        alertmanagers = [place.url for place in self.places if place.kind == "alertmanager"]
        return {
            "settings.yaml": skeletons.settings_text(
                {"temporal_address": self.temporal} if self.temporal else {}
            ),
            "sources.yaml": skeletons.sources_text(self.places),
            "people.yaml" if self.approver else "people.yaml.example": skeletons.people_text(
                example=not self.approver
            ),
            "policy.yaml": skeletons.POLICY,
            "redaction.yaml": skeletons.REDACTION,
            "connections.d/site.yaml": skeletons.connections_text(
                self.repository, allowed=self.may_revert, alertmanagers=alertmanagers
            ),
        }


def init(*, yes: Yes = False, home: Home = None, host: Hosts = None) -> None:
    """Write commented settings, sources, people, policy and redaction; never over a file that is there.

    Looks for Temporal, Prometheus, Alertmanager, Jaeger, Tempo and Loki on this machine, or on the hosts
    given, and for a git repository in the working folder; asks what it can not find out.
    """
    folder = home.expanduser().absolute() if home else default_home()
    found = _found(tuple(host or ()), folder, ask=not yes)
    for place in found.places:
        _tell("found", f"{place.kind} at {place.url}")
    if found.temporal:
        _tell("found", f"Temporal at {found.temporal}")
    if found.repository:
        _tell("found", f"git repository {found.repository.path}")
    written = [name for name, text in found.files.items() if _write(folder / name, text)]
    if found.approver and "people.yaml" in written:
        token = PeopleFile(folder / "people.yaml").add(found.approver, (), None, None)
        _tell("token", f"of {found.approver}, shown once; they set AITIA_TOKEN to it: {token}")
    _read_back(folder)
    _next(folder, found.places)


def _found(hosts: tuple[str, ...], folder: Path, *, ask: bool) -> _Found:
    from workers import discovery

    places = discovery.places(hosts or (LOOPBACK,))
    if not places and ask:
        more = typer.prompt(
            "Hosts of Prometheus, Alertmanager, Jaeger, Tempo, Loki (HOST or HOST:PORT, commas; empty: none)",
            default="",
            show_default=False,
        )
        places = discovery.places(word.strip() for word in more.split(",") if word.strip())
    address = os.environ.get("TEMPORAL_ADDRESS") or f"{LOOPBACK}:{discovery.TEMPORAL_PORT}"
    repository = discovery.repository(Path.cwd())
    return _Found(
        places=places,
        temporal=address if discovery.temporal(address) else None,
        repository=repository,
        may_revert=ask and repository is not None and _may_revert(repository),
        approver=_approver(folder) if ask else "",
    )


def _may_revert(repository: GitRepository) -> bool:
    return typer.confirm(
        plain(f"May Aitia put commits of {repository.path} back, once somebody approves?"), default=False
    )


def _approver(folder: Path) -> str:
    if (folder / "people.yaml").exists():
        return ""
    says = "Who may approve fixes? (a name; empty: whoever holds the door's token)"
    return str(typer.prompt(says, default="", show_default=False)).strip()


def _write(path: Path, text: str) -> bool:
    """Write a file that is not there yet, for its owner alone."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        _tell("kept", path)
        return False
    except OSError as error:
        raise Unavailable(f"{path} can not be written: {error.strerror}") from error
    _tell("wrote", path)
    return True


def _read_back(folder: Path) -> None:
    """Read everything as the house will; a mistake in a file that was there before is told, too."""
    from pydantic import ValidationError

    from integrations.redaction import read_redaction
    from workers.house import House

    try:
        house = House(Settings(home=folder))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise MalformedSettings(str(first["msg"]), where=f"setting {where}") from error
    house.sources()
    house.connections()
    house.people.read()
    house.policy()
    read_redaction(house.settings.redaction_file)


def _next(folder: Path, places: tuple[Place, ...]) -> None:
    prefix = "" if folder == default_home() else f"AITIA_HOME={shlex.quote(str(folder))} "
    has_alerts = any(place.kind == "alertmanager" for place in places)
    page = "docs/alertmanager.md sends alerts" if has_alerts else "docs/opentelemetry.md sends telemetry"
    _tell("next 1", f"{prefix}aitia check says what is missing, and what to do")
    _tell("next 2", f"{prefix}aitia up starts Aitia")
    _tell("next 3", f"{page}; docs/slack.md and docs/pagerduty.md show tickets")


def _tell(what: str, says: object) -> None:
    typer.echo(f"{what:<7} {plain(str(says))}")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init")(init)
