"""What kind of fault it is, and what would settle it: read off from which signals moved."""

from __future__ import annotations

from collections.abc import Sequence

from causal.evidence import Change, Entity, EntityKind, Fault
from causal.suspects import Finding, Suspect

_CHANGES = {"config": Fault.CONFIG_CHANGE, "deployment": Fault.DEPLOYMENT, "prompt": Fault.PROMPT_CHANGE}
_RESOURCES = {"cpu": Fault.CPU, "memory": Fault.MEMORY, "pool": Fault.POOL_EXHAUSTED}
_SIGNALS = {
    "queueing": Fault.POOL_EXHAUSTED,
    "own_errors": Fault.ERRORS,
    "output": Fault.BAD_OUTPUT,
    "exclusive_time": Fault.LATENCY,
    "own_latency": Fault.LATENCY,
    "edge_gap": Fault.NETWORK_DELAY,
    "gave_up": Fault.ERRORS,
    "structure": Fault.ERRORS,
    "logs": Fault.ERRORS,
}
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
_TEMPER = 0.5
# Changed calls and lines tell that something is different, seldom what: any plainer signal names the fault.
_TELLING = {"requests": 0.3}


def fault_of(suspect: Suspect, mine: Sequence[Finding], alive: frozenset[str]) -> Fault:
    """The kind of fault that the findings on a suspect speak of."""
    if suspect.change is not None:
        return _CHANGES.get(suspect.change.kind, Fault.CONFIG_CHANGE)
    unanswered = [f for f in mine if f.chief.signal == "unanswered" and f.callee == suspect.service]
    if unanswered and suspect.service not in alive:
        return Fault.UNAVAILABLE
    chief = max(mine, key=lambda f: (f.weight * _TELLING.get(f.kind, 1.0), f.kind), default=None)
    if chief is None:
        return Fault.UNKNOWN
    moved = [f for f in mine if f.kind == "resource" and f.weight >= _TEMPER]
    if moved and chief.kind in ("time", "gap", "resource"):
        named = [_RESOURCES[a.signal] for f in moved for a in f.anomalies if a.signal in _RESOURCES]
        if named and chief.chief.signal != "queueing":
            return named[0]
    return _SIGNALS.get(chief.chief.signal, Fault.UNKNOWN)


def entity_of(suspect: Suspect, mine: Sequence[Finding]) -> Entity:
    """What a hypothesis accuses: the change where there is one, else the agent or the service."""
    if suspect.change is not None:
        return Entity(kind=EntityKind.CHANGE, name=suspect.change.id, service=suspect.service)
    agents = [f.chief.entity for f in mine if f.chief.entity.kind is EntityKind.AGENT]
    return agents[0] if agents else Entity.of_service(suspect.service)


def next_check(suspect: Suspect, fault: Fault) -> str:
    """The one look that would tell most."""
    change: Change | None = suspect.change
    text = _CHECKS.get(fault, "Look at {service} itself: nothing measured says what is wrong with it.")
    return text.format(service=suspect.service, change=change.id[:12] if change else "")
