"""Where a fact came from: taint tracking by the text itself.

Taint tracking marks data where it enters a program and follows the mark (Newsome and Song, "Dynamic taint
analysis", 2005; in databases, where-provenance: Buneman, Khanna, Tan, 2001). Agents pass no marks on, but
what they pass on is text, and a number, an address or a name is rare enough to be its own mark: an act
*knows* a fact only if the fact was in something before it. So the first act of a run in which a fact appears
brought it in, and each later act that repeats it leans on the last one before it that held it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from causal.evidence import CauseEdge
from causal.genai import Act

_CODE = re.compile(r"```.*?(```|\Z)", re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.])\d[\d.,:]*\d(?!\w)")
_ADDRESS = re.compile(r"https?://[^\s)\]\"'>]+")
_NAME = re.compile(r"\b[A-Z][\w']+(?:[ -](?:of|the|de|and|&)?\s?[A-Z][\w']+)+")
_CONFIDENT, _STRENGTH = 3, 0.9
_MOST, _RUNS = 400, 50


@dataclass(frozen=True)
class Flow:
    """Facts that one act had from an earlier one."""

    source: Act
    target: Act
    facts: frozenset[str]

    @property
    def strength(self) -> float:
        """One shared fact may be chance, three hardly are."""
        return _STRENGTH * min(1.0, len(self.facts) / _CONFIDENT)

    @property
    def mechanism(self) -> str:
        """How the text got from one to the other."""
        if self.source.reads or self.source.writes:
            return "memory"
        if self.source.tool is not None:
            return "tool result"
        return "tool argument" if self.target.tool is not None else "message"


def facts(text: str) -> frozenset[str]:
    """What is rare enough to be recognised: longer numbers, web addresses, names of two words and more."""
    prose = prose_of(text)
    found = [_NUMBER.findall(prose), _ADDRESS.findall(prose), _NAME.findall(prose)]
    return frozenset(each.strip(".,:").lower() for kind in found for each in kind[:_MOST])


def prose_of(text: str) -> str:
    """A text without its blocks of code."""
    return _CODE.sub(" ", text)


def fresh(run: Sequence[Act], known: str = "") -> list[frozenset[str]]:
    """The facts that each act of one run was the first to hold; ``known`` was there before it."""
    seen, found = set(facts(known)), []
    for act in run:
        seen |= facts(act.heard)
        new = facts(act.said) - seen
        found.append(frozenset(new))
        seen |= new
    return found


def flows(run: Sequence[Act], known: str = "") -> Iterator[Flow]:
    """Who had facts from whom within one run, by consumer; what was ``known`` to all is nobody's."""
    holder: dict[str, Act] = {}
    common = facts(known)
    for act in run:
        mine = facts(act.said)
        taken: dict[int, set[str]] = {}
        for fact in sorted((mine | facts(act.heard)) & holder.keys()):
            if holder[fact].actor != act.actor:
                taken.setdefault(holder[fact].row, set()).add(fact)
        for row in sorted(taken):
            yield Flow(holder[min(taken[row])], act, frozenset(taken[row]))
        holder.update(dict.fromkeys(mine - common, act))


def routes(each: Sequence[Act], starts: Mapping[int, int]) -> tuple[CauseEdge, ...]:
    """The ways that facts took between actors within runs, the strongest first."""
    found: dict[tuple[str, str, str], list[Flow]] = {}
    for run in runs(each, starts)[:_RUNS]:
        for flow in flows(run, task_of(run)):
            found.setdefault((flow.source.actor.key, flow.target.actor.key, flow.mechanism), []).append(flow)
    ways = [
        CauseEdge(
            source=source,
            target=target,
            mechanism=mechanism,
            strength=sum(flow.strength for flow in passed) / len(passed),
            reason=f"{_count(passed)} facts of {source} came to {target}",
        )
        for (source, target, mechanism), passed in found.items()
    ]
    return tuple(sorted(ways, key=lambda way: (-way.strength, way.source, way.target, way.mechanism)))


def _count(passed: Sequence[Flow]) -> int:
    return len({fact for flow in passed for fact in flow.facts})


def fed(each: Sequence[Act], starts: Mapping[int, int]) -> dict[tuple[str, str], float]:
    """How strongly what one service's agents say gets into what another's do: (source, target) → strength."""
    services = {act.actor.key: act.service for act in each}
    written = {act.memory: act for act in each if act.writes}
    strengths: dict[tuple[str, str], float] = {}
    passed = [(services[way.source], services[way.target], way.strength) for way in routes(each, starts)]
    passed += [
        (written[act.memory].service, act.service, _STRENGTH)
        for act in each
        if act.reads and act.memory in written and starts[written[act.memory].row] <= starts[act.row]
    ]
    for source, target, strength in passed:
        if source != target:
            strengths[source, target] = max(strength, strengths.get((source, target), 0.0))
    return strengths


def task_of(run: Sequence[Act]) -> str:
    """What a run was asked to do: what went in before anything came out."""
    for act in run:
        if act.heard and act.tool is None:
            return act.heard
        if act.said:
            break
    return ""


def runs(each: Sequence[Act], starts: Mapping[int, int]) -> list[list[Act]]:
    """Acts by trace, each run in the order of time; ``starts`` tells when the span of a row began."""
    gathered: dict[int, list[Act]] = {}
    for act in each:
        gathered.setdefault(act.trace, []).append(act)
    return [sorted(run, key=lambda act: (starts[act.row], act.row)) for _, run in sorted(gathered.items())]
