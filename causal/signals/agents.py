"""LLM agents: longer answers, worse evaluations; in a single failed run, turns that look made up.

With quiet time to compare, an agent is judged like any service: output tokens per turn of its model, the
share of answers that were evaluated as failed. Without it (one failed run is all there is) only what the
turns say can be weighed, and that is weak: words for making things up, and code or tools that failed,
speak against whoever spoke them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from causal import compare
from causal.attributes import read
from causal.evidence import Anomaly, Entity, EntityKind
from causal.telemetry import Flags, Ints
from causal.view import View

_MARK = '"gen_ai.'
_MOST = 4000
_LEAST = 1.0
_INVENTS = re.compile(
    r"\b(assum|simulat|placeholder|approximat|hypothetical|pretend|for example purposes|suppose)",
    re.IGNORECASE,
)
_FAILS = re.compile(
    r"\b(traceback|exitcode: [1-9]|execution failed|error:|exception|unable to|not found|cannot|could not)",
    re.IGNORECASE,
)
_WORDS = 0.4
_TOKENS = 5.0


def find(view: View) -> tuple[Anomaly, ...]:
    """Agents whose output has changed, or, with nothing to compare, whose turns look doubtful."""
    marked = [code for code, text in enumerate(view.spans.attributes.names) if _MARK in text]
    rows = np.flatnonzero(np.isin(view.spans.attributes.codes, marked))
    if not len(rows):
        return ()
    if not view.compares:
        return _doubtful(view, rows[:_MOST])
    kept = np.concatenate([rows[~view.late[rows]][-_MOST:], rows[view.late[rows]][:_MOST]])
    told = [read(view.spans, int(row)) for row in kept]
    return (*_lengths(view, kept, told), *_evaluations(view, kept, told))


def _lengths(view: View, rows: Ints, told: list[Mapping[str, Any]]) -> list[Anomaly]:
    tokens = np.array([_number(each.get("gen_ai.usage.output_tokens")) for each in told])
    has = np.isfinite(tokens)
    if not has.any():
        return []
    rows, tokens = rows[has], tokens[has]
    first, groups = view.groups(rows, view.spans.service.codes[rows])
    change = compare.times(tokens, groups, _TOKENS)
    return [
        _anomaly(
            view.spans.service.names[view.spans.service.codes[rows[first[agent]]]],
            float(change.evidence[agent]),
            (float(change.before[agent]), float(change.now[agent])),
            "{service} writes {now:.0f} tokens a turn, in quiet time {before:.0f}",
        )
        for agent in np.flatnonzero(change.evidence >= _LEAST)
    ]


def _evaluations(view: View, rows: Ints, told: list[Mapping[str, Any]]) -> list[Anomaly]:
    failed = [_failed_evaluation(each) for each in told]
    has: Flags = np.array([each is not None for each in failed])
    if not has.any():
        return []
    rows, bad = rows[has], np.array([bool(each) for each in failed])[has]
    first, groups = view.groups(rows, view.spans.service.codes[rows])
    change = compare.shares(bad, groups)
    return [
        _anomaly(
            view.spans.service.names[view.spans.service.codes[rows[first[agent]]]],
            float(change.evidence[agent]),
            (float(change.before[agent]), float(change.now[agent])),
            "{now:.0%} of the answers of {service} are evaluated as failed, in quiet time {before:.0%}",
        )
        for agent in np.flatnonzero((change.evidence >= _LEAST) & (change.now > change.before))
    ]


def _failed_evaluation(told: Mapping[str, Any]) -> bool | None:
    """Whether a span's evaluation says that it failed; None where there is none."""
    events = told.get("events")
    for event in events if isinstance(events, list) else ():
        label = event.get("gen_ai.evaluation.score.label") if isinstance(event, dict) else None
        if label is not None:
            return str(label).lower() in {"fail", "failed", "bad", "incorrect"}
    return None


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def _doubtful(view: View, rows: Ints) -> tuple[Anomaly, ...]:
    """Weak evidence from one run: who spoke most, who made things up, whose turn came before a failure."""
    turns: Counter[str] = Counter()
    doubts: Counter[str] = Counter()
    before = ""
    order = rows[np.argsort(view.spans.start_ns[rows], kind="stable")]
    for row in order:
        service = view.spans.service.names[view.spans.service.codes[row]]
        told = read(view.spans, int(row))
        if view.forest.parent[row] < 0:
            continue
        text = str(told.get("gen_ai.output.messages", ""))
        tool = told.get("gen_ai.operation.name") == "execute_tool"
        turns[service] += 0 if tool else 1
        doubts[service] += 0 if tool else min(len(_INVENTS.findall(text)), 2)
        doubts[before if tool and before else service] += 1 if _FAILS.search(text) else 0
        before = before if tool else service
    most = max(turns.values(), default=0)
    return tuple(
        Anomaly(
            entity=Entity(kind=EntityKind.AGENT, name=agent, service=agent),
            signal="output",
            log_bayes_factor=_LEAST + n / most + _WORDS * float(np.log1p(doubts[agent])),
            says=f"{agent} spoke in {n} turns, {doubts[agent]} of its words or results are doubtful",
        )
        for agent, n in sorted(turns.items())
        if n
    )


def _anomaly(service: str, evidence: float, levels: tuple[float, float], says: str) -> Anomaly:
    before, now = levels
    return Anomaly(
        entity=Entity(kind=EntityKind.AGENT, name=service, service=service),
        signal="output",
        log_bayes_factor=evidence,
        level_before=before,
        level_now=now,
        says=says.format(service=service, before=before, now=now),
    )
