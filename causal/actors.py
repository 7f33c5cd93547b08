"""Agents, tools, models, prompts and memory entries compared with themselves in quiet time.

One shape for every signal that looks at acts: which actor each act belongs to, what was measured of it, and
how a change is told. The comparisons are those of `compare`, so that evidence and amounts mean the same here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from causal import compare
from causal.compare import Change, Groups
from causal.evidence import Anomaly, Entity, EntityKind
from causal.genai import Act, Acts
from causal.telemetry import Flags, Floats, Ints
from causal.view import View

Actor = Callable[[Act], Entity]
_LEAST, _SHOWN = 1.0, 3


@dataclass(frozen=True)
class Telling:
    """What an anomaly is called, in which unit, and its sentence with {name}, {before} and {now}."""

    signal: str
    unit: str
    says: str


def agent_of(act: Act) -> Entity:
    """The agent that acted."""
    return Entity(kind=EntityKind.AGENT, name=act.agent, service=act.service)


def tool_of(act: Act) -> Entity:
    """The tool that was called."""
    return Entity(kind=EntityKind.TOOL, name=act.tool or act.service, service=act.service)


@dataclass(frozen=True)
class _Sample:
    """One number an act, and the acts grouped by their actors."""

    rows: Ints
    values: Floats
    actors: Sequence[Entity]
    groups: Groups


def longer(
    view: View, acts: Acts, actor: Actor, measured: Sequence[float], telling: Telling
) -> tuple[Anomaly, ...]:
    """Actors whose numbers have grown; acts without a number (NaN) don't count."""
    values = np.array(measured, dtype=np.float64)
    kept = np.flatnonzero(np.isfinite(values)).tolist()
    if not kept:
        return ()
    some = Acts([acts.each[place] for place in kept], acts.rows[kept])
    sample = _sample(view, some, actor, values[kept])
    quiet = sample.values[~view.late[some.rows]]
    offset = max(0.01 * float(np.median(np.abs(quiet))), 1e-6) if len(quiet) else 1.0
    return tuple(_risen(view, sample, compare.times(sample.values, sample.groups, offset), telling))


def oftener(
    view: View, acts: Acts, actor: Actor, held: Sequence[bool], telling: Telling
) -> tuple[Anomaly, ...]:
    """Actors of whose acts a larger share holds something."""
    if not any(held):
        return ()
    flags = np.array(held, dtype=np.bool_)
    sample = _sample(view, acts, actor, flags.astype(np.float64))
    return tuple(_risen(view, sample, compare.shares(flags, sample.groups), telling))


def _sample(view: View, acts: Acts, actor: Actor, values: Floats) -> _Sample:
    known: dict[Entity, int] = {}
    codes = np.array([known.setdefault(actor(act), len(known)) for act in acts.each], dtype=np.int64)
    _, groups = view.groups(acts.rows, codes)
    return _Sample(acts.rows, values, list(known), groups)


def _risen(view: View, sample: _Sample, change: Change, telling: Telling) -> Iterator[Anomaly]:
    for place in np.flatnonzero((change.evidence >= _LEAST) & (change.now > change.before)).tolist():
        mine: Flags = (sample.groups.group == place) & view.late[sample.rows]
        rows, values = sample.rows[mine], sample.values[mine]
        before, now = float(change.before[place]), float(change.now[place])
        yield Anomaly(
            entity=sample.actors[place],
            signal=telling.signal,
            log_bayes_factor=float(change.evidence[place]),
            amount=float(change.amount[place]),
            unit=telling.unit,
            level_before=before,
            level_now=now,
            onset=view.onset(rows, values, before, now),
            says=telling.says.format(name=sample.actors[place].name, before=before, now=now),
            exemplars=view.trace(rows[values >= now][:_SHOWN]),
        )
