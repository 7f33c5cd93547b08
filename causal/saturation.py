"""Saturation, the golden signal that requests do not tell: whether resources are back where they usually are.

The resources that a diagnosis would blame (`causal.signals.resources`) are looked at over the latest stretch;
"still fuller than usual" asks for strong evidence (three nats, twenty to one: Kass and Raftery, "Bayes
factors", JASA 1995), because a wobble is no saturation. Resources that told of themselves in quiet time and
are silent now are not back.
"""

from __future__ import annotations

import numpy as np

from causal.evidence import Alert, Fact, Window
from causal.signals import resources
from causal.telemetry import Batch, Metrics, Telemetry
from causal.view import behold

_STRONG = 3.0


class Fullness(Fact):
    """Whether the resources of some services are as usual; ``told`` is whether any metric tells of them."""

    told: bool
    usual: bool
    says: str


def fullness(
    alert: Alert, quiet: Batch, now: Batch, *, baseline: Window, recent: Window, services: frozenset[str]
) -> Fullness:
    """Compare the resources of services over a recent window with quiet time."""
    view = behold(alert, Telemetry(baseline=baseline, window=recent, quiet=quiet, incident=now))
    before, after = _told_of(quiet.metrics, services), _told_of(now.metrics, services)
    if not before:
        return Fullness(told=False, usual=True, says="no metric tells how full its resources usually are")
    if silent := sorted(before - after):
        return Fullness(
            told=True, usual=False, says=f"{', '.join(silent)} tells nothing of its resources now"
        )
    full = [
        found.says
        for found in resources.find(view)
        if found.entity.service in services and found.log_bayes_factor > _STRONG
    ]
    named = ", ".join(sorted(before))
    says = "; ".join(full) or f"the resources of {named} are no fuller than usual"
    return Fullness(told=True, usual=not full, says=says)


def _told_of(metrics: Metrics, services: frozenset[str]) -> set[str]:
    """Which of the services tell of their resources in a table."""
    telling = [code for code, name in enumerate(metrics.metric.names) if resources.kind_of(name)]
    of = np.isin(metrics.metric.codes, telling) & (metrics.service.codes >= 0)
    return {metrics.service.names[code] for code in np.unique(metrics.service.codes[of])} & services
