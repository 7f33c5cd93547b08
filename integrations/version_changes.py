"""Changes that telemetry tells of by itself: a service that begins to report another version.

Every span carries its resource's `service.version`, `vcs.ref.head.revision` and `vcs.repository.name`, and a
chat span may carry `gen_ai.prompt.version`. The first span of a service with a value that it did not have
before is a change, at that span's time; the value seen last before it is the previous one. A value that a
service had from its first span on is none, and neither is going back to one that was seen already.

Of a revision that changed together with the version, one change is made. It is a change of configuration if
the version stayed, or if the repository is one of configuration by its name; else it is a deployment.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec
import numpy as np

from causal.evidence import Change
from causal.telemetry import MISSING, Batch, Codes, Column, Ints, Spans

__all__ = ["version_changes"]


class _Versions(msgspec.Struct, frozen=True):
    """What a span's attributes say about versions."""

    version: object = msgspec.field(name="service.version", default=None)
    revision: object = msgspec.field(name="vcs.ref.head.revision", default=None)
    repository: object = msgspec.field(name="vcs.repository.name", default=None)
    prompt: object = msgspec.field(name="gen_ai.prompt.version", default=None)


_KEYS = ("service.version", "vcs.ref.head.revision", "gen_ai.prompt.version")
_NOTHING = _Versions()
_decoder = msgspec.json.Decoder(_Versions)

Kind = Literal["config", "deployment", "prompt"]


def version_changes(*batches: Batch) -> tuple[Change, ...]:
    """Find the changes of version in the spans of all batches together, oldest first.

    The batches must share their dictionaries, as the quiet and the incident rows of one case do.
    """
    found: list[Change] = []
    tables = [batch.spans for batch in batches if len(batch.spans)]
    if not tables:
        return ()
    said = _read(tables[0].attributes)
    service, rows, start = _rows(tables, said)
    for code in np.unique(service):
        mine = np.flatnonzero(service == code)
        mine = mine[np.argsort(start[mine], kind="stable")]
        story = [(int(start[row]), said[int(rows[row])]) for row in mine[_first_of_runs(rows[mine])]]
        found += _of_service(tables[0].service.names[code], story)
    return tuple(sorted(found, key=lambda change: (change.at, change.service or "", change.id)))


def _read(attributes: Column) -> dict[int, _Versions]:
    """What each distinct text of attributes says, by its code; each is read once."""
    said: dict[int, _Versions] = {}
    for code, text in enumerate(attributes.names):
        if any(key in text for key in _KEYS):
            said[code] = _parse(text)
    return said


def _parse(text: str) -> _Versions:
    try:
        return _decoder.decode(text)
    except ValueError:
        return _NOTHING


def _rows(tables: list[Spans], said: dict[int, _Versions]) -> tuple[Codes, Codes, Ints]:
    """Service, versions and start of the spans that say anything; equal versions have equal codes."""
    distinct: dict[_Versions, int] = {}
    canonical = np.full(len(tables[0].attributes.names) + 1, MISSING, dtype=np.int32)
    for code, versions in said.items():
        canonical[code] = distinct.setdefault(versions, code)
    rows = np.concatenate([canonical[spans.attributes.codes] for spans in tables])
    service = np.concatenate([spans.service.codes for spans in tables])
    start = np.concatenate([spans.start_ns for spans in tables])
    telling = (rows != MISSING) & (service != MISSING)
    return service[telling], rows[telling], start[telling]


def _first_of_runs(codes: Codes) -> Ints:
    """Where a run of equal codes begins."""
    return np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])


def _of_service(service: str, story: list[tuple[int, _Versions]]) -> Iterator[Change]:
    versions, revisions = _new(story, "version"), _new(story, "revision")
    told = {at for at, *_ in versions}, {at for at, *_ in revisions}
    for at, now, revision, previous in revisions:
        repository = str(now.repository) if now.repository else None
        of_config = at not in told[0] or "config" in (repository or "").lower()
        kind: Kind = "config" if of_config else "deployment"
        yield _change(service, kind, at, (revision, previous)).model_copy(update={"repository": repository})
    for at, _, version, previous in versions:
        if at not in told[1]:
            yield _change(service, "deployment", at, (version, previous))
    for at, _, prompt, previous in _new(story, "prompt"):
        yield _change(service, "prompt", at, (prompt, previous))


def _new(story: list[tuple[int, _Versions]], what: str) -> list[tuple[int, _Versions, str, str]]:
    """When a value appeared that had not been seen before: (time, what was said, value, previous value)."""
    seen: set[str] = set()
    found: list[tuple[int, _Versions, str, str]] = []
    last = ""
    for at, now in story:
        value = getattr(now, what)
        if value is None:
            continue
        if seen and str(value) not in seen:
            found.append((at, now, str(value), last))
        last = str(value)
        seen.add(last)
    return found


def _change(service: str, kind: Kind, at: int, values: tuple[str, str]) -> Change:
    new, previous = values
    title = f"{service} went from {previous[:12]} to {new[:12]}"
    return Change(id=new, kind=kind, service=service, at=at / 1e9, title=title, previous=previous)
