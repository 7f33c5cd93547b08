"""What agents did: the spans of the GenAI semantic conventions, read once and put in words of our own.

An *act* is one such span: a model's turn, a tool's call, a look into memory, a question handed to another
agent. The conventions (OpenTelemetry, "Semantic conventions for generative AI", status Development) make
messages optional; an act without text still has its tokens, its outcome and its place in the run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from causal.attributes import read
from causal.evidence import Entity, EntityKind
from causal.telemetry import MISSING, Flags, Ints, Spans, Status

_MARK = '"gen_ai.'
_MOST = 4000
_SAID = ("gen_ai.output.messages", "gen_ai.tool.call.result", "gen_ai.memory.records")
_HEARD = ("gen_ai.input.messages", "gen_ai.tool.call.arguments", "gen_ai.memory.query.text")
_READS, _WRITES = frozenset({"search_memory"}), frozenset({"create_memory", "update_memory", "upsert_memory"})


@dataclass(frozen=True)
class Act:
    """One span of an agent: its row in the table (``above`` is its parent's) and what its attributes tell."""

    row: int
    above: int
    trace: int
    service: str
    failed: bool
    told: Mapping[str, Any]

    @property
    def what(self) -> str:
        """The operation: chat, execute_tool, invoke_agent, search_memory, …"""
        return self.text("gen_ai.operation.name") or ""

    @property
    def agent(self) -> str:
        """Who acted; the service where no agent is named."""
        return self.text("gen_ai.agent.name") or self.service

    @property
    def tool(self) -> str | None:
        return self.text("gen_ai.tool.name")

    @property
    def memory(self) -> str | None:
        """The memory entry that was read or written, where the span names one."""
        return self.text("gen_ai.memory.record.id") or next(iter(self.records), None)

    @property
    def reads(self) -> bool:
        return self.what in _READS

    @property
    def writes(self) -> bool:
        return self.what in _WRITES

    @property
    def actor(self) -> Entity:
        """What acted: a memory entry that was read or written, a tool that was called, else the agent."""
        if self.reads or self.writes:
            return Entity(kind=EntityKind.MEMORY, name=self.memory or "memory", service=self.service)
        if self.tool is not None:
            return Entity(kind=EntityKind.TOOL, name=self.tool, service=self.service)
        return Entity(kind=EntityKind.AGENT, name=self.agent, service=self.service)

    @property
    def step(self) -> int | None:
        """The place in the run that the span itself tells (``step.index``)."""
        told = self.told.get("step.index")
        return told if isinstance(told, int) and not isinstance(told, bool) else None

    @cached_property
    def said(self) -> str:
        """What came out of it, as text."""
        return next((text for name in _SAID if (text := plain(self.told.get(name)))), "")

    @cached_property
    def heard(self) -> str:
        """What went into it, as text."""
        return "\n".join(text for name in _HEARD if (text := plain(self.told.get(name))))

    @cached_property
    def records(self) -> Mapping[str, str]:
        """The memory entries that were returned, by their ids."""
        found = _parsed(self.told.get("gen_ai.memory.records"))
        each = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
        return {str(one["id"]): plain(one.get("content")) for one in each if "id" in one}

    def text(self, name: str) -> str | None:
        """An attribute as text; None where it is missing or empty."""
        value = self.told.get(name)
        return str(value) if value not in (None, "") else None

    def number(self, name: str) -> float:
        """An attribute as a number; NaN where it is none."""
        value = self.told.get(name)
        return float(value) if isinstance(value, int | float) else float("nan")

    @property
    def evaluations(self) -> Iterator[Mapping[str, Any]]:
        """The evaluation results (event ``gen_ai.evaluation.result``) of this act."""
        events = self.told.get("events")
        for event in events if isinstance(events, list) else ():
            if isinstance(event, dict) and any(name.startswith("gen_ai.evaluation.") for name in event):
                yield event


@dataclass(frozen=True)
class Acts:
    """All acts in the order of the table, with the row of each."""

    each: Sequence[Act]
    rows: Ints

    def __bool__(self) -> bool:
        return bool(self.each)

    def those(self, wanted: Callable[[Act], bool]) -> Acts:
        """Some of them."""
        kept = [place for place, act in enumerate(self.each) if wanted(act)]
        return Acts([self.each[place] for place in kept], self.rows[np.array(kept, dtype=np.int64)])


def acts(spans: Spans, parent: Ints, late: Flags) -> Acts:
    """Read the GenAI spans: of many, the last quiet ones and the first of the incident."""
    marked = [code for code, text in enumerate(spans.attributes.names) if _MARK in text]
    rows = np.flatnonzero(np.isin(spans.attributes.codes, marked))
    kept = np.concatenate([rows[~late[rows]][-_MOST:], rows[late[rows]][:_MOST]]).astype(np.int64)
    return Acts([_act(spans, parent, int(row)) for row in kept], kept)


def plain(value: object) -> str:
    """The text in a message, a list of messages or any JSON value."""
    value = _parsed(value)
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        inner = next((value[name] for name in ("parts", "content", "text") if name in value), None)
        return plain(inner if inner is not None else list(value.values()))
    if isinstance(value, list):
        return "\n".join(text for each in value if (text := plain(each)))
    return "" if value is None else str(value)


def _parsed(value: object) -> object:
    """JSON in a string as what it stands for; anything else as it is."""
    if not isinstance(value, str) or value[:1] not in ("[", "{"):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _act(spans: Spans, parent: Ints, row: int) -> Act:
    code = spans.service.codes[row]
    return Act(
        row=row,
        above=int(parent[row]),
        trace=int(spans.trace.codes[row]),
        service=spans.service.names[code] if code != MISSING else "",
        failed=bool(spans.status[row] == Status.ERROR),
        told=read(spans, row),
    )
