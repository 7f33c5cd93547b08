"""What is known to be missing from an incident's telemetry, in words.

Absence is evidence too, and it widens the answer: a diagnosis that was made without traces, or without a
quiet stretch to compare with, has to say so.
"""

from collections.abc import Sequence

import numpy as np

from causal.evidence import Window
from causal.telemetry import MISSING, Batch, Flags, Spans

__all__ = ["gaps_of"]

_SHORT = 60.0  # seconds of quiet time below which "usual" is a guess
_NOTED = 0.001  # share of spans without their parent that is worth a sentence
_NAMED = 8  # services listed by name before "and n more"


def gaps_of(
    quiet: Batch, incident: Batch, baseline: Window, calls: Sequence[tuple[str, str]]
) -> tuple[str, ...]:
    """Sentences about what is missing, most general first; none if nothing is."""
    return (
        *_absent(quiet, incident),
        *_thin_baseline(quiet, baseline),
        *_orphans(incident.spans),
        *_unseen(quiet, incident, calls),
        *_silent(quiet, incident),
    )


def _absent(quiet: Batch, incident: Batch) -> list[str]:
    names = (("traces", "spans"), ("metrics", "metrics"), ("logs", "logs"))
    both = [
        name for name, table in names if not len(getattr(quiet, table)) and not len(getattr(incident, table))
    ]
    now = [name for name, table in names if len(getattr(quiet, table)) and not len(getattr(incident, table))]
    return [f"no {name} at all" for name in both] + [f"no {name} in the incident window" for name in now]


def _thin_baseline(quiet: Batch, baseline: Window) -> list[str]:
    if not quiet:
        return ["no baseline rows: nothing to compare the incident with"]
    if baseline.seconds < _SHORT:
        return [f"the baseline lasts only {baseline.seconds:.0f} seconds"]
    return []


def _orphans(spans: Spans) -> list[str]:
    """Spans whose parent was not received, and the services of which that is true of every entry."""
    if not len(spans):
        return []
    child = spans.parent != MISSING
    orphan = child & ~_parent_is_here(spans)
    share = float(orphan.sum() / len(spans))
    if share < _NOTED:
        return []
    said = [f"{share:.1%} of the incident's spans name a parent that was not received"]
    never = sorted(_services(spans, orphan) - _services(spans, child & ~orphan) - _services(spans, ~child))
    return said + ([f"the callers of {_list(never)} were never seen"] if never else [])


def _parent_is_here(spans: Spans) -> Flags:
    breadth = int(max(spans.span.max(), spans.parent.max())) + 1
    trace = spans.trace.codes.astype(np.int64) * breadth
    return np.isin(trace + spans.parent, trace + spans.span)


def _services(spans: Spans, rows: Flags) -> set[str]:
    return {spans.service.names[code] for code in np.unique(spans.service.codes[rows]) if code != MISSING}


def _unseen(quiet: Batch, incident: Batch, calls: Sequence[tuple[str, str]]) -> list[str]:
    seen = quiet.services() | incident.services()
    unseen = sorted({service for call in calls for service in call} - seen)
    return [f"in the call graph but without any telemetry: {_list(unseen)}"] if unseen else []


def _silent(quiet: Batch, incident: Batch) -> list[str]:
    silent = sorted(quiet.services() - incident.services())
    return [f"heard before the incident and not during it: {_list(silent)}"] if silent and incident else []


def _list(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
