"""What automation has spent so far: it is counted from what is on record, so it survives every restart.

A run that has ended is a deed among the priors, which are read anyway; only what is still under way has to be
looked up, and that is in the tickets of the open incidents alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from causal.evidence import Deed
from integrations.ports import Incidents, Lock
from playbooks.gate import Budget, Hold, Policy, targets
from playbooks.remedy import IN_VAIN, Attempt, Plan, Proposal, StepStatus, Verdict
from playbooks.ticket import Ticket

HOUR_SECONDS, DAY_SECONDS = 3600.0, 86_400.0
_ACTING = {"executing", "verifying"}


@dataclass(frozen=True)
class Run:
    """A plan that was carried out, or is being carried out; ``at`` is when it last did something."""

    incident: str
    plan: str
    playbook: str
    service: str
    at: float
    alone: bool
    in_vain: bool = False

    @property
    def owner(self) -> str:
        return owner(self.incident, self.plan)


def owner(incident: str, plan: str) -> str:
    """Return the name under which a plan holds its locks."""
    return f"{incident}/{plan}"


def at_work(incidents: Incidents) -> tuple[Ticket, ...]:
    """Read the tickets of the open incidents: what is not among the deeds yet."""
    return tuple(incidents.get(incident) for incident in incidents.open())


def spent(
    plan: Plan,
    policy: Policy,
    tickets: Iterable[Ticket],
    deeds: Iterable[Deed] = (),
    held: Iterable[Lock] = (),
    *,
    now: float,
) -> Budget:
    """Count what speaks against one more run of a plan; the plan itself does not count.

    ``tickets`` are those `at_work`, ``deeds`` the ones among the priors, ``held`` all locks held now.
    """
    tickets = tuple(tickets)
    runs = [run for run in _runs(tickets, deeds) if run.owner != owner(plan.incident, plan.id)]
    same = [run for run in runs if (run.playbook, run.service) == (plan.playbook, plan.service)]
    alone = [run for run in runs if run.alone]
    failed = [run for run in same if run.in_vain and now - run.at < policy.not_again_within]
    return Budget(
        runs_in_cooldown=_since(now - (plan.cooldown or 0.0), same),
        runs_today=_since(now - DAY_SECONDS, same),
        failed_before=tuple(sorted({run.incident for run in failed})),
        running_on_target=tuple(ticket.id for ticket in tickets if _acts_on(ticket, plan)),
        held=tuple(_others(held, plan)),
        alone_in_hour=_since(now - HOUR_SECONDS, alone),
        alone_in_day=_since(now - DAY_SECONDS, alone),
        alone_on_service_in_day=_since(
            now - DAY_SECONDS, [run for run in alone if run.service == plan.service]
        ),
    )


def _since(moment: float, runs: Iterable[Run]) -> int:
    return sum(run.at > moment for run in runs)


def _runs(tickets: Iterable[Ticket], deeds: Iterable[Deed]) -> Iterable[Run]:
    """Each run once: what a deed says of it, until it is one what its ticket says."""
    found = {run.owner: run for ticket in tickets for run in _of_ticket(ticket)}
    done = map(_of_deed, (deed for deed in deeds if deed.carried_out))
    return {**found, **{run.owner: run for run in done}}.values()


def _of_ticket(ticket: Ticket) -> Iterator[Run]:
    for attempt in ticket.attempts:
        if any(result.status is not StepStatus.STOPPED for result in attempt.results):
            yield _ended(attempt)
    if running := _running(ticket):
        alone = running.decision.verdict is Verdict.EXECUTE
        plan = running.plan
        yield Run(ticket.id, plan.id, plan.playbook, plan.service, ticket.updated_at, alone)


def _running(ticket: Ticket) -> Proposal | None:
    """The proposal that is being carried out: they are tried in their order, one at a time."""
    left = ticket.proposals[len(ticket.attempts) :]
    return left[0] if left and ticket.status in _ACTING else None


def _ended(attempt: Attempt) -> Run:
    plan = attempt.plan
    return Run(
        incident=plan.incident,
        plan=plan.id,
        playbook=plan.playbook,
        service=plan.service,
        at=max(result.ended_at for result in attempt.results),
        alone=not attempt.approved_by,
        in_vain=attempt.status in IN_VAIN,
    )


def _of_deed(deed: Deed) -> Run:
    return Run(deed.incident, deed.plan, deed.playbook, deed.service, deed.at, deed.alone, deed.wrong)


def _acts_on(ticket: Ticket, plan: Plan) -> bool:
    running = _running(ticket)
    return ticket.id != plan.incident and running is not None and bool(targets(running.plan) & targets(plan))


def _others(held: Iterable[Lock], plan: Plan) -> Iterator[Hold]:
    for lock in held:
        if lock.target in targets(plan) and lock.owner != owner(plan.incident, plan.id):
            yield Hold(target=lock.target, owner=lock.owner)
