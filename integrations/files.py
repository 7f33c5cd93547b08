"""``file.set`` and ``file.restore``: one value of a configuration file, set and put back.

Which files and which keys is the connection's to say. What is set must be of the type that stands there, and
is no secret: a plan is read by people and kept for good.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from causal.errors import Refused
from integrations.config_file import ConfigFile, difference, is_secret
from integrations.config_text import Keys, keys_of, place_of
from integrations.connections import ReadConnections, file_named
from integrations.exchange import Exchange, Exchanges
from integrations.ports import Effect
from playbooks.places import Names
from playbooks.remedy import JsonValue, Written

FileName = Annotated[str, Names("files")]
DottedKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$", max_length=200)]


class SetParams(Written):
    """Which file, which key (dotted), and what it shall be."""

    file: FileName
    key: DottedKey
    value: JsonValue


class RestoreParams(Written):
    """What a step wrote, and what stood there before: characters of the file, as `FileSet` reports them."""

    file: FileName
    key: DottedKey
    former: str
    written: str


@dataclass(frozen=True)
class FileSet:
    """Set one value; ``state`` is a folder that outlives the process."""

    name: ClassVar[str] = "file.set"
    Params: ClassVar[type[BaseModel]] = SetParams
    mutates: ClassVar[bool] = True
    reports: ClassVar[frozenset[str]] = frozenset({"file", "key", "former", "written"})

    connections: ReadConnections
    state: Path

    def target(self, params: SetParams) -> str:
        return f"file:{params.file}/{params.key}"

    def preview(self, params: SetParams) -> str:
        file, keys = _allowed(self.connections, params.file, params.key)
        old = file.read()
        return difference(file.path.name, old, _exchange(file, keys, params.value, old).new_text(old))

    def observe(self, params: SetParams, *, key: str) -> Effect | None:
        file, keys = _allowed(self.connections, params.file, params.key)
        return Exchanges(self.state).observe(key, file, keys)

    def execute(self, params: SetParams, *, key: str, timeout: float) -> Effect:
        file, keys = _allowed(self.connections, params.file, params.key)
        with file.locked(self.state, timeout):
            if (done := self.observe(params, key=key)) is not None:
                return done
            exchange = _exchange(file, keys, params.value, file.read())
            facts = {
                "file": params.file,
                "key": params.key,
                "former": exchange.former,
                "written": exchange.written,
            }
            says = f"{params.key} of {params.file} was {exchange.former[:80]} and is {exchange.written[:80]}"
            return Exchanges(self.state).carry_out(key, exchange, says, facts)


@dataclass(frozen=True)
class FileRestore:
    """Put back what `FileSet` exchanged, if the file still holds what it wrote; else Conflict."""

    name: ClassVar[str] = "file.restore"
    Params: ClassVar[type[BaseModel]] = RestoreParams
    mutates: ClassVar[bool] = True
    reports: ClassVar[frozenset[str]] = frozenset({"file", "key"})

    connections: ReadConnections
    state: Path

    def target(self, params: RestoreParams) -> str:
        return f"file:{params.file}/{params.key}"

    def preview(self, params: RestoreParams) -> str:
        exchange = self._exchange(params)
        old = exchange.file.read()
        return difference(exchange.file.path.name, old, exchange.new_text(old))

    def observe(self, params: RestoreParams, *, key: str) -> Effect | None:
        exchange = self._exchange(params)
        return Exchanges(self.state).observe(key, exchange.file, exchange.keys)

    def execute(self, params: RestoreParams, *, key: str, timeout: float) -> Effect:
        exchange = self._exchange(params)
        with exchange.file.locked(self.state, timeout):
            if (done := self.observe(params, key=key)) is not None:
                return done
            says = f"{params.key} of {params.file} is {params.former[:80]} again"
            facts: dict[str, JsonValue] = {"file": params.file, "key": params.key}
            return Exchanges(self.state).carry_out(key, exchange, says, facts)

    def _exchange(self, params: RestoreParams) -> Exchange:
        file, keys = _allowed(self.connections, params.file, params.key)
        return Exchange(file, keys, former=params.written, written=params.former)


def _allowed(connections: ReadConnections, name: str, key: str) -> tuple[ConfigFile, Keys]:
    """Return the file and the key, if the connection lets it be set."""
    connection = file_named(connections, name)
    if connection.keys is not None and not any(re.fullmatch(each, key) for each in connection.keys):
        raise Refused(f"{name} lets {', '.join(connection.keys) or 'nothing'} be set; not {key}")
    if any(is_secret(part) for part in key.split(".")):
        raise Refused(f"{key} of {name} is a secret, and no step may hold one")
    form = connection.written_as
    if form is None:
        raise Refused(f"the format of {connection.path} can not be told; write format in the connection")
    return ConfigFile(connection.path, form), keys_of(key)


def _exchange(file: ConfigFile, keys: Keys, value: JsonValue, old: str) -> Exchange:
    place = place_of(old, file.form, keys)
    if place.value == value and type(place.value) is type(value):
        raise Refused(f"{'.'.join(keys)} in {file.path} is {value!a} already: nothing would change")
    return Exchange(file, keys, former=place.raw, written=place.with_value(value)[1])
