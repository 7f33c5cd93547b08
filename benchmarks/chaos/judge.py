"""What became of an incident: the ticket beside the target's own records.

The ticket is read as the door's API gives it, so nothing of the house is trusted but what it tells everybody.
A step is known by its idempotency key, which each of the targets writes down: a git commit as a trailer, a
shop in its log of effects.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Violation = Literal["lost", "twice", "undo order", "not told", "not true", "silent"]

VIOLATIONS: Mapping[Violation, str] = {
    "lost": "accepted, and never ended with a ticket",
    "twice": "a step took effect more than once",
    "undo order": "steps were not undone in reverse order",
    "not told": "an effect that the ticket does not tell of",
    "not true": "the ticket tells of an effect that is not there",
    "silent": "ended without a word on why, or on what is not known",
}
_THERE = {"done", "already_done", "undone"}
_PERHAPS = {"unknown", "failed", "stopped", "undo_failed"}
_MADE_BY = {"git.revert", "git.revert_revert", "http.request"}


@dataclass(frozen=True)
class Effect:
    """Something that a target did, by its own record; ``key`` is whose order it followed."""

    key: str
    what: str
    at: float


@dataclass(frozen=True)
class Finding:
    """What must not be: which law was broken, and by what."""

    violation: Violation
    says: str


def judge(ticket: Mapping[str, Any] | None, effects: Sequence[Effect]) -> tuple[Finding, ...]:
    """Find what must not be; no ticket, or one without an end, is an incident that was lost."""
    if ticket is None or ticket.get("ended_at") is None:
        status = "no ticket" if ticket is None else f"still {ticket['status']}"
        return (Finding("lost", status), *_twice(effects))
    return (
        *_twice(effects),
        *_undo_order(ticket),
        *_not_told(ticket, effects),
        *_not_true(ticket, effects),
        *_silent(ticket),
    )


def _twice(effects: Sequence[Effect]) -> Iterator[Finding]:
    for key, count in Counter(effect.key for effect in effects).items():
        if count > 1:
            yield Finding("twice", f"{key} took effect {count} times")


def _undo_order(ticket: Mapping[str, Any]) -> Iterator[Finding]:
    for attempt in ticket["attempts"]:
        order = [result["step"] for result in attempt["results"]]
        undone = _without_repeats([result["step"] for result in attempt["undone"]])
        expected = [step for step in reversed(order) if step in undone]
        times = [result["started_at"] for result in attempt["undone"]]
        if undone != expected or times != sorted(times):
            yield Finding("undo order", f"done {', '.join(order)}; undone {', '.join(undone)}")


def _not_told(ticket: Mapping[str, Any], effects: Sequence[Effect]) -> Iterator[Finding]:
    told = {result["key"]: result["status"] for result in results_of(ticket)}
    for effect in effects:
        if _unnumbered(effect.key) not in told:
            yield Finding("not told", f"{effect.what} by {effect.key}")


def _not_true(ticket: Mapping[str, Any], effects: Sequence[Effect]) -> Iterator[Finding]:
    there = {_unnumbered(effect.key) for effect in effects}
    for result in results_of(ticket):
        if result["status"] in _THERE and result["action"] in _MADE_BY and result["key"] not in there:
            yield Finding("not true", f"{result['key']} is told to be {result['status']}")


def _silent(ticket: Mapping[str, Any]) -> Iterator[Finding]:
    if not any(line["says"] for line in ticket["timeline"]):
        yield Finding("silent", "the timeline is empty")
    for attempt in ticket["attempts"]:
        if attempt["status"] != "recovered" and not (attempt["because"] or attempt["verification"]):
            yield Finding("silent", f"{attempt['plan']['playbook']} {attempt['status']} without a reason")
    for result in results_of(ticket):
        if result["status"] in _PERHAPS and not result["detail"]:
            yield Finding("silent", f"{result['key']} is {result['status']} without a reason")


def results_of(ticket: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Every step and every undo that a ticket tells of."""
    return [result for attempt in ticket["attempts"] for result in (*attempt["results"], *attempt["undone"])]


def _unnumbered(key: str) -> str:
    """An undo of several calls numbers their keys; the ticket tells of the undo as one."""
    stem, slash, number = key.rpartition("/")
    return stem if slash and number.isdigit() and "/undo/" in key else key


def _without_repeats(steps: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(steps))
