"""``flag.set`` and ``flag.restore``: a feature flag in a file of flagd's format, which is also OpenFeature's.

Set is one of two things: ``variant`` makes a variant the default, ``state`` switches the flag on or off (a
flag that is off lets the program's own default stand). The rules of flagd's schema that a change can break
are held before anything is written: the flag exists, its variants are of one type, the variant is one of
them, and the default that a rule may fall back to exists.

Source: flagd.dev/schema/v0/flags.json (flags, state, variants, defaultVariant, targeting).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field, model_validator

from causal.errors import Refused
from integrations.config_file import ConfigFile, difference
from integrations.config_text import Keys, parsed, place_of
from integrations.connections import ReadConnections, flags_named
from integrations.exchange import Exchange, Exchanges
from integrations.ports import Effect
from playbooks.places import Names
from playbooks.remedy import JsonValue, Written
from playbooks.written import nearest

FlagsName = Annotated[str, Names("flags")]
FlagName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)]
FlagField = Literal["defaultVariant", "state"]
State = Literal["ENABLED", "DISABLED"]


class FlagParams(Written):
    """Which flag, and either its new default variant or its new state."""

    flags: FlagsName
    flag: FlagName
    variant: str | None = None
    state: State | None = None

    @model_validator(mode="after")
    def _sets_one_thing(self) -> Self:
        if (self.variant is None) == (self.state is None):
            raise ValueError("set either variant or state")
        return self

    @property
    def field(self) -> FlagField:
        return "state" if self.variant is None else "defaultVariant"

    @property
    def value(self) -> str:
        return self.state or self.variant or ""


class FlagRestoreParams(Written):
    """What a step wrote, and what stood there before, as `FlagSet` reports them."""

    flags: FlagsName
    flag: FlagName
    field: FlagField
    former: str
    written: str


@dataclass(frozen=True)
class FlagSet:
    """Set a flag; ``state`` is a folder that outlives the process."""

    name: ClassVar[str] = "flag.set"
    Params: ClassVar[type[BaseModel]] = FlagParams
    mutates: ClassVar[bool] = True
    reports: ClassVar[frozenset[str]] = frozenset({"flags", "flag", "field", "former", "written"})

    connections: ReadConnections
    state: Path

    def target(self, params: FlagParams) -> str:
        return f"flag:{params.flags}/{params.flag}"

    def preview(self, params: FlagParams) -> str:
        file = _allowed(self.connections, params.flags, params.flag)
        old = file.read()
        shown = difference(file.path.name, old, _exchange(file, params, old).new_text(old))
        return f"{shown}{_rules_first(parsed(old, file.form), params)}"

    def observe(self, params: FlagParams, *, key: str) -> Effect | None:
        file = _allowed(self.connections, params.flags, params.flag)
        return Exchanges(self.state).observe(key, file, _keys(params.flag, params.field))

    def execute(self, params: FlagParams, *, key: str, timeout: float) -> Effect:
        file = _allowed(self.connections, params.flags, params.flag)
        with file.locked(self.state, timeout):
            if (done := self.observe(params, key=key)) is not None:
                return done
            exchange = _exchange(file, params, file.read())
            facts: dict[str, JsonValue] = {
                "flags": params.flags,
                "flag": params.flag,
                "field": params.field,
                "former": exchange.former,
                "written": exchange.written,
            }
            says = f"{params.field} of the flag {params.flag} was {exchange.former} and is {exchange.written}"
            return Exchanges(self.state).carry_out(key, exchange, says, facts)


@dataclass(frozen=True)
class FlagRestore:
    """Put back what `FlagSet` exchanged, if the file still holds what it wrote; else Conflict."""

    name: ClassVar[str] = "flag.restore"
    Params: ClassVar[type[BaseModel]] = FlagRestoreParams
    mutates: ClassVar[bool] = True
    reports: ClassVar[frozenset[str]] = frozenset({"flags", "flag"})

    connections: ReadConnections
    state: Path

    def target(self, params: FlagRestoreParams) -> str:
        return f"flag:{params.flags}/{params.flag}"

    def preview(self, params: FlagRestoreParams) -> str:
        exchange = self._exchange(params)
        old = exchange.file.read()
        return difference(exchange.file.path.name, old, exchange.new_text(old))

    def observe(self, params: FlagRestoreParams, *, key: str) -> Effect | None:
        exchange = self._exchange(params)
        return Exchanges(self.state).observe(key, exchange.file, exchange.keys)

    def execute(self, params: FlagRestoreParams, *, key: str, timeout: float) -> Effect:
        exchange = self._exchange(params)
        with exchange.file.locked(self.state, timeout):
            if (done := self.observe(params, key=key)) is not None:
                return done
            says = f"{params.field} of the flag {params.flag} is {params.former} again"
            facts: dict[str, JsonValue] = {"flags": params.flags, "flag": params.flag}
            return Exchanges(self.state).carry_out(key, exchange, says, facts)

    def _exchange(self, params: FlagRestoreParams) -> Exchange:
        file = _allowed(self.connections, params.flags, params.flag)
        return Exchange(file, _keys(params.flag, params.field), former=params.written, written=params.former)


def _keys(flag: str, field: FlagField) -> Keys:
    return ("flags", flag, field)


def _allowed(connections: ReadConnections, name: str, flag: str) -> ConfigFile:
    connection = flags_named(connections, name)
    if connection.flags is not None and not any(re.fullmatch(each, flag) for each in connection.flags):
        raise Refused(f"{name} lets {', '.join(connection.flags) or 'no flag'} be set; not {flag}")
    form: Literal["yaml", "json"] = "yaml" if connection.path.suffix in {".yaml", ".yml"} else "json"
    return ConfigFile(connection.path, form)


def _exchange(file: ConfigFile, params: FlagParams, old: str) -> Exchange:
    flag = _flag(parsed(old, file.form), params.flag, str(file.path))
    if params.variant is not None and params.variant not in flag["variants"]:
        raise Refused(
            f"{params.flag} has no variant {params.variant}; {nearest(params.variant, flag['variants'])}"
        )
    place = place_of(old, file.form, _keys(params.flag, params.field))
    if place.value == params.value:
        raise Refused(f"{params.field} of {params.flag} is {params.value} already: nothing would change")
    return Exchange(
        file, _keys(params.flag, params.field), former=place.raw, written=place.with_value(params.value)[1]
    )


def _flag(document: object, name: str, where: str) -> dict[str, Any]:
    """Return a flag's definition; Refused if it breaks the rules of flagd's schema."""
    flags = document.get("flags") if isinstance(document, dict) else None
    if not isinstance(flags, dict):
        raise Refused(f"{where} holds no flags")
    if name not in flags:
        raise Refused(f"there is no flag {name} in {where}; {nearest(name, flags)}")
    flag = flags[name]
    variants = flag.get("variants") if isinstance(flag, dict) else None
    if not isinstance(variants, dict) or not variants:
        raise Refused(f"the flag {name} in {where} has no variants")
    if len({_type(value) for value in variants.values()}) > 1:
        raise Refused(f"the variants of {name} in {where} are of different types")
    if flag.get("state") not in {"ENABLED", "DISABLED"}:
        raise Refused(f"the state of {name} in {where} is neither ENABLED nor DISABLED")
    return dict(flag)


def _type(value: object) -> str:
    return (
        "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    )


def _rules_first(document: object, params: FlagParams) -> str:
    """Say so where targeting rules come before the default."""
    flag = _flag(document, params.flag, "")
    if params.field == "defaultVariant" and flag.get("targeting"):
        return f"\n(the flag {params.flag} has targeting rules, which come before its default variant)"
    return ""
