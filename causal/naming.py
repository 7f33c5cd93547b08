"""What kind of fault it is, and what would settle it: read off from which signals moved."""

from __future__ import annotations

from collections.abc import Sequence

from causal.evidence import Anomaly, Change, Entity, EntityKind, Fault
from causal.suspects import Finding, Suspect

_CHANGES = {"config": Fault.CONFIG_CHANGE, "deployment": Fault.DEPLOYMENT, "prompt": Fault.PROMPT_CHANGE}
_RESOURCES = {"cpu": Fault.CPU, "memory": Fault.MEMORY}
_SIGNALS = {
    "queueing": Fault.POOL_EXHAUSTED,
    "own_errors": Fault.ERRORS,
    "output": Fault.BAD_OUTPUT,
    "exclusive_time": Fault.LATENCY,
    "own_latency": Fault.LATENCY,
    "edge_gap": Fault.NETWORK_DELAY,
    "gave_up": Fault.ERRORS,
    "misdirected": Fault.ERRORS,
    "unanswered": Fault.ERRORS,
    "cpu": Fault.CPU,
    "memory": Fault.MEMORY,
    "pool": Fault.POOL_EXHAUSTED,
    "structure": Fault.ERRORS,
    "logs": Fault.ERRORS,
}
CHANGES = frozenset(_CHANGES.values())
_CHECKS = {
    Fault.CONFIG_CHANGE: "Put {change} of {service} back and watch whether the symptom goes.",
    Fault.DEPLOYMENT: "Run one instance of {service} on the version before {change} and compare.",
    Fault.PROMPT_CHANGE: "Ask the same questions with the prompt before {change}, and compare.",
    Fault.LATENCY: "Take a profile of {service} during one slow request.",
    Fault.NETWORK_DELAY: "Measure the round trip to {service} from two of its callers.",
    Fault.ERRORS: "Read the first errors of {service} after the onset.",
    Fault.UNAVAILABLE: "Ask {service} for its health from the host that calls it.",
    Fault.CPU: "Look which threads of {service} use the processor.",
    Fault.MEMORY: "Compare two heap profiles of {service}, a minute apart.",
    Fault.POOL_EXHAUSTED: "Compare the workers that {service} has with those that wait.",
    Fault.BAD_OUTPUT: "Read three outputs of {service} that were judged bad.",
}
_FRESH = 0.5
# Shares of capacity from which on a resource names the fault, the likelier origin first.
_MATERIAL = {"cpu": 0.3, "memory": 0.2}
_PENDING = 0.05
# A multiple of its usual use, and nats, that name a resource however much of its capacity is left.
_TIMES, _CERTAIN = 3.0, 3.0
_MUCH = 0.3
# Changed calls and lines tell that something is different, seldom what: any plainer signal names the fault.
_TELLING = {"requests": 0.3}


def fault_of(suspect: Suspect, mine: Sequence[Finding], alive: frozenset[str]) -> Fault:
    """The kind of fault that the findings on a suspect speak of."""
    if blames_change(suspect) and suspect.change is not None:
        return _CHANGES.get(suspect.change.kind, Fault.CONFIG_CHANGE)
    return _shown(suspect, mine, alive)


def blames_change(suspect: Suspect) -> bool:
    """Whether to name the change: only one that came just before the suspect's own trouble."""
    return suspect.change is not None and suspect.freshness >= _FRESH


def _shown(suspect: Suspect, mine: Sequence[Finding], alive: frozenset[str]) -> Fault:
    unanswered = [f for f in mine if f.chief.signal == "unanswered" and f.callee == suspect.service]
    if unanswered and suspect.service not in alive:
        return Fault.UNAVAILABLE
    chief = max(mine, key=lambda f: (f.weight * _TELLING.get(f.kind, 1.0), f.kind), default=None)
    if chief is None:
        return Fault.UNKNOWN
    full = any(a.signal == "pool" and a.amount >= _PENDING for f in mine for a in f.anomalies)
    if chief.kind == "output" or (chief.kind == "errors" and not full):
        return _SIGNALS.get(chief.chief.signal, Fault.UNKNOWN)
    used = [a for f in mine if f.kind == "resource" for a in f.anomalies if _material(a)]
    for signal in _MATERIAL:
        if any(a.signal == signal for a in used):
            return _RESOURCES[signal]
    busy = any(f.chief.signal == "exclusive_time" and f.weight >= _MUCH * chief.weight for f in mine)
    if full:
        return Fault.LATENCY if busy else Fault.POOL_EXHAUSTED
    return _SIGNALS.get(chief.chief.signal, Fault.UNKNOWN)


def _material(used: Anomaly) -> bool:
    """Whether a resource is used so much, or so much more than usual, that it names the fault."""
    many = used.level_now is not None and used.level_now >= _TIMES * (used.level_before or 0.0)
    runaway = many and used.log_bayes_factor >= _CERTAIN
    return used.amount >= _MATERIAL.get(used.signal, 1.0) or runaway


def entity_of(suspect: Suspect, mine: Sequence[Finding], fault: Fault) -> Entity:
    """What a hypothesis accuses: the change if it is named, else the agent or the service."""
    if suspect.change is not None and fault in CHANGES:
        return Entity(kind=EntityKind.CHANGE, name=suspect.change.id, service=suspect.service)
    agents = [f.chief.entity for f in mine if f.chief.entity.kind is EntityKind.AGENT]
    return agents[0] if agents else Entity.of_service(suspect.service)


def next_check(suspect: Suspect, fault: Fault) -> str:
    """The one look that would tell most."""
    change: Change | None = suspect.change
    text = _CHECKS.get(fault, "Look at {service} itself: nothing measured says what is wrong with it.")
    return text.format(service=suspect.service, change=change.id[:12] if change else "")
