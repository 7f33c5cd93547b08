"""Twins of `ports.Action` and `ports.Check` that touch nothing outside and remember everything.

For tests and dry runs. Failures are put in beforehand, by target: a refusal, an outage that passes, an answer
that is lost after the effect, a target that keeps no record of what was done to it.
"""

from __future__ import annotations

import threading
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import BaseModel

from causal.errors import Refused, Unavailable, UnknownEffect
from integrations.ports import Effect
from playbooks.remedy import Written


class MemoryParams(Written):
    """What to act on; ``value`` is whatever a test wants to see arrive."""

    target: str
    value: Any = None


@dataclass
class MemoryAction:
    """Acts on nothing; a subclass with another ``name`` is another action.

    ``executed`` are the targets that were acted on, ``keys`` the idempotency keys that took effect, both in
    order. Targets in ``refuse`` refuse always; those in ``unavailable`` and ``lose_answer_of`` fail at their
    first try only, before and after the effect; `observe` can not tell about those in ``blind``.
    """

    name: ClassVar[str] = "memory.act"
    Params: ClassVar[type[BaseModel]] = MemoryParams
    mutates: ClassVar[bool] = True

    refuse: AbstractSet[str] = frozenset()
    unavailable: AbstractSet[str] = frozenset()
    lose_answer_of: AbstractSet[str] = frozenset()
    blind: AbstractSet[str] = frozenset()
    executed: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    _failed: set[str] = field(default_factory=set, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def target(self, params: MemoryParams) -> str:
        return params.target

    def preview(self, params: MemoryParams) -> str:
        return f"would {self.name} {params.target}"

    def observe(self, params: MemoryParams, *, key: str) -> Effect | None:
        if params.target in self.blind:
            raise UnknownEffect(f"{params.target} keeps no record of what was done to it")
        return self._effect(params) if key in self.keys else None

    def execute(self, params: MemoryParams, *, key: str, timeout: float) -> Effect:
        del timeout
        with self._lock:
            self._fail_before(params.target)
            self.executed.append(params.target)
            self.keys.append(key)
            if self._fails_now(params.target, self.lose_answer_of):
                raise UnknownEffect(f"{params.target} gave no answer")
        return self._effect(params)

    def _fail_before(self, target: str) -> None:
        if target in self.refuse:
            raise Refused(f"{target} is not to be touched")
        if self._fails_now(target, self.unavailable):
            raise Unavailable(f"{target} can not be reached")

    def _fails_now(self, target: str, failing: AbstractSet[str]) -> bool:
        now = target in failing and target not in self._failed
        if now:
            self._failed.add(target)
        return now

    def _effect(self, params: MemoryParams) -> Effect:
        return Effect(says=f"{self.name} {params.target}", facts={"target": params.target})


@dataclass
class MemoryUndo(MemoryAction):
    """The same under another name, for undo steps."""

    name: ClassVar[str] = "memory.undo"


@dataclass
class MemoryCheck:
    """A check that holds, unless ``reason`` says why not."""

    name: ClassVar[str] = "memory.check"
    Params: ClassVar[type[BaseModel]] = MemoryParams

    reason: str | None = None

    def holds(self, params: MemoryParams) -> str | None:
        del params
        return self.reason
