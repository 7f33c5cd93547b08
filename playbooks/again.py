"""Never the same fix twice: what was tried in an incident speaks against what is left to try.

A plan that would do what was done in vain is passed over, whatever its playbook is called. Where a plan was
carried out and brought no recovery, its cause is in doubt as well, for the chance that was told of it did not
know that: what else there is for the same cause is left to people, and the next hypothesis has its turn.
"""

from __future__ import annotations

from collections.abc import Iterable

from playbooks.remedy import IN_VAIN, Attempt, AttemptStatus, Plan, Proposal


def why_not_again(plan: Plan, tried: Iterable[Attempt]) -> str:
    """Why a plan is passed over after what was tried; an empty string if it is not."""
    what = f"{plan.id} ({plan.playbook} on {plan.service}) is passed over"
    for before in tried:
        if before.status in IN_VAIN and _does(plan) == _does(before.plan):
            return f"{what}: {before.plan.id} did the same in vain"
        if before.status is AttemptStatus.NOT_RECOVERED and plan.cause and plan.cause == before.plan.cause:
            return f"{what}: it is for {plan.cause} as {before.plan.id} was, which brought no recovery"
    return ""


def passed_over(proposal: Proposal, because: str) -> Attempt:
    """A plan that was not tried, and why, in its place among the attempts."""
    return Attempt(plan=proposal.plan, decision=proposal.decision, status=AttemptStatus.LEFT, because=because)


def _does(plan: Plan) -> list[tuple[str, object]]:
    return [(step.action, step.params) for step in plan.steps]
