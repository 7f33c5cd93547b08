"""One incident from its fault to its verdict, as it looks from outside.

Somebody breaks a shop, an Alertmanager tells the door until it is taken, a person says yes to the first plan
and no to all others.
"""

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from benchmarks.chaos.house import House
from benchmarks.chaos.judge import Effect, Finding, judge
from benchmarks.chaos.schedule import Case, Point, Scenario, Struck
from benchmarks.chaos.stalls import Stall
from benchmarks.chaos.toxiproxy import Network
from demo.errors import ShopError

EVIDENCE_SECONDS = 8.0
PATIENCE_SECONDS = 300.0
# Longer than any of its playbooks may take to see whether it helped, on a machine that is busy besides.
AFTER_HEALING_SECONDS = 600.0
_LOOK_EVERY = 1.0
_READ_EVERY = 3
_ENDED = {"recovered", "not_recovered", "declined", "expired", "left_to_humans", "gone", "failed", "stopped"}


class Stopped(Exception):
    """Somebody asked the run to end."""


@dataclass(frozen=True)
class Told:
    """What came of an incident."""

    case: Case
    incident: str
    status: str
    seconds: float
    landed: tuple[str, ...]
    effects: tuple[Effect, ...]
    findings: tuple[Finding, ...]
    attempts: tuple[str, ...]


@dataclass
class Conductor:
    """Conducts one case in its stall; `run` returns what came of it."""

    case: Case
    house: House
    stall: Stall
    say: Callable[[str], None]
    stop: threading.Event
    incident: str = ""
    landed: list[str] = field(default_factory=list)
    _reached: set[Point] = field(default_factory=set)
    _blows: list[threading.Thread] = field(default_factory=list)
    _approved: bool = False

    def run(self) -> Told:
        """Break the shop, see the incident to its end, heal what is left, and judge."""
        network = self.stall.offer(forgetful=self.case.forgetful)
        self._pause(self.case.rest)
        began = time.time()
        self.stall.break_down(self.case.setting)
        self._pause(EVIDENCE_SECONDS)
        self._reach(Point.ALERTED, network)
        self._alert("firing", began)
        self._see_through(network, PATIENCE_SECONDS)
        for blow in self._blows:
            blow.join()
        ticket = self._end(network, began)
        return self._judged(ticket, time.time() - began)

    def _alert(self, status: str, began: float) -> None:
        """Send the alert as Alertmanager does: again and again until the door takes it, but not for ever."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            answer = self.house.ask("POST", "/webhooks/alertmanager", self._notification(status, began))
            if answer is not None and answer.is_success:
                self.incident = next(iter(answer.json()["incidents"]), self.incident)
                return
            self._pause(1.0)

    def _notification(self, status: str, began: float) -> dict[str, Any]:
        name = f"chaos-{self.case.number}"
        return {
            "version": "4",
            "status": status,
            "alerts": [
                {
                    "status": status,
                    "labels": {"alertname": "HighErrorRate", "service": self.stall.gate, "run": name},
                    "annotations": {"summary": f"{self.stall.gate} answers with errors"},
                    "startsAt": datetime.fromtimestamp(began, UTC).isoformat(),
                    "fingerprint": hashlib.sha256(name.encode()).hexdigest()[:16],
                }
            ],
        }

    def _see_through(self, network: Network, seconds: float) -> dict[str, Any] | None:
        """Answer questions and strike blows until the incident has an outcome; returns its ticket."""
        ticket: dict[str, Any] | None = None
        deadline, look = time.monotonic() + seconds, 0
        while time.monotonic() < deadline:
            self._answer(network)
            look += 1
            if look % _READ_EVERY == 0:
                ticket = self._ticket() or ticket
                if ticket and ticket["status"] == "verifying":
                    self._reach(Point.VERIFYING, network)
                if ticket and (ticket["ended_at"] or ticket["status"] in _ENDED):
                    return ticket
            self._pause(_LOOK_EVERY)
        return ticket

    def _ticket(self) -> dict[str, Any] | None:
        """The incident's ticket; None where the door took no alert, or does not answer just now."""
        if not self.incident:
            return None
        found: dict[str, Any] | None = self.house.read(f"/api/incidents/{self.incident}")
        return found

    def _answer(self, network: Network) -> None:
        for question in self.house.read("/api/approvals") or ():
            if question["incident"] != self.incident:
                continue
            self._reach(Point.ASKED, network)
            first = not self._approved
            if first and self.case.scenario is Scenario.DOES_NOT_HELP:
                self.stall.break_further()
            if first:
                self._reach(Point.APPROVED, network)
            answered = self._say(question, approve=first)
            self._approved = self._approved or (first and answered)

    def _say(self, question: dict[str, Any], *, approve: bool) -> bool:
        """Answer a question; True once it is closed, whoever's answer that was."""
        said = {"approve": approve, "by": "ada", "because": "" if approve else "one plan is enough"}
        path = f"/api/approvals/{question['id']}"
        answer = self.house.ask("POST", path, {**said, **_proof(question)})
        if answer is not None and answer.is_success:
            return True
        seen = self.house.read(path)
        return bool(seen and seen["status"] != "open")

    def _reach(self, point: Point, network: Network) -> None:
        if point in self._reached:
            return
        self._reached.add(point)
        for struck in self.case.blows:
            if struck.point is point:
                thread = threading.Thread(target=self._strike, args=(struck, network))
                thread.start()
                self._blows.append(thread)

    def _strike(self, struck: Struck, network: Network) -> None:
        if self.stop.wait(struck.delay):
            return
        self.say(f"#{self.case.number} {struck.blow} ({struck.point} + {struck.delay} s)")
        if self.house.strike(struck, network, lambda: self.stall.effects(self.incident)):
            self.landed.append(struck.blow)
        else:
            self.say(f"#{self.case.number} {struck.blow}: its victim was down already")

    def _end(self, network: Network, began: float) -> dict[str, Any] | None:
        """Heal the shop as a person would whom the house left alone, and say that it is over."""
        self._heal()
        self._alert("resolved", began)
        deadline = time.monotonic() + AFTER_HEALING_SECONDS
        ticket = None
        while time.monotonic() < deadline:
            self._answer(network)
            ticket = self._ticket() or ticket
            if ticket and ticket["ended_at"]:
                break
            self._pause(2.0)
        return ticket

    def _pause(self, seconds: float) -> None:
        if self.stop.wait(seconds):
            raise Stopped

    def _heal(self) -> None:
        try:
            self.stall.heal()
        except ShopError as error:
            self.say(f"#{self.case.number} {self.stall.gate} cannot be healed: {error}")

    def _judged(self, ticket: dict[str, Any] | None, seconds: float) -> Told:
        effects = self.stall.effects(self.incident)
        return Told(
            case=self.case,
            incident=self.incident,
            status=ticket["status"] if ticket else "no ticket",
            seconds=round(seconds, 1),
            landed=tuple(self.landed),
            effects=effects,
            findings=judge(ticket, effects),
            attempts=tuple(_gist(attempt) for attempt in (ticket or {}).get("attempts", ())),
        )


def _proof(question: dict[str, Any]) -> dict[str, Any]:
    """What shows that this very question was read."""
    return {name: question[name] for name in ("binding", "digest", "token") if name in question}


def _gist(attempt: dict[str, Any]) -> str:
    steps = ", ".join(
        f"{each['step']} {each['status']}" for each in (*attempt["results"], *attempt["undone"])
    )
    return f"{attempt['plan']['playbook']} {attempt['status']}" + (f": {steps}" if steps else "")
