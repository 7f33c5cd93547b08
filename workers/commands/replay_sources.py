"""Where ``aitia replay`` gets its incidents and what it replays them with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from causal.errors import AitiaError, Malformed, NotFound
from playbooks.catalog import LIBRARY, Catalog, read_catalog
from playbooks.policy import Policy, read_policy
from workers.replaying import Answer, Past, Replayed, Today, on_record, replayed
from workers.settings import Settings


@dataclass(frozen=True)
class Asked:
    """What was asked for on the command line."""

    engine: bool = False
    policy: Path | None = None
    playbooks: Path | None = None
    cases: Path | None = None
    against: Path | None = None
    last: int = 1000
    tolerance: float = 0.0

    @property
    def names_nothing(self) -> bool:
        """Whether no part is named, which means all of them."""
        return not (self.engine or self.policy or self.playbooks)


def results(asked: Asked, settings: Settings) -> Iterator[tuple[int, Replayed]]:
    """Replay one incident after the other; each comes with how many there are."""
    site = _site(settings)
    today = _today(asked, site)
    earlier = _earlier(asked.against) if asked.against else {}
    if asked.cases is not None:
        paths = _cases(asked.cases)
        for path in paths:
            yield len(paths), _case(path, today, site, earlier.get(path.name), asked.tolerance)
        return
    for total, past in _on_record(settings, asked.last):
        yield total, replayed(past, today, earlier.get(past.incident), asked.tolerance)


def _site(settings: Settings) -> Today:
    """Everything as this site has it now."""
    from integrations.connections import read_connections, service_facts
    from workers.commands.playbook_files import schemas

    connections = read_connections(settings.connections_folder)
    return Today(
        policy=_policy(settings.policy_file),
        catalog=read_catalog(settings.playbook_folders, *schemas()),
        facts=lambda service: service_facts(connections, service),
    )


def _today(asked: Asked, site: Today) -> Today:
    return replace(
        site,
        policy=_policy(asked.policy) if asked.policy else site.policy,
        catalog=_changed(site.catalog, asked.playbooks) if asked.playbooks else site.catalog,
        engine=asked.engine or asked.names_nothing,
        policy_too=asked.policy is not None or asked.names_nothing,
        playbooks_too=asked.playbooks is not None or asked.names_nothing,
    )


def _changed(catalog: Catalog, folder: Path) -> Catalog:
    folders = [folder] if folder.resolve() == LIBRARY.resolve() else [LIBRARY, folder]
    return read_catalog(folders, catalog.actions, catalog.checks)


def _policy(path: Path) -> Policy:
    return read_policy(path.read_text(encoding="utf-8") if path.exists() else "", str(path))


def _on_record(settings: Settings, last: int) -> Iterator[tuple[int, Past]]:
    from integrations.database import open_database
    from integrations.snapshots import FolderSnapshots
    from integrations.store import SqlAuditLog, SqlIncidents, SqlPriorStore

    engine = open_database(settings.database_url, create=False)
    try:
        tickets = SqlIncidents(engine).all(last)
        total = sum(bool(ticket.snapshot and ticket.diagnosis) for ticket in tickets)
        lessons = SqlPriorStore(engine).lessons()
        load = FolderSnapshots(settings.snapshot_folder).load
        for past in on_record(tickets, SqlAuditLog(engine), lessons, load):
            yield total, past
    finally:
        engine.dispose()


def _cases(folder: Path) -> list[Path]:
    found = sorted(path.parent for path in folder.glob("*/alert.json") if path.parent.name[0] not in "._")
    if not found:
        raise NotFound(f"there are no cases (folders with an alert.json) in {folder}")
    return found


def _case(path: Path, today: Today, site: Today, before: Answer | None, tolerance: float) -> Replayed:
    """Diagnose a case with nothing learned, and decide about it as the site does and as is asked for."""
    from causal.diagnose import diagnose
    from integrations.cases import load_case

    try:
        alert, telemetry = load_case(path)
        past = Past(path.name, alert, lambda: (alert, telemetry), diagnosis=diagnose(alert, telemetry))
        was = before or replace(site, engine=False).answer(past)
    except AitiaError as error:
        return Replayed(incident=path.name, trouble=str(error))
    anew = replace(today, engine=False, policy_too=True, playbooks_too=True)
    return replayed(past, anew, was, tolerance)


def _earlier(path: Path) -> Mapping[str, Answer]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))["incidents"]
        return {each["incident"]: Answer.model_validate(each["now"]) for each in told}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Malformed("is not what `aitia replay --json` printed", where=str(path)) from error
