"""Plain words for what the program names by code: one mapping for each vocabulary, used by every rendering.

Here is also how a number or a moment is written for people, and what becomes of other people's text before
it is shown: control characters, terminal escapes (ECMA-48) and characters that reorder a line (Unicode TR 36)
are taken out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from causal.evidence import EntityKind, Fault, Hypothesis
from playbooks.remedy import AttemptStatus, StepStatus, Verdict
from playbooks.ticket import TicketStatus

Tone = Literal["plain", "strong", "good", "bad", "wait", "busy", "dim"]

FAULTS: Mapping[Fault, str] = {
    Fault.CONFIG_CHANGE: "configuration change",
    Fault.DEPLOYMENT: "new version deployed",
    Fault.PROMPT_CHANGE: "prompt change",
    Fault.LATENCY: "slow by itself",
    Fault.NETWORK_DELAY: "network delay",
    Fault.ERRORS: "errors of its own",
    Fault.UNAVAILABLE: "unavailable",
    Fault.CPU: "CPU overload",
    Fault.MEMORY: "memory pressure",
    Fault.POOL_EXHAUSTED: "connection pool exhausted",
    Fault.TRAFFIC: "unusual traffic",
    Fault.BAD_OUTPUT: "bad output",
    Fault.DEPENDENCY: "something it depends on fails",
    Fault.CREDENTIALS: "credentials or certificate refused",
    Fault.CONFIGURATION: "configuration missing or wrong",
    Fault.RATE_LIMITED: "rate limit reached",
    Fault.RESOURCE_LIMIT: "a limit of resources reached",
    Fault.CONTENTION: "deadlocks or locks held too long",
    Fault.CODE_ERROR: "error in its code",
    Fault.BAD_DATA: "data of the wrong shape",
    Fault.MODEL_LIMIT: "refused by the model",
    Fault.UNKNOWN: "fault of unknown kind",
}
STATUSES: Mapping[TicketStatus, tuple[str, Tone]] = {
    "observing": ("collecting telemetry", "busy"),
    "diagnosing": ("looking for the cause", "busy"),
    "planning": ("planning the fix", "busy"),
    "waiting_for_approval": ("waiting for your approval", "wait"),
    "executing": ("carrying out the fix", "busy"),
    "verifying": ("checking for recovery", "busy"),
    "recovered": ("recovered", "good"),
    "not_recovered": ("fixed, but not recovered", "bad"),
    "declined": ("fix declined", "wait"),
    "expired": ("nobody answered in time", "bad"),
    "left_to_humans": ("left to humans", "wait"),
    "gone": ("went away by itself", "good"),
    "failed": ("failed", "bad"),
    "stopped": ("stopped before its end", "bad"),
}
VERDICTS: Mapping[Verdict, str] = {
    Verdict.EXECUTE: "may act alone",
    Verdict.ASK: "asks a human",
    Verdict.SUGGEST: "only suggests",
    Verdict.LEAVE: "leaves it to humans",
}
ATTEMPTS: Mapping[AttemptStatus, tuple[str, Tone]] = {
    AttemptStatus.RECOVERED: ("recovered", "good"),
    AttemptStatus.NOT_RECOVERED: ("carried out, but not recovered", "bad"),
    AttemptStatus.FAILED: ("failed", "bad"),
    AttemptStatus.DECLINED: ("declined", "wait"),
    AttemptStatus.EXPIRED: ("nobody answered in time", "bad"),
    AttemptStatus.SUGGESTED: ("suggested, not done", "wait"),
    AttemptStatus.LEFT: ("left to humans", "wait"),
    AttemptStatus.GONE: ("not needed: the trouble went away", "good"),
    AttemptStatus.STOPPED: ("stopped", "bad"),
}
STEPS: Mapping[StepStatus, tuple[str, str, Tone]] = {
    StepStatus.DONE: ("✓", "done", "good"),
    StepStatus.ALREADY_DONE: ("✓", "was done already", "good"),
    StepStatus.FAILED: ("✗", "failed", "bad"),
    StepStatus.UNKNOWN: ("?", "may have taken effect", "wait"),
    StepStatus.STOPPED: ("■", "not done: everything was stopped", "bad"),
    StepStatus.UNDONE: ("↶", "undone", "wait"),
    StepStatus.UNDO_FAILED: ("✗", "could not be undone", "bad"),
}

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # control sequences: colours, the cursor
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b]*(?:\x07|\x1b\\)?"  # strings: titles, links
    r"|\x1b[ -/]*[0-~]"
)
_UNSEEN = {"Cc", "Cf", "Cs"}
_LEAST, _MOST = 0.0005, 0.9995


def plain(text: str, limit: int = 2000) -> str:
    """Make one line of text that can do nothing to a terminal; longer text is cut and ends in an ellipsis."""
    shown = " ".join(_visible(text, keep="").split())
    return shown if len(shown) <= limit else shown[: limit - 1].rstrip() + "…"


def plain_lines(text: str) -> list[str]:
    """Split text into lines and make each harmless; its indentation stays."""
    return [_visible(line, keep="\t").expandtabs(4).rstrip() for line in text.splitlines()]


def _visible(text: str, keep: str) -> str:
    bare = _ESCAPES.sub("", text)
    return "".join(_shown(letter, keep) for letter in bare)


def _shown(letter: str, keep: str) -> str:
    if letter in keep or unicodedata.category(letter) not in _UNSEEN:
        return letter
    return " " if letter.isspace() else ""


def percent(share: float) -> str:
    """Write a probability for people: at most one decimal, and never a certainty that is none."""
    if 0 < share < _LEAST:
        return "< 0.1 %"
    if _MOST <= share < 1:
        return "> 99.9 %"
    return f"{share * 100:.1f}".removesuffix(".0") + " %"


def iso(moment: float) -> str:
    """Write a moment (Unix seconds) in UTC, to the second."""
    try:
        return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):
        return f"{moment:g} s after 1970"


def duration(length: float) -> str:
    """Write seconds with at most one decimal."""
    return f"{length:.1f}".removesuffix(".0") + " s"


def after(moment: float, origin: float) -> str:
    """Write how many seconds a moment lies after (or, negative, before) another."""
    sign = "+" if moment >= origin else "-"
    return sign + duration(abs(moment - origin))


def when(moment: float, origin: float) -> str:
    """Write a moment in UTC and in seconds after the origin."""
    return f"{iso(moment)} ({after(moment, origin)})"


def blamed(hypothesis: Hypothesis) -> str:
    """Say what a hypothesis says in a few words: where, and what kind of fault."""
    entity = hypothesis.entity
    words = f"{hypothesis.service}: {FAULTS[hypothesis.fault]}"
    words += "" if hypothesis.step is None else f" at step {hypothesis.step}"
    said = entity.name == hypothesis.service or (entity.kind is EntityKind.CHANGE and hypothesis.change)
    return words if said else f"{words} ({entity.kind} {entity.name})"
