"""A made-up audit log of any length: incidents as Aitia writes them down, decisions and all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from causal.evidence import Fault
from integrations.audit import GENESIS, seal
from integrations.audit_review import gate_version
from integrations.ports import AuditEntry, AuditRow
from playbooks.gate import GateInput, decide
from playbooks.policy import Policy

ROWS_OF_AN_INCIDENT = 13
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def story(rows: int) -> Iterator[AuditRow]:
    """Yield the first rows of a log of incidents; the same each time."""
    previous = GENESIS
    for seq, entry in zip(range(1, rows + 1), _entries(), strict=False):
        at = (_BEGAN + timedelta(seconds=40 * seq)).isoformat(timespec="microseconds")
        row = seal(entry, seq, at, previous)
        previous = row.hash
        yield row


def _entries() -> Iterator[AuditEntry]:
    number = 0
    while True:
        number += 1
        yield from _incident(f"inc-{number:08x}-1", number)


def _incident(incident: str, number: int) -> Iterator[AuditEntry]:
    def entry(event: str, summary: str, actor: str = "remediation agent", **facts: Any) -> AuditEntry:
        trace = sha256(incident.encode()).hexdigest()[:32]
        key = f"{incident}/{event}/{facts.get('moment', '')}"
        return AuditEntry(
            incident=incident, trace_id=trace, actor=actor, event=event, summary=summary, facts=facts, key=key
        )

    given = _given(incident, number)
    plan, step = given.plan_digest, {"key": f"{incident}/p1/restart", "target": f"service:{given.service}"}
    yield entry("incident.opened", "latency on gateway", "metric agent", alert={"fingerprint": plan[:16]})
    yield entry("diagnosed", f"{given.service}: cpu, 93 % sure", "root-cause agent", inputs=plan)
    yield entry("gate.decided", "a human decides", **_decision(given, "planned"))
    yield entry(
        "planned", f"{given.playbook} on {given.service}: ask", plans=[{"plan": "p1", "digest": plan}]
    )
    yield entry("approval.asked", f"{given.playbook} on {given.service}", plan=plan)
    yield entry("approval.approved", "approved by alice@example.com", plan=plan, by="alice@example.com")
    yield entry("gate.decided", "a human decides", **_decision(given, "admitted"))
    yield entry("step.before", f"about to restart {given.service}", plan=plan, **step)
    yield entry("step.after/done", f"restarted {given.service}", plan=plan, **step)
    yield entry("verified", "back within its baseline for 60 s", recovered=True, plan=plan)
    yield entry("outcome", "recovered", status="recovered")
    yield entry("learned", f"{given.playbook} now works in 91 % of cases", "learning agent", confidence=0.91)
    yield entry("incident.ended", f"{incident} is over", "metric agent")


def _decision(given: GateInput, moment: str) -> dict[str, Any]:
    return {
        "moment": moment,
        "gate": gate_version(),
        "given": given.model_dump(mode="json"),
        "decision": decide(given).model_dump(mode="json"),
    }


def _given(incident: str, number: int) -> GateInput:
    service = ("cart", "gateway", "ledger", "search")[number % 4]
    return GateInput(
        incident=incident,
        plan="p1",
        plan_digest=sha256(f"{incident}/p1".encode()).hexdigest(),
        playbook="restart-service",
        playbook_digest=sha256(b"restart-service").hexdigest(),
        service=service,
        fault=Fault.CPU,
        impact="low",
        environment="production",
        targets=(f"service:{service}",),
        blast_radius=1,
        probability=0.9 + (number % 90) / 1000,
        confidence_floor=0.8 + (number % 190) / 1000,
        policy=Policy(),
        successes=float(number % 30),
        now=_BEGAN.timestamp() + number * 520.0,
    )
