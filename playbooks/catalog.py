"""The playbooks of a site, read and checked when the house starts: what burns is not the time to find a typo.

A playbook is one YAML file. Its schema is `playbooks.remedy.Playbook`; beyond the schema, `lint` holds every
rule that can be known without an incident: look-ups exist, parameters are declared, actions and checks are
known and are given what their own schemas ask for, and whatever changes the world can be taken back or is
verified.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from causal.errors import MalformedPlaybook, NotFound
from causal.evidence import EntityKind, Fault, Hypothesis
from playbooks.known import KnownActions, KnownChecks
from playbooks.lint import broken_rules
from playbooks.remedy import Cure, Playbook
from playbooks.site import NOTHING_KNOWN, Site
from playbooks.written import Problem, combined, read_as

LIBRARY = Path(__file__).parent / "library"


@dataclass(frozen=True)
class Catalog:
    """Playbooks by name, with the actions and checks that they were checked against."""

    playbooks: Mapping[str, Playbook] = field(default_factory=dict)
    actions: KnownActions = field(default_factory=dict)
    checks: KnownChecks = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str) -> Playbook:
        """Return the playbook of this name; NotFound names the ones there are."""
        if name not in self.playbooks:
            raise NotFound(
                f"no playbook is called {name}; there are {', '.join(sorted(self.playbooks)) or 'none'}"
            )
        return self.playbooks[name]

    def that_cure(self, hypothesis: Hypothesis) -> tuple[Playbook, ...]:
        """Return the playbooks for this kind of fault on this kind of entity, by name."""
        chosen = [playbook for playbook in self.playbooks.values() if cures(playbook, hypothesis)]
        return tuple(sorted(chosen, key=lambda playbook: playbook.name))


def cures(playbook: Playbook, hypothesis: Hypothesis) -> bool:
    """Whether a playbook is for the fault of a hypothesis; every entity is also a fault of its service."""
    return any(_matches(cure, hypothesis.fault, hypothesis.entity.kind) for cure in playbook.cures)


def _matches(cure: Cure, fault: Fault, kind: EntityKind) -> bool:
    return cure.fault == fault and cure.entity in {None, kind, EntityKind.SERVICE}


def playbook_digest(playbook: Playbook) -> str:
    """SHA-256 (hex) of what a playbook says; comments and order of fields do not count."""
    return hashlib.sha256(playbook.model_dump_json(by_alias=True).encode()).hexdigest()


def read_playbook(text: str, where: str) -> Playbook:
    """Read one playbook by its schema alone; MalformedPlaybook names file, line, column and what to write."""
    return read_as(Playbook, text, where).or_raise(MalformedPlaybook)


def check_playbook(
    text: str, where: str, actions: KnownActions, checks: KnownChecks, site: Site = NOTHING_KNOWN
) -> tuple[Playbook | None, tuple[Problem, ...]]:
    """Read one playbook and hold every rule against it; return it, if it could be read, and all problems."""
    reading = read_as(Playbook, text, where)
    if reading.value is None:
        return None, reading.problems
    return reading.value, broken_rules(reading.value, reading.document, actions, checks, site)


def read_catalog(folders: Sequence[Path], known_actions: KnownActions, known_checks: KnownChecks) -> Catalog:
    """Read every ``*.yaml`` of the folders (one that is not there is empty).

    All errors of all files are collected and raised as one MalformedPlaybook (warnings are for `lint` alone);
    two playbooks of one name are an error too.
    """
    catalog, problems = check_files(playbook_files(folders), known_actions, known_checks)
    if wrong := [problem for problem in problems if problem.severity == "error"]:
        raise combined(wrong, MalformedPlaybook)
    return catalog


def check_files(
    files: Iterable[Path], actions: KnownActions, checks: KnownChecks, site: Site = NOTHING_KNOWN
) -> tuple[Catalog, tuple[Problem, ...]]:
    """Read these files; return what could be read, and all problems, those of this site among them."""
    playbooks: dict[str, Playbook] = {}
    read: dict[str, str] = {}
    problems: list[Problem] = []
    for file in files:
        playbook, found = check_file(file, actions, checks, site)
        problems.extend(found)
        if playbook is None:
            continue
        if playbook.name in playbooks:
            problems.append(_second(playbook.name, file, read[playbook.name]))
            continue
        playbooks[playbook.name], read[playbook.name] = playbook, str(file)
    return Catalog(playbooks, actions, checks, read), tuple(problems)


def check_file(
    file: Path, actions: KnownActions, checks: KnownChecks, site: Site = NOTHING_KNOWN
) -> tuple[Playbook | None, tuple[Problem, ...]]:
    """`check_playbook` on a file; one that can not be read is a problem like any other."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return None, (Problem(str(file), 1, 1, "", f"can not be read: {error}"),)
    return check_playbook(text, str(file), actions, checks, site)


def playbook_files(folders: Iterable[Path]) -> list[Path]:
    """Return the playbook files of these folders, by folder and then by name."""
    return [
        file
        for folder in folders
        if folder.is_dir()
        for file in sorted(folder.iterdir())
        if file.suffix in {".yaml", ".yml"} and file.is_file()
    ]


def _second(name: str, file: Path, first: str) -> Problem:
    says = f"{name} is the name of the playbook in {first} already; choose another"
    return Problem(str(file), 1, 1, "name", says)
