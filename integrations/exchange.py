"""Exchanging the characters of one value in a file: what `files` and `flags` do, and how they take it back.

The step notes both texts of the value before it writes. So after a kill the file itself tells what happened:
it holds the new characters (done), the old ones (not done), or somebody else's, and then nobody can tell.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from causal.errors import Conflict, UnknownEffect
from integrations.config_file import ConfigFile
from integrations.config_text import Keys, place_of, spelt
from integrations.ports import Effect
from integrations.step_markers import Marker, StepMarkers
from playbooks.remedy import JsonValue


@dataclass(frozen=True)
class Exchange:
    """One value of one file: ``former`` and ``written`` are its characters before and after."""

    file: ConfigFile
    keys: Keys
    former: str
    written: str

    def now(self) -> str:
        """Return the characters that stand there."""
        return place_of(self.file.read(), self.file.form, self.keys).raw

    def new_text(self, old: str) -> str:
        """Return the file's text with the new characters; Conflict if the old ones are not there any more."""
        place = place_of(old, self.file.form, self.keys)
        if place.raw != self.former:
            raise Conflict(
                f"{spelt(self.keys)} in {self.file.path} is {place.raw[:80]} now, not {self.former[:80]}: "
                "somebody else has changed it since"
            )
        return place.with_raw(self.written)


@dataclass(frozen=True)
class Exchanges:
    """The exchanges that steps have begun; ``state`` is a folder that outlives the process."""

    state: Path

    @property
    def markers(self) -> StepMarkers:
        return StepMarkers(self.state)

    def observe(self, key: str, file: ConfigFile, keys: Keys) -> Effect | None:
        """Tell whether the exchange of this key took place."""
        marker = self.markers.read(key)
        if marker is None or marker.effect is not None:
            return marker.effect if marker else None
        begun = json.loads(marker.before)
        now = place_of(file.read(), file.form, keys).raw
        if now == begun["written"]:
            return Effect(says=begun["says"], facts=begun["facts"])
        if now == begun["former"]:
            return None
        raise UnknownEffect(
            f"{spelt(keys)} in {file.path} is {now[:80]} now: whether this step set it before can not be told"
        )

    def carry_out(self, key: str, exchange: Exchange, says: str, facts: Mapping[str, JsonValue]) -> Effect:
        """Exchange the characters; the caller holds the file's lock."""
        old = exchange.file.read()
        new = exchange.new_text(old)
        effect = Effect(says=says, facts=dict(facts))
        begun = {"former": exchange.former, "written": exchange.written, "says": says, "facts": effect.facts}
        self.markers.write(Marker(key=key, before=json.dumps(begun)))
        exchange.file.replace(old, new)
        self.markers.write(Marker(key=key, before=json.dumps(begun), effect=effect))
        return effect
