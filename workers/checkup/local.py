"""What lies on this machine: the home folder, the database, and what people wrote for Aitia."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from causal.errors import NotFound
from integrations.database import connect
from integrations.redaction import read_redaction
from integrations.store import schema
from playbooks.catalog import check_files, playbook_files
from playbooks.people import People
from playbooks.written import Problem
from workers.checkup.files import private
from workers.checkup.report import Remark, System, doubt, well, wrong
from workers.commands.playbook_files import schemas, site_of
from workers.environment import misspelt
from workers.house import House
from workers.secret_files import ENDING, PREFIX, secret_names
from workers.settings import Settings

MIB, GIB = 1 << 20, 1 << 30
LEAST_ROOM = 512 * MIB
PRIVATE = ("token", "approval.key", "redaction.key")
SHOWN = 3


def local_systems(house: House, environment: Mapping[str, str] = os.environ) -> tuple[System, ...]:
    """The home folder, the settings, the database, and each file that people write."""
    settings = house.settings
    return (
        System("home", lambda: home(settings)),
        System("settings", lambda: spelling(settings, environment)),
        System("database", lambda: database(settings)),
        System("people", lambda: people(house), settings.people_file.exists()),
        System("policy", lambda: policy(house), settings.policy_file.exists()),
        System("redaction", lambda: redaction(house), settings.redaction_file.exists()),
        System("playbooks", lambda: playbooks(settings)),
    )


def home(settings: Settings) -> Iterator[Remark]:
    """The folder of all state: is it ours, is it private, is there room?"""
    folder = settings.home
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        yield wrong(f"{there} can not be written to", "give it to this user, or set AITIA_HOME to another")
        return
    for name in PRIVATE:
        file = folder / name
        if file.exists() and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield doubt(f"others can read {file}", f"chmod 600 {file}")
    free, wanted = shutil.disk_usage(there).free, _room_wanted(settings)
    if free < LEAST_ROOM:
        yield wrong(f"only {_size(free)} free where {folder} lies", "make room, or move the home folder")
    elif free < wanted:
        yield doubt(
            f"{_size(free)} free where {folder} lies; telemetry alone may grow by {_size(wanted)}",
            "make room, or lower telemetry_keep_bytes",
        )
    else:
        made = "" if folder.exists() else ", made at the first start"
        yield well(f"{folder}{made}; {_size(free)} free")


def _room_wanted(settings: Settings) -> int:
    kept = settings.telemetry_folder
    used = sum(file.stat().st_size for file in kept.rglob("*") if file.is_file()) if kept.exists() else 0
    return max(0, settings.telemetry_keep_bytes - used) + LEAST_ROOM


def spelling(settings: Settings, environment: Mapping[str, str]) -> Iterator[Remark]:
    """Environment variables that look like ours and are nobody's, and secrets that others can read."""
    yield from (doubt(says, "rename or unset it") for says in misspelt(environment))
    file = settings.home / "settings.yaml"
    written = YAML(typ="safe").load(file.read_text(encoding="utf-8")) or {} if file.exists() else {}
    secrets = secret_names(Settings.model_fields)
    for path in _named(secrets, environment, written):
        yield from private(Path(path).expanduser())
    if secrets & set(written):
        yield from private(file)
    yield well(f"{file} is read" if file.exists() else "by environment and defaults alone")


def _named(
    secrets: Iterable[str], environment: Mapping[str, str], written: Mapping[str, Any]
) -> Iterator[str]:
    """The files that hold secrets, by both places that may name them."""
    for secret in sorted(secrets):
        for path in (environment.get(f"{PREFIX}{secret}{ENDING}".upper()), written.get(secret + ENDING)):
            yield from [str(path)] if path else []


def database(settings: Settings) -> Iterator[Remark]:
    """Does it answer, and has it the tables of this program?"""
    try:
        engine = connect(settings.database_url, create=False, patience=5.0)
    except NotFound:
        yield well("SQLite in the home folder, made at the first start")
        return
    try:
        waiting, version = schema.pending(engine), schema.version(engine)
        if waiting:
            yield doubt(
                f"its tables are at version {version}, this program works with {schema.newest()}",
                "`aitia database upgrade`; the next start does it, too",
            )
        else:
            yield well(f"{engine.dialect.name}, tables at version {version}")
    finally:
        engine.dispose()


def people(house: House) -> Iterator[Remark]:
    """Who may answer: is there anybody, and can they be recognised?"""
    named = house.people.read()
    if named is None:
        yield well("nobody is named: whoever holds the door's token may answer")
        return
    if not named.people:
        yield doubt("the file names nobody, so nobody may answer", "`aitia people add NAME --role ROLE`")
        return
    yield from _unknowable(named)
    yield from _not_in(named, house.settings)
    yield well(f"{len(named.people)} may answer")


def _unknowable(named: People) -> Iterator[Remark]:
    nobody = [each.name for each in named.people if not (each.token_sha256 or each.slack or each.email)]
    if nobody:
        yield doubt(
            f"{', '.join(nobody)} can not be recognised: no token, Slack id or e-mail",
            "`aitia people add` makes a token",
        )


def _not_in(named: People, settings: Settings) -> Iterator[Remark]:
    if settings.slack_token is not None and not any(each.slack for each in named.people):
        yield doubt("nobody has a Slack id, so nobody may press a button", "add slack: U… to people.yaml")
    if settings.pagerduty_webhook_secrets and not any(each.email for each in named.people):
        yield doubt("nobody has an e-mail, so nobody may answer by PagerDuty", "add email: to people.yaml")


def policy(house: House) -> Iterator[Remark]:
    """What automation may do: can it be read, and does it let anything happen at all?"""
    read = house.policy()
    if read.stopped:
        yield doubt("`stopped: true`: nothing is carried out", "remove it when that is over")
    yield well(f"autonomy {read.autonomy}, {len(read.rules)} rules, {len(read.freezes)} freezes")


def redaction(house: House) -> Iterator[Remark]:
    """What is taken out of telemetry: can it be read, and is anything left in on purpose?"""
    rules = read_redaction(house.settings.redaction_file)
    for what, treatment in (("secrets", rules.secrets), ("personal data", rules.personal)):
        if treatment == "keep":
            yield doubt(f"{what} are stored as they come", "unless that is meant, write mask")
    yield well(f"secrets and personal data are masked; {len(rules.attributes)} attributes have rules")


def playbooks(settings: Settings) -> Iterator[Remark]:
    """All playbooks, those that are shipped and the site's own, held against its connections and people."""
    files = playbook_files(settings.playbook_folders)
    catalog, problems = check_files(files, *schemas(), site_of(settings))
    errors = [each for each in problems if each.severity == "error"]
    if errors:
        yield wrong(_first(errors), "`aitia playbook lint` tells all")
    elif problems:
        yield doubt(_first(problems), "`aitia playbook lint` tells all")
    else:
        yield well(f"{len(catalog.playbooks)} understood")


def _first(problems: Sequence[Problem]) -> str:
    more = f", and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    return ", ".join(map(str, problems[:SHOWN])) + more


def _size(count: int) -> str:
    return f"{count / GIB:.1f} GiB" if count >= GIB else f"{count / MIB:.0f} MiB"
