"""A Kubernetes cluster as a step sees it: reading, and changing one object under optimistic locking.

Every object carries a `resourceVersion`; a change names the version that it was thought up for, and the API
server answers 409 if somebody else was faster. Then the object is read anew and the change thought over
again: it may be done already, or no longer be right. What a step did is written on the object itself in the
same request as the change (the annotation `aitia.dev/steps`), so both are there or neither is, and whoever
comes after a kill reads from the object whether a step took effect.

All is sent as JSON merge patches (RFC 7386) of plain JSON: a field that a newer server knows and we do not
can not get lost on the way.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from causal.errors import Refused, Unavailable, UnknownEffect
from causal.evidence import Fact
from integrations.connections import ReadConnections, cluster_named
from integrations.kubernetes_api import Changed, KubernetesApi, Missing, Thing
from integrations.kubernetes_connection import ClusterConnection
from integrations.ports import Effect
from playbooks.lookups import is_visible

STEPS = "aitia.dev/steps"
KEPT_STEPS = 10
LONGEST_PREVIEW = 8000
LOOK_SECONDS = 20.0
_PAUSE = 0.05

Json = dict[str, Any]
T = TypeVar("T")


class Record(Fact):
    """What a step did to an object, as it stands on the object."""

    key: str
    action: str
    at: str
    effect: Effect


@dataclass(frozen=True)
class Proposed:
    """A change of one object: the merge patch, what it comes to, and what people are shown of it."""

    patch: Json
    effect: Effect
    shown: str


class NotYet(Unavailable):
    """The object is about to change by itself; look again in a moment."""


Propose = Callable[[Json], Proposed]


@dataclass(frozen=True)
class Cluster:
    """One cluster until a deadline (of `time.monotonic`)."""

    name: str
    connection: ClusterConnection
    deadline: float

    @property
    def api(self) -> KubernetesApi:
        return KubernetesApi(self.name, self.connection, self.deadline)

    def preview(self, thing: Thing, propose: Propose) -> str:
        """Say what a change would be; the API server is asked whether it would take it (a dry run)."""

        def look() -> tuple[Json, Proposed]:
            found = self.api.get(thing)
            return found, propose(found)

        found, proposed = until_settled(self, look)
        with suppress(Changed):  # somebody is changing it this very moment; what is proposed is still this
            self.api.patch(thing, _at_version(found, proposed.patch), dry_run=True)
        return proposed.shown

    def observe(self, thing: Thing, key: str) -> Effect | None:
        """Return what the step of this key did to an object, if it did."""
        try:
            return _of_key(self.api.get(thing), key)
        except Missing:
            return None

    def change(self, thing: Thing, action: str, key: str, propose: Propose) -> Effect:
        """Change an object once for this key; while others change it too, think it over and try again."""
        if not is_visible(key):
            raise Refused(f"the key {key!r} holds control characters")
        waits = 0
        while True:
            try:
                return self._changed(thing, action, key, propose)
            except (Changed, NotYet) as error:
                waits += 1
                pause = min(_PAUSE * 2**waits, 1.0)
                if time.monotonic() + pause > self.deadline:
                    raise Unavailable(f"{thing} in {self.name} does not come to rest: {error}") from error
                time.sleep(pause)

    def _changed(self, thing: Thing, action: str, key: str, propose: Propose) -> Effect:
        found = self.api.get(thing)
        if (done := _of_key(found, key)) is not None:
            return done
        proposed = propose(found)
        record = Record(key=key, action=action, at=now(), effect=proposed.effect)
        notes = json.dumps([each.model_dump() for each in (*records(found), record)[-KEPT_STEPS:]])
        patch = merged(proposed.patch, {"metadata": {"annotations": {STEPS: notes}}})
        self.api.patch(thing, _at_version(found, patch))
        return proposed.effect


def opened(connections: ReadConnections, name: str, seconds: float = LOOK_SECONDS) -> Cluster:
    """Return the cluster of this name, to be used within so many seconds; Refused if there is none."""
    return Cluster(name, cluster_named(connections, name), time.monotonic() + seconds)


def records(found: Mapping[str, Any]) -> tuple[Record, ...]:
    """Return what steps noted on an object, oldest first; UnknownEffect if it can not be read."""
    text = found["metadata"].get("annotations", {}).get(STEPS, "[]")
    try:
        return tuple(Record.model_validate(each) for each in json.loads(text))
    except (ValueError, TypeError) as error:  # pydantic's and json's own errors are ValueErrors
        name = found["metadata"]["name"]
        raise UnknownEffect(f"the annotation {STEPS} of {name} can not be read: {error}") from error


def now() -> str:
    """Return the time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def replacing(old: object, new: object) -> Any:
    """Return the merge patch that turns ``old`` into ``new``: what is to go is null (RFC 7386, section 2)."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return new
    gone = {name: None for name in old if name not in new}
    return gone | {
        name: replacing(old.get(name), each) for name, each in new.items() if old.get(name) != each
    }


def merged(one: Json, other: Json) -> Json:
    """Return a patch that does what both do, where the second does not write into what the first removes."""
    both = dict(one)
    for name, each in other.items():
        mine = both.get(name)
        both[name] = merged(mine, each) if isinstance(mine, dict) and isinstance(each, dict) else each
    return both


def until_settled(cluster: Cluster, look: Callable[[], T]) -> T:
    """Look again while it is too early; Unavailable with the last reason at the deadline."""
    while True:
        try:
            return look()
        except NotYet as error:
            if time.monotonic() + _PAUSE > cluster.deadline:
                raise Unavailable(str(error)) from error
            time.sleep(_PAUSE)


def _of_key(found: Mapping[str, Any], key: str) -> Effect | None:
    return next((each.effect for each in records(found) if each.key == key), None)


def _at_version(found: Mapping[str, Any], patch: Json) -> Json:
    return merged(patch, {"metadata": {"resourceVersion": found["metadata"]["resourceVersion"]}})
