"""What a sound chain must also say: each decision follows from what it rested on, each step from a decision.

A hash chain proves that rows were not changed. It does not prove that what they say is right: that is what
this recomputes. Each ``gate.decided`` row holds all that the gate looked at, so `playbooks.gate.decide` gives
the same answer again on any machine, from the row alone (proof-carrying records, after Necula,
"Proof-carrying code", POPL 1997). And each ``step.before`` row must follow a decision that let its very plan,
by digest, be carried out: EXECUTE, or ASK and the row of the approval.

It takes the rows in order and keeps only what is known of incidents that have not ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from causal.evidence import Fact
from integrations.masking import without_secrets
from playbooks import gate, gate_input, policy, risk
from playbooks.gate import GateInput, decide
from playbooks.remedy import Verdict

OPENED, ENDED = "incident.opened", "incident.ended"
DECIDED, APPROVED, BEFORE = "gate.decided", "approval.approved", "step.before"
_TOLD = {OPENED, DECIDED, APPROVED, BEFORE}


class Finding(Fact):
    """Something that is wrong although the chain adds up; ``kind`` is for machines."""

    row: int
    kind: str
    says: str


class Review(Fact):
    """What became of a log's decisions: how many there are, how many were recomputed and are the same.

    ``elsewhere`` are the rows of another version of the gate whose answer this one would not give: nothing is
    proved of them. ``older`` are steps whose decision may be among the rows that were cut.
    """

    decisions: int = 0
    recomputed: int = 0
    steps: int = 0
    elsewhere: tuple[int, ...] = ()
    older: tuple[int, ...] = ()
    findings: tuple[Finding, ...] = ()


@cache
def gate_version() -> str:
    """Return the version of the gate that decides here: a digest of its own text."""
    texts = (Path(str(module.__file__)).read_bytes() for module in (gate, gate_input, policy, risk))
    return sha256(b"\0".join(texts)).hexdigest()[:16]


@dataclass
class _Incident:
    """What the rows have said of one incident so far."""

    whole: bool
    admitted: dict[str, Verdict] = field(default_factory=dict)
    approved: set[str] = field(default_factory=set)


@dataclass
class Reviewer:
    """Looks at rows in their order; `review` says what was found."""

    decisions: int = 0
    recomputed: int = 0
    steps: int = 0
    elsewhere: list[int] = field(default_factory=list)
    older: list[int] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    _first: int = 0
    _known: dict[str, _Incident] = field(default_factory=dict)

    def take(self, fields: Mapping[str, Any]) -> None:
        """Look at one row that is known to be in its place."""
        self._first = self._first or fields["seq"]
        entry = _mapping(fields["entry"])
        event, incident = str(entry.get("event")), str(entry.get("incident", ""))
        if event == ENDED:
            self._known.pop(incident, None)
        elif event in _TOLD:
            # An incident whose beginning was cut off may have been decided about in the part that is gone.
            known = self._known.setdefault(incident, _Incident(self._first == 1 or event == OPENED))
            self._tell(event, fields["seq"], _mapping(entry.get("facts")), known)

    def review(self) -> Review:
        """Return what was found so far."""
        return Review(
            decisions=self.decisions,
            recomputed=self.recomputed,
            steps=self.steps,
            elsewhere=tuple(self.elsewhere),
            older=tuple(self.older),
            findings=tuple(self.findings),
        )

    def _tell(self, event: str, row: int, facts: Mapping[str, Any], known: _Incident) -> None:
        if event == DECIDED:
            self._decided(row, facts, known)
        elif event == APPROVED:
            known.approved.add(_plan(facts))
        elif event == BEFORE:
            self._step(row, facts, known)

    def _decided(self, row: int, facts: Mapping[str, Any], known: _Incident) -> None:
        self.decisions += 1
        verdict = self._recomputed(row, facts)
        if verdict is not None and _moment(facts) != "planned":
            known.admitted[_plan(facts)] = verdict

    def _recomputed(self, row: int, facts: Mapping[str, Any]) -> Verdict | None:
        """Decide again; the verdict that stands, None where the row cannot even be read."""
        other = facts.get("gate", gate_version()) != gate_version()
        try:
            given, decision = GateInput.model_validate(facts["given"]), facts["decision"]
            stands = Verdict(decision["verdict"])
            again = without_secrets(decide(given).model_dump(mode="json"))
        except (KeyError, TypeError, ValueError, ArithmeticError, OSError):
            # Whatever stands in a file that somebody hands us: it must not end the review.
            self._differs(row, "from what it is said to rest on nothing can be decided", other=other)
            return None
        if again == decision:
            self.recomputed += 1
        else:
            self._differs(row, _difference(again, decision), other=other)
        return stands

    def _differs(self, row: int, says: str, *, other: bool) -> None:
        if other:
            self.elsewhere.append(row)
        else:
            self.findings.append(Finding(row=row, kind="decision", says=says))

    def _step(self, row: int, facts: Mapping[str, Any], known: _Incident) -> None:
        self.steps += 1
        plan = _plan(facts)
        verdict = known.admitted.get(plan)
        if verdict is None and not known.whole:
            self.older.append(row)
        elif verdict is None:
            self._unfounded(row, "no decision of the gate admits its plan")
        elif verdict is Verdict.ASK and plan not in known.approved:
            self._unfounded(row, "the gate asked for an approval of its plan, and no row tells of one")
        elif verdict not in {Verdict.ASK, Verdict.EXECUTE}:
            self._unfounded(row, f"the gate's answer to its plan was {verdict}")

    def _unfounded(self, row: int, says: str) -> None:
        self.findings.append(Finding(row=row, kind="step", says=f"a step was taken, but {says}"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _plan(facts: Mapping[str, Any]) -> str:
    """Return the digest of the plan that a row is about."""
    return str(_mapping(facts.get("given")).get("plan_digest") or facts.get("plan", ""))


def _moment(facts: Mapping[str, Any]) -> object:
    return facts.get("moment", "admitted")


def _difference(again: Mapping[str, Any], decision: Mapping[str, Any]) -> str:
    names = sorted(
        name for name in {*again, *decision} if again.get(name, "none") != decision.get(name, "none")
    )
    name = names[0] if "verdict" not in names else "verdict"
    return (
        f"from what it rested on the gate decides {name} = {again.get(name)!r}, and the row says "
        f"{decision.get(name)!r}"
    )
