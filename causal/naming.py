"""What kind of fault it is, and what would settle it: read off from which signals moved.

A known error says more than any signal where it speaks of a cause ("deadlock detected"); where it speaks of
an effect ("timed out") it names the fault only if the signals know nothing better than that requests fail.
"""

from __future__ import annotations

from collections.abc import Sequence

from causal.evidence import Anomaly, Change, Entity, EntityKind, Fault
from causal.sightings import Sighting
from causal.suspects import Finding, Suspect

_CHANGES = {"config": Fault.CONFIG_CHANGE, "deployment": Fault.DEPLOYMENT, "prompt": Fault.PROMPT_CHANGE}
_RESOURCES = {"cpu": Fault.CPU, "memory": Fault.MEMORY}
_SIGNALS = {
    "queueing": Fault.POOL_EXHAUSTED,
    "own_errors": Fault.ERRORS,
    "error_logs": Fault.ERRORS,
    "exclusive_time": Fault.LATENCY,
    "own_latency": Fault.LATENCY,
    "failing": Fault.ERRORS,
    "waiting": Fault.LATENCY,
    "silent": Fault.UNAVAILABLE,
    "full": Fault.POOL_EXHAUSTED,
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
_ACTORS = frozenset(
    {EntityKind.AGENT, EntityKind.TOOL, EntityKind.MODEL, EntityKind.PROMPT, EntityKind.MEMORY}
)
_OUTPUTS = {EntityKind.TOOL: Fault.ERRORS, EntityKind.PROMPT: Fault.PROMPT_CHANGE}
# Nats from which on what is behind an agent is named in its stead.
_BEHIND = 2.0
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
_SAYS_LITTLE = frozenset({Fault.ERRORS, Fault.UNKNOWN})
# Of the requests that failed (or of all), those that must show a known error before it names the fault, and
# the nats; of one whose single occurrence says it all, being new is enough.
_SOME, _NEW = 0.3, 2.0


def fault_of(
    suspect: Suspect, mine: Sequence[Finding], alive: frozenset[str], seen: Sequence[Sighting] = ()
) -> Fault:
    """The kind of fault that the findings on a suspect, and the known errors seen there, speak of."""
    if blames_change(suspect) and suspect.change is not None:
        return _CHANGES.get(suspect.change.kind, Fault.CONFIG_CHANGE)
    shown = _shown(suspect, mine, alive)
    known = telling(seen, shown)
    return shown if known is None else known.fault


def telling(seen: Sequence[Sighting], shown: Fault) -> Sighting | None:
    """The known error that names the fault better than what the signals have shown; None where none does."""
    enough = [s for s in seen if (s.signature.once and s.evidence >= _NEW) or _common(s)]
    causes = [s for s in enough if s.signature.tells == "cause"]
    fitting = causes or (enough if shown in _SAYS_LITTLE else [])
    return max(fitting, key=lambda s: (s.evidence * s.share, s.signature.name), default=None)


def _common(sighting: Sighting) -> bool:
    return sighting.evidence >= _CERTAIN and sighting.share >= _SOME


def blames_change(suspect: Suspect) -> bool:
    """Whether to name the change: only one that came just before the suspect's own trouble."""
    return suspect.change is not None and suspect.freshness >= _FRESH


def _shown(suspect: Suspect, mine: Sequence[Finding], alive: frozenset[str]) -> Fault:
    unanswered = [f for f in mine if f.chief.signal == "unanswered" and f.callee == suspect.service]
    if unanswered and suspect.service not in alive:
        return Fault.UNAVAILABLE
    chief = max(mine, key=lambda f: (f.weight * _TELLING.get(f.kind, 1.0), f.kind), default=None)
    if chief in unanswered:
        return Fault.UNAVAILABLE
    if chief is None:
        return Fault.UNKNOWN
    full = any(a.signal in ("pool", "full") and a.amount >= _PENDING for f in mine for a in f.anomalies)
    if chief.kind == "output":
        actor = _actor(mine)
        return _OUTPUTS.get(actor.kind, Fault.BAD_OUTPUT) if actor is not None else Fault.BAD_OUTPUT
    if chief.kind == "errors" and not full:
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
    """What a hypothesis accuses: the change if it is named, else who or what acted, else the service.

    A new prompt, a new model, a memory entry or a failing tool say why an agent went wrong: they come first.
    """
    if suspect.change is not None and fault in CHANGES:
        return Entity(kind=EntityKind.CHANGE, name=suspect.change.id, service=suspect.service)
    return _actor(mine) or Entity.of_service(suspect.service)


def _actor(mine: Sequence[Finding]) -> Entity | None:
    """Whose output has changed, or what is behind it; in a run of agents, whose turn was the decisive one."""
    told = [a for f in mine if f.kind == "output" for a in f.anomalies if a.entity.kind in _ACTORS]
    behind = [a for a in told if a.entity.kind is not EntityKind.AGENT and a.log_bayes_factor >= _BEHIND]
    chosen = told if any(a.step is not None for a in told) else behind or told
    best = max(chosen, key=lambda a: (a.log_bayes_factor, a.entity.key), default=None)
    return best.entity if best is not None else None


def step_of(mine: Sequence[Finding]) -> int | None:
    """The decisive step of a run of agents: that of the strongest anomaly that tells one."""
    steps = [a for f in mine for a in f.anomalies if a.step is not None]
    return max(steps, key=lambda a: a.log_bayes_factor).step if steps else None


def next_check(suspect: Suspect, fault: Fault, seen: Sequence[Sighting] = ()) -> str:
    """The one look that would tell most."""
    named = telling([s for s in seen if s.fault == fault], fault)
    if named is not None:
        return named.signature.check.format(service=suspect.service)
    change: Change | None = suspect.change
    text = _CHECKS.get(fault, "Look at {service} itself: nothing measured says what is wrong with it.")
    return text.format(service=suspect.service, change=change.id[:12] if change else "")
