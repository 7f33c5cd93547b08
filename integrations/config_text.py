"""One value in the text of a configuration file: where it stands, and the text with another in its place.

Only the characters of the value itself are exchanged. Comments, order, quoting, blank lines and line ends are
what people wrote, and putting the old characters back gives the old file, byte for byte. A parser then reads
old and new text whole, and the new one must be the old value with this one key changed and nothing else:
whatever the search for the place got wrong (an alias, a second table of that name, a value that would end the
line) is found there, before anything is written.

Keys are dotted (``pool.size``, ``hosts.0.port``); a value that is not there yet is not put there: such a key
is more often misspelt than missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from causal.errors import Refused
from integrations.config_formats import SPANS, Keys, parsed
from integrations.connections.kinds import ConfigFormat
from playbooks.lookups import is_visible
from playbooks.remedy import JsonValue
from playbooks.written import nearest

__all__ = ["Keys", "Place", "keys_of", "parsed", "place_of", "spelt"]

_PLAIN = {"yaml": re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*"), "env": re.compile(r"[A-Za-z0-9_./:-]+")}


@dataclass(frozen=True)
class Place:
    """Where the value of a key stands in a text."""

    text: str
    form: ConfigFormat
    keys: Keys
    start: int
    end: int

    @property
    def raw(self) -> str:
        """The characters of the value as they are written."""
        return self.text[self.start : self.end]

    @property
    def value(self) -> JsonValue:
        return _scalar(_at(parsed(self.text, self.form), self.keys), self.keys)

    def with_raw(self, raw: str) -> str:
        """Return the text with other characters in this place; Refused if more than this value changed."""
        new = self.text[: self.start] + raw + self.text[self.end :]
        before, after = parsed(self.text, self.form), parsed(new, self.form)
        if _without(before, self.keys) != _without(after, self.keys):
            raise Refused(f"{spelt(self.keys)} can not be set alone: something else would change with it")
        return new

    def with_value(self, value: JsonValue) -> tuple[str, str]:
        """Return the text with another value in this place, and the characters that say it.

        Refused if it is of another type than what stands there, or can not be written there.
        """
        if _kind(value) != _kind(self.value) and None not in (value, self.value):
            raise Refused(f"{spelt(self.keys)} is {self.value!a}; {value!a} is of another type")
        if isinstance(value, str) and not is_visible(value):
            raise Refused(f"the value of {spelt(self.keys)} holds control characters")
        for raw in _ways_to_write(value, self):
            new = self.text[: self.start] + raw + self.text[self.end :]
            if self._says(new, value):
                return self.with_raw(raw), raw
        raise Refused(f"{value!a} can not be written as {spelt(self.keys)} of a {self.form} file")

    def _says(self, new: str, value: JsonValue) -> bool:
        try:
            found = _at(parsed(new, self.form), self.keys)
        except Refused:
            return False
        return found == value and _kind(found) == _kind(value)


def place_of(text: str, form: ConfigFormat, keys: Keys) -> Place:
    """Find the value of a key; Refused if it is not there, is no single value, or can not be set alone."""
    _scalar(_at(parsed(text, form), keys), keys)
    found = [Place(text, form, keys, *span) for span in SPANS[form](text, keys)]
    alone = [place for place in found if _stands_alone(place)]
    if len(alone) != 1:
        raise Refused(f"where {spelt(keys)} is written can not be told ({len(alone)} places); set it by hand")
    return alone[0]


def keys_of(dotted: str) -> Keys:
    """Read a dotted key."""
    return tuple(dotted.split("."))


def spelt(keys: Keys) -> str:
    """Write a key the way people do."""
    return ".".join(keys)


def _at(value: object, keys: Keys) -> object:
    for depth, key in enumerate(keys):
        if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        elif isinstance(value, dict) and key in value:
            value = value[key]
        else:
            known = [str(name) for name in value] if isinstance(value, dict) else []
            raise Refused(f"there is no {spelt(keys[: depth + 1])}; {nearest(key, known)}")
    return value


def _scalar(value: object, keys: Keys) -> JsonValue:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise Refused(f"{spelt(keys)} is no single value but a {type(value).__name__}")


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "truth"
    return "number" if isinstance(value, int | float) else type(value).__name__


def _without(value: object, keys: Keys) -> object:
    """Return a value with one key's taken out, for comparing the rest."""
    if not keys:
        return None
    if isinstance(value, list):
        return [_without(each, keys[1:]) if str(at) == keys[0] else each for at, each in enumerate(value)]
    if isinstance(value, dict):
        return {name: _without(each, keys[1:]) if name == keys[0] else each for name, each in value.items()}
    return value


def _stands_alone(place: Place) -> bool:
    """Whether these characters are the value: in their place, another value changes this key and no other."""
    for probe in ("424243", '"424243"'):
        new = place.text[: place.start] + probe + place.text[place.end :]
        try:
            after = parsed(new, place.form)
            now = _at(after, place.keys)
        except Refused:
            continue
        before = parsed(place.text, place.form)
        if str(now) == "424243" and _without(before, place.keys) == _without(after, place.keys):
            return True
    return False


def _ways_to_write(value: JsonValue, place: Place) -> Iterator[str]:
    """Spell a value, the way the old one was spelt first."""
    if not isinstance(value, str):
        yield json.dumps(value)
        return
    quoted = place.raw[:1] in {'"', "'"}
    plain = _PLAIN.get(place.form)
    if plain and not quoted and plain.fullmatch(value):
        yield value
    if place.form == "env":
        if "'" not in value:
            yield f"'{value}'"
        return
    if place.raw[:1] == "'" and "'" not in value:
        yield f"'{value}'"
    yield json.dumps(value, ensure_ascii=False)
