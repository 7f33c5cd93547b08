"""Where sight ends: work that a service waits for, done by somebody who tells nothing of it.

A client span is a request to somebody else (OpenTelemetry, semantic conventions for span kinds); where no
telemetry shows the other end, its time and its failures are the caller's *or* the unseen other's. The same
holds for a service that is known to call one of which nothing is measured.
"""

from __future__ import annotations

import numpy as np

from causal.forest import failed
from causal.suspects import Finding
from causal.telemetry import MISSING, Flags, Floats, SpanKind
from causal.view import View


def unseen(view: View, finding: Finding) -> float:
    """Of what a finding speaks of, the share that lies in calls whose other end is not seen."""
    if finding.is_edge or finding.kind not in ("time", "errors"):
        return 0.0
    mine = view.spans.service.codes == view.spans.service.code(finding.callee)
    if mine.any() and view.compares:
        calls: Flags = mine & (view.spans.kind == SpanKind.CLIENT) & (view.peer == MISSING)
        return _failures(view, mine, calls) if finding.kind == "errors" else _time(view, mine, calls)
    measured = set(view.metrics.service.values()) | set(view.spans.service.values())
    callees = {callee for caller, callee in view.calls if caller == finding.callee and callee != caller}
    return float(bool(callees - measured))


def _failures(view: View, mine: Flags, calls: Flags) -> float:
    wrong = failed(view.spans)
    source = wrong.copy()
    source[view.forest.parent[wrong & (view.forest.parent >= 0)]] = False
    here = source & mine & view.late
    return float((here & calls).sum() / max(int(here.sum()), 1))


def _time(view: View, mine: Flags, calls: Flags) -> float:
    def extra(which: Flags) -> float:
        now, before = which & view.late, which & ~view.late
        requests = [max(int((mine & late)[view.requests].sum()), 1) for late in (view.late, ~view.late)]
        busy: Floats = view.forest.busy
        return float(busy[now].sum() / requests[0] - busy[before].sum() / requests[1])

    whole = extra(mine & ~view.outgoing)
    return float(np.clip(extra(calls) / whole, 0.0, 1.0)) if whole > 0.0 else 0.0
