"""A ticket for people: on the terminal, in Markdown, or as a page that another rendering is made from.

JSON needs no renderer: it is ``ticket.model_dump_json()``. Everything here is pure; the seconds on a page
count from the moment the trouble began, never from a clock.
"""

from __future__ import annotations

from causal.evidence import Alert, Diagnosis
from playbooks.markdown import markdown
from playbooks.page import Line, Page, Section
from playbooks.remedy_page import approval, attempts, proposals
from playbooks.terminal import cut, padded, text
from playbooks.ticket import ENDED, Ticket
from playbooks.verdict_page import alert_line, causes, limits, origin, origins
from playbooks.words import STATUSES, after, blamed, duration, iso, percent, plain, when

__all__ = ["diagnosis_markdown", "diagnosis_text", "one_line", "ticket_page", "to_markdown", "to_text"]

JOINED_SHOWN = 5


def to_text(ticket: Ticket, *, colour: bool = False, width: int = 100) -> str:
    """Write the ticket for a terminal ``width`` cells wide (at least 40); ``colour`` adds ANSI colours."""
    return text(ticket_page(ticket), colour=colour, width=width)


def to_markdown(ticket: Ticket) -> str:
    """Write the ticket in Markdown; nobody else's text in it can act as markup."""
    return markdown(ticket_page(ticket))


def diagnosis_text(diagnosis: Diagnosis, alert: Alert, *, colour: bool = False, width: int = 100) -> str:
    """Write a diagnosis without an incident, for a terminal."""
    return text(_diagnosis_page(diagnosis, alert), colour=colour, width=width)


def diagnosis_markdown(diagnosis: Diagnosis, alert: Alert) -> str:
    """Write a diagnosis without an incident, in Markdown."""
    return markdown(_diagnosis_page(diagnosis, alert))


def one_line(ticket: Ticket, *, width: int = 100) -> str:
    """Write the ticket as a row of a list: id, when, status, title, the likeliest cause and how likely."""
    cause = f" ← {blamed(ticket.top[0])} {percent(ticket.top[0].probability)}" if ticket.top else ""
    columns = [(ticket.id, 14), (iso(ticket.opened_at), 20), (STATUSES[ticket.status][0], 25)]
    row = "  ".join(padded(plain(words), room) for words, room in columns)
    return cut(f"{row}  {plain(ticket.title + cause)}", width).rstrip()


def ticket_page(ticket: Ticket, *, detailed: bool = True) -> Page:
    """Say all that the ticket says; without details only what must be seen at once."""
    began = origin(ticket.alert)
    status, tone = STATUSES[ticket.status]
    sections = [Section("", tuple(_facts(ticket, began) if detailed else _brief_facts(ticket, began)))]
    if ticket.diagnosis:
        sections.append(causes(ticket.diagnosis, began, detailed=detailed))
        sections += [limits(ticket.diagnosis)] if detailed else []
    sections += [
        proposals(ticket, detailed=detailed),
        approval(ticket, began),
        attempts(ticket, detailed=detailed),
    ]
    sections += [_timeline(ticket, began)] if detailed else []
    sections.append(Section("To look further", tuple(_further(ticket, detailed=detailed))))
    return Page(ticket.title, ticket.id, status, tone, tuple(sections))


def _diagnosis_page(diagnosis: Diagnosis, alert: Alert) -> Page:
    began = origin(alert)
    first = diagnosis.first
    status = f"{blamed(first)}, {percent(first.probability)}" if first else "no cause found"
    facts = Section("", (_since(began), alert_line(alert)))
    further = Section("To look further", tuple(origins(diagnosis)))
    sections = (facts, causes(diagnosis, began), limits(diagnosis), further)
    title = alert.summary or "An alert without a summary"
    return Page(title, alert.fingerprint, status, "strong" if first else "wait", sections)


def _since(began: float) -> Line:
    return Line(f"{iso(began)} (seconds below count from here)", label="since", level=1)


def _facts(ticket: Ticket, began: float) -> list[Line]:
    lines = [_since(began), Line(when(ticket.opened_at, began), label="opened", level=1)]
    if ticket.ended_at is not None:
        took = duration(ticket.ended_at - ticket.opened_at)
        lines.append(
            Line(f"{when(ticket.ended_at, began)}, {took} after it was opened", label="ended", level=1)
        )
    elif ticket.status not in ENDED:
        lines.append(Line(when(ticket.updated_at, began), label="updated", level=1))
    lines.append(alert_line(ticket.alert))
    return lines + _company(ticket) + _known_cause(ticket, began)


def _brief_facts(ticket: Ticket, began: float) -> list[Line]:
    return [_since(began), alert_line(ticket.alert), *_company(ticket)]


def _company(ticket: Ticket) -> list[Line]:
    lines = [alert_line(each, label="joined") for each in ticket.joined[:JOINED_SHOWN]]
    more = len(ticket.joined) + ticket.more_joined - JOINED_SHOWN
    if more > 0:
        lines.append(Line(f"and {more} more", label="joined", level=1))
    if ticket.duplicates:
        times = "once" if ticket.duplicates == 1 else f"{ticket.duplicates} times"
        lines.append(Line(f"the same alert came again {times}", label="repeats", level=1))
    return lines


def _known_cause(ticket: Ticket, began: float) -> list[Line]:
    """What a person said was the cause, once it was over."""
    known = ticket.cause
    if known is None:
        return []
    verdict = "confirmed" if known.confirmed else "corrected"
    why = f": {known.because}" if known.because else ""
    says = (
        f"{known.service} ({known.fault.replace('_', ' ')}), {verdict} by {known.by} {when(known.at, began)}"
    )
    return [Line(says + why, label="cause", level=1, tone="strong")]


def _timeline(ticket: Ticket, began: float) -> Section:
    lines = [Line(f"{iso(each.at)}  {each.says}", figure=after(each.at, began)) for each in ticket.timeline]
    return Section("Timeline", tuple(lines))


def _further(ticket: Ticket, *, detailed: bool) -> list[Line]:
    lines = [Line(link.title, label="link", level=1, form="link", url=link.url) for link in ticket.links]
    if ticket.alert.url:
        lines.append(Line("the alert", label="link", level=1, form="link", url=ticket.alert.url))
    if ticket.trace_id:
        lines.append(Line(ticket.trace_id, label="trace", level=1))
    if ticket.snapshot and detailed:
        lines.append(Line(ticket.snapshot, label="snapshot", level=1))
    return lines + (list(origins(ticket.diagnosis)) if detailed and ticket.diagnosis else [])
