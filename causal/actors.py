"""Agents, tools, models, prompts and memory entries compared with themselves in quiet time.

One shape for every signal that looks at acts: which actor each act belongs to, what was measured of it, and
how a change is told. The comparisons are those of `compare`, so that evidence and amounts mean the same here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from causal import compare
from causal.compare import Change, Groups
from causal.evidence import Anomaly, Entity, EntityKind
from causal.genai import Act, Acts
from causal.past import Measure, Shared, Timed
from causal.telemetry import Flags, Floats, Ints, Past
from causal.view import View

Actor = Callable[[Act], Entity]
_LEAST, _SHOWN = 1.0, 3


@dataclass(frozen=True)
class Telling:
    """What an anomaly is called, in which unit, and its sentence with {name}, {before} and {now}.

    ``measure`` is what a quiet profile remembers it by. Values that differ by less than ``alike`` are all
    alike.
    """

    signal: str
    unit: str
    says: str
    measure: str = ""
    alike: float = 0.01


def agent_of(act: Act) -> Entity:
    """The agent that acted."""
    return Entity(kind=EntityKind.AGENT, name=act.agent, service=act.service)


def tool_of(act: Act) -> Entity:
    """The tool that was called."""
    return Entity(kind=EntityKind.TOOL, name=act.tool or act.service, service=act.service)


@dataclass(frozen=True, eq=False)
class Sample:
    """One number an act, the acts grouped by their actors, and what of it a quiet profile remembers."""

    rows: Ints
    values: Floats
    actors: Sequence[Entity]
    groups: Groups
    telling: Telling
    measure: Measure


def numbers(
    view: View, acts: Acts, actor: Actor, measured: Sequence[float], telling: Telling
) -> tuple[Sample, ...]:
    """Numbers of acts by actor; acts without one (NaN) do not count; nothing where none has any."""
    values = np.array(measured, dtype=np.float64)
    kept = np.flatnonzero(np.isfinite(values)).tolist()
    if not kept:
        return ()
    some = Acts([acts.each[place] for place in kept], acts.rows[kept])
    actors, groups = _grouped(view, some, actor)
    table = compare.sums(values[kept], groups, telling.alike)
    measure = Timed(telling.measure, _contexts(actors), table)
    return (Sample(some.rows, values[kept], actors, groups, telling, measure),)


def marks(view: View, acts: Acts, actor: Actor, held: Sequence[bool], telling: Telling) -> tuple[Sample, ...]:
    """Which acts hold something, by actor; none where there are no acts."""
    if not acts:
        return ()
    flags = np.array(held, dtype=np.bool_)
    actors, groups = _grouped(view, acts, actor)
    features = [telling.signal] * len(actors)
    measure = Shared(telling.measure, _contexts(actors), features, compare.counts(flags, groups))
    return (Sample(acts.rows, flags.astype(np.float64), actors, groups, telling, measure),)


def risen(view: View, samples: Iterable[Sample]) -> tuple[Anomaly, ...]:
    """Actors whose numbers have grown, or of whose acts a larger share holds something."""
    return tuple(anomaly for sample in samples for anomaly in _risen(view, sample))


def oftener(
    view: View, acts: Acts, actor: Actor, held: Sequence[bool], telling: Telling
) -> tuple[Anomaly, ...]:
    """Actors of whose acts a larger share holds something, by what quiet rows alone tell."""
    return risen(view, marks(view, acts, actor, held, telling)) if any(held) else ()


def _grouped(view: View, acts: Acts, actor: Actor) -> tuple[Sequence[Entity], Groups]:
    known: dict[Entity, int] = {}
    codes = np.array([known.setdefault(actor(act), len(known)) for act in acts.each], dtype=np.int64)
    return list(known), view.groups(acts.rows, codes)[1]


def _contexts(actors: Sequence[Entity]) -> tuple[str, ...]:
    return tuple(f"{actor.service}\x1f{actor.key}" for actor in actors)


def _compared(measure: Measure, past: Past) -> Change:
    if isinstance(measure, Timed):
        return compare.slower(measure.beside(past))
    return compare.commoner(measure.beside(past))


def _risen(view: View, sample: Sample) -> Iterator[Anomaly]:
    telling, change = sample.telling, _compared(sample.measure, view.telemetry.past)
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
