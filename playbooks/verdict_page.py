"""The sections of a page that tell what is known: the alert and its likely causes."""

from __future__ import annotations

from collections.abc import Iterator

from causal.evidence import Alert, Change, Diagnosis, Evidence, Hypothesis
from playbooks.page import Line, Section
from playbooks.words import blamed, percent, when

SHOWN = 3
BRIEF_EVIDENCE = 2


def origin(alert: Alert) -> float:
    """Find the moment from which a page counts its seconds: when the trouble began, as far as is known."""
    return alert.raised_at if alert.began_at is None else alert.began_at


def alert_line(alert: Alert, label: str = "alert") -> Line:
    """Show the alert in its own words, where it came from and what it is about."""
    symptom = alert.symptom
    about = [part for part in (symptom.service, symptom.operation) if part]
    about += [] if symptom.signal == "unknown" else [symptom.signal.replace("_", " ")]
    context = f"from {alert.source}" + (f", about {', '.join(about)}" if about else "")
    words = f"“{alert.summary}” " if alert.summary else ""
    return Line(f"{words}({context})", label=label, level=1)


def causes(diagnosis: Diagnosis, began: float, *, detailed: bool = True) -> Section:
    """Show the ranked hypotheses with what speaks for and against them, and how likely none of them is."""
    lines: list[Line] = []
    for rank, hypothesis in enumerate(diagnosis.hypotheses[:SHOWN], start=1):
        lines.append(_headline(rank, hypothesis, detailed=detailed))
        if detailed or rank == 1:
            lines.extend(_reasons(hypothesis, began, detailed=detailed))
    lines.extend(_rest(diagnosis))
    if detailed:
        lines.append(Line("evidence weighs in nats (log Bayes factors)", tone="dim"))
    return Section("Likely causes", tuple(lines))


def _headline(rank: int, hypothesis: Hypothesis, *, detailed: bool) -> Line:
    raw = f" (raw {percent(hypothesis.raw_probability)})" if detailed else ""
    return Line(
        blamed(hypothesis) + raw,
        mark=f"{rank}.",
        figure=percent(hypothesis.probability),
        share=hypothesis.probability,
        tone="strong" if rank == 1 else "plain",
    )


def _reasons(hypothesis: Hypothesis, began: float, *, detailed: bool) -> Iterator[Line]:
    most = None if detailed else BRIEF_EVIDENCE
    if hypothesis.path:
        yield Line(" → ".join(hypothesis.path), label="path", level=1)
    if hypothesis.change:
        yield _change(hypothesis.change, began)
    if hypothesis.onset is not None and detailed:
        yield Line(when(hypothesis.onset, began), label="began", level=1)
    yield from _evidence("for", hypothesis.evidence[:most])
    yield from _evidence("against", hypothesis.against[:most])
    yield from (Line(missing, label="missing", level=1) for missing in hypothesis.missing[:most])
    if hypothesis.next_check:
        yield Line(hypothesis.next_check, label="check", level=1)


def _evidence(label: str, evidence: tuple[Evidence, ...]) -> Iterator[Line]:
    for each in evidence:
        yield Line(each.says, label=label, figure=f"{each.log_bayes_factor:+.1f}", level=1)


def _change(change: Change, began: float) -> Line:
    title = f" “{change.title}”" if change.title else ""
    author = f" by {change.author}" if change.author else ""
    place = f" in {change.repository}" if change.repository else ""
    return Line(f"{change.id[:12]}{title}{author}{place}, {when(change.at, began)}", label="change", level=1)


def _rest(diagnosis: Diagnosis) -> Iterator[Line]:
    hidden = diagnosis.hypotheses[SHOWN:]
    if hidden:
        share = min(1.0, sum(each.probability for each in hidden))
        yield Line(f"{len(hidden)} more", mark="·", figure=percent(share), share=share, tone="dim")
    none = diagnosis.none_of_these
    yield Line("none of these", mark="·", figure=percent(none), share=none, tone="dim")


def limits(diagnosis: Diagnosis) -> Section:
    """Show what would have prevented the symptom, and what the diagnosis had to do without."""
    lines = [Line(missing, label="missing", level=1) for missing in diagnosis.missing_evidence]
    if diagnosis.minimal_set:
        keys = ", ".join(key.replace(":", " ", 1) for key in diagnosis.minimal_set)
        lines.insert(0, Line(f"{keys}: healthy, and the symptom would not be there", label="enough", level=1))
    return Section("What would have prevented it, what is missing", tuple(lines))


def origins(diagnosis: Diagnosis) -> Iterator[Line]:
    """Show by what and from what the diagnosis was made, for whoever recomputes it."""
    if diagnosis.engine:
        method = f", {diagnosis.method}" if diagnosis.method else ""
        yield Line(f"{diagnosis.engine}{method}", label="engine", level=1, tone="dim")
    if diagnosis.calibration:
        yield Line(diagnosis.calibration, label="sure", level=1, tone="dim")
    if diagnosis.inputs:
        yield Line(diagnosis.inputs, label="inputs", level=1, tone="dim")
