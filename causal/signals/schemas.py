"""Schema validation: services of agents whose answers more often have the wrong form.

The conventions have no span for it, so an error whose type speaks of validation, parsing or a schema counts,
against all requests of a service in which agents act.
"""

from __future__ import annotations

import re

import numpy as np

from causal import compare
from causal.evidence import Anomaly, Entity, EntityKind
from causal.view import View

_FORM = re.compile(r'"error\.type": ?"[^"]*(schema|validation|parse|decode)', re.IGNORECASE)
_ERROR = '"error.type"'
_LEAST = 1.0


def find(view: View) -> tuple[Anomaly, ...]:
    """Agents whose answers have lost their form."""
    if not view.acts or not view.compares:
        return ()
    names = view.spans.attributes.names
    marked = [code for code, text in enumerate(names) if _ERROR in text and _FORM.search(text)]
    services = {act.service for act in view.acts.each}
    codes = [code for code, name in enumerate(view.spans.service.names) if name in services]
    entries = view.requests[np.isin(view.spans.service.codes[view.requests], codes)]
    wrong = np.flatnonzero(np.isin(view.spans.attributes.codes, marked))
    held = np.isin(entries, view.forest.segment[wrong])
    first, groups = view.groups(entries, view.spans.service.codes[entries])
    change = compare.shares(held, groups)
    return tuple(
        Anomaly(
            entity=Entity(kind=EntityKind.AGENT, name=service, service=service),
            signal="schema",
            log_bayes_factor=float(change.evidence[place]),
            amount=float(change.amount[place]),
            unit="requests",
            level_before=float(change.before[place]),
            level_now=float(change.now[place]),
            says=f"{change.now[place]:.0%} of the requests of {service} meet an answer of the wrong form, "
            f"in quiet time {change.before[place]:.0%}",
        )
        for place in np.flatnonzero((change.evidence >= _LEAST) & (change.now > change.before))
        for service in [view.spans.service.names[view.spans.service.codes[entries[first[place]]]]]
    )
