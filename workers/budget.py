"""What automation has spent so far, counted from the incidents on record: it survives restarts."""

from __future__ import annotations

from collections.abc import Iterable

from playbooks.gate import Budget
from playbooks.remedy import Attempt, Plan
from playbooks.ticket import Ticket

DAY_SECONDS = 86_400.0


def spent(plan: Plan, tickets: Iterable[Ticket], *, now: float) -> Budget:
    """The runs that count against a plan's limits: its playbook on its service, and what runs on it now."""
    mine = [ticket for ticket in tickets if ticket.id != plan.incident]
    runs = [
        _ran_at(attempt, ticket)
        for ticket in mine
        for attempt in ticket.attempts
        if (attempt.plan.playbook, attempt.plan.service) == (plan.playbook, plan.service) and attempt.results
    ]
    return Budget(
        runs_in_cooldown=sum(now - at < (plan.cooldown or 0.0) for at in runs),
        runs_today=sum(now - at < DAY_SECONDS for at in runs),
        running_on_target=tuple(ticket.id for ticket in mine if _acts_on(ticket, plan.service)),
    )


def _ran_at(attempt: Attempt, ticket: Ticket) -> float:
    return max((result.ended_at for result in attempt.results), default=ticket.updated_at)


def _acts_on(ticket: Ticket, service: str) -> bool:
    acting = ticket.status in {"executing", "verifying"}
    return acting and any(proposal.plan.service == service for proposal in ticket.proposals[:1])
