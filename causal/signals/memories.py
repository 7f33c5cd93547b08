"""Memory: an entry whose readers are evaluated as failed more often than those who did not read it.

Runs with and without the entry are compared, in quiet time and now alike, so that an entry that has always
been read is as suspicious as a new one. An entry belongs to the service that wrote it, where that was seen:
who reads it is its victim (memory poisoning: Chen et al., "AgentPoison", NeurIPS 2024).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from causal import bayes_factors
from causal.evidence import Anomaly, Entity, EntityKind
from causal.genai import Act
from causal.signals.evaluations import judged_bad
from causal.view import View

_LEAST, _FEW = 1.0, 2
_WIDE = 20.0


def find(view: View) -> tuple[Anomaly, ...]:
    """Entries that spoil the runs in which they are read."""
    reads = [act for act in view.acts.each if act.reads]
    if not reads or not view.compares:
        return ()
    spoilt = _runs(view)
    authors = {entry: act.service for act in view.acts.each if act.writes for entry in _entries(act)}
    return tuple(_spoiling(view, reads, spoilt, authors))


def _spoiling(
    view: View, reads: list[Act], spoilt: dict[int, bool], authors: dict[tuple[str, str], str]
) -> Iterator[Anomaly]:
    readers: dict[tuple[str, str], list[Act]] = {}
    for act in reads:
        for entry in _entries(act):
            readers.setdefault(entry, []).append(act)
    for (name, content), mine in sorted(readers.items()):
        traces = {act.trace for act in mine} & spoilt.keys()
        others = spoilt.keys() - traces
        bad, bad_elsewhere = sum(spoilt[t] for t in traces), sum(spoilt[t] for t in others)
        evidence = float(bayes_factors.beta_binomial(bad_elsewhere, len(others), bad, len(traces), _WIDE))
        more = bad * max(len(others), 1) > bad_elsewhere * len(traces)
        if evidence < _LEAST or len(traces) < _FEW or not more:
            continue
        service = authors.get((name, content), mine[0].service)
        rows = np.array(
            [act.row for act in mine if act.trace in traces and view.late[act.row]], dtype=np.int64
        )
        yield Anomaly(
            entity=Entity(kind=EntityKind.MEMORY, name=name, service=service),
            signal="memory_entry",
            log_bayes_factor=evidence,
            level_before=bad_elsewhere / max(len(others), 1),
            level_now=bad / len(traces),
            says=f"{bad} of the {len(traces)} runs that read memory {name} are evaluated as failed, "
            f"of the others {bad_elsewhere} of {len(others)}",
            exemplars=view.trace(rows)[:3],
        )


def _runs(view: View) -> dict[int, bool]:
    """Of every trace that was evaluated, whether anything in it failed."""
    spoilt: dict[int, bool] = {}
    for act in view.acts.each:
        bad = judged_bad(act)
        if bad is not None:
            spoilt[act.trace] = spoilt.get(act.trace, False) or bad
    return spoilt


def _entries(act: Act) -> list[tuple[str, str]]:
    """The memory entries of an act, each with its content: the same name may hold something else later."""
    if act.records:
        return list(act.records.items())
    return [(act.memory, "")] if act.memory is not None else []
