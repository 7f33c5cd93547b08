"""Demand: how much was asked of a service, for what grows in proportion to it is the asker's doing.

The utilization law of operational analysis: use = work that arrives x what one unit of work takes (Denning and
Buzen, "The operational analysis of queueing network models", 1978). Only the second factor is the service's
own. A unit of work is a request; to a model it is an output token, for a model makes an answer token after
token (Agrawal et al., "Taming throughput-latency tradeoff in LLM inference", OSDI 2024), and who asks for a
longer answer waits longer for it.
"""

from __future__ import annotations

import numpy as np

from causal.telemetry import Floats
from causal.view import View

_TOKENS = "gen_ai.usage.output_tokens"
_DEPTH = 4
_FEW = 5
_KNOWN = 0.5


def tokens(view: View) -> Floats:
    """Output tokens that each span was asked for, by the chat span above it, its client's; NaN elsewhere."""
    asked = np.full(len(view.spans), np.nan)
    told = view.acts.those(lambda act: act.number(_TOKENS) > 0.0)
    if not told:
        return asked
    asked[told.rows] = [act.number(_TOKENS) for act in told.each]
    service, parent = view.spans.service.codes, view.forest.parent
    caller = np.where(parent >= 0, service[parent], service)
    for _ in range(_DEPTH):
        # From caller to callee once, and within one service as far down as need be.
        above = np.where(parent >= 0, asked[parent], np.nan)
        inside = (caller == service) | view.forest.crosses & ~np.isnan(above) & _asker(view, asked)
        asked = np.where(np.isnan(asked) & inside, above, asked)
    return asked
