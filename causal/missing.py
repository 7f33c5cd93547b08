"""What is missing, in words: an answer that rests on little must say so."""

from __future__ import annotations

import numpy as np

from causal.view import View

_LITTLE = 300.0
_SLOT = 5.0
_MINUTE = 60.0


def evidence(view: View) -> tuple[str, ...]:
    """What the diagnosis as a whole does without."""
    forest, telemetry = view.forest, view.telemetry
    said = list(telemetry.gaps)
    if not telemetry.incident:
        said.append("there is no telemetry of the incident at all")
    elif not telemetry.quiet and not len(telemetry.past):
        said.append("there is no quiet time to compare with: nothing can be called unusual")
    elif quiet_seconds(view) <= _LITTLE:
        said.append(f"quiet time has {quiet_seconds(view):.0f} s only: the answer rests on little")
    for name, table in (("traces", view.spans), ("metrics", view.metrics), ("logs", view.logs)):
        if not len(table):
            said.append(f"there are no {name}")
    if forest.orphans:
        said.append(f"{forest.orphans} spans name a parent that is missing")
    if forest.cycles:
        said.append(f"{forest.cycles} spans hang on a cycle of parents and were treated as roots")
    if forest.negative:
        said.append(f"{forest.negative} spans have a negative duration and count as instantaneous")
    if forest.skewed:
        said.append(f"clocks disagree with their callers' on {', '.join(sorted(forest.skewed))}")
    return tuple(dict.fromkeys(said))


def of_service(view: View, service: str) -> tuple[str, ...]:
    """What is not known of one service."""
    tables = (("traces", view.spans.service), ("metrics", view.metrics.service), ("logs", view.logs.service))
    return tuple(
        f"no {name} of {service}"
        for name, column in tables
        if len(column) and not (column.codes == column.code(service)).any()
    )


def quiet_seconds(view: View) -> float:
    """Seconds of quiet time in which anything was measured, the remembered minutes included."""
    moments = [
        view.spans.start_ns[view.forest.root][~view.late] * 1e-9,
        view.metrics.time[~view.metrics_late],
        view.logs.time_ns[~view.logs_late] * 1e-9,
    ]
    best = max((len(np.unique(times // _SLOT)) * _SLOT for times in moments), default=0.0)
    metric = view.metrics.time[~view.metrics_late]
    remembered = len(np.unique(view.telemetry.past.start)) * _MINUTE
    return remembered + max(best, float(np.ptp(metric)) if len(metric) else 0.0)


def compares(view: View) -> bool:
    """Whether any telemetry was measured in quiet time and in the incident alike."""
    others = (view.metrics_late, view.logs_late)
    return view.compares or any(bool(late.any() and not late.all()) for late in others)
