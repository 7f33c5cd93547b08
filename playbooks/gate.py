"""The gate: may this plan be carried out, and who decides? One pure function that reads as the policy does.

It knows facts of our own alone: the calibrated probability of the hypothesis, the record of the playbook, the
policy that people wrote, and counters of what was done. Nothing that a language model worded reaches it.

    LEAVE     the kill switch, the level `observe`, a frozen target, a cooldown, a day's budget, or another
    plan
              at work on the same target: nobody is asked and nothing is done
    SUGGEST   the cause is too uncertain, or the level is `suggest`: the plan is shown, nobody is asked
    EXECUTE   low impact, the level `auto`, enough verified successes, and P(hypothesis) x floor of the
              playbook's confidence reaches `act_above`
    ASK       everything else; high impact always
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from causal.errors import MalformedSettings
from causal.evidence import Fact, Priors, Probability
from playbooks.remedy import Decision, Plan, Verdict, Written
from playbooks.written import read_as

Autonomy = Literal["observe", "suggest", "approve", "auto"]


class Policy(Written):
    """What a site allows; the defaults ask a human about everything that is likely enough to help."""

    suggest_above: Probability = 0.70
    act_above: Probability = 0.99
    min_verified_successes: int = Field(default=5, ge=0)
    autonomy: Autonomy = "approve"
    stopped: bool = False
    frozen_targets: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _thresholds_are_in_order(self) -> Self:
        if self.act_above < self.suggest_above:
            raise ValueError(
                f"act_above ({self.act_above}) must not be below suggest_above ({self.suggest_above})"
            )
        return self

    def digest(self) -> str:
        """SHA-256 (hex) of the policy, for the audit log."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class Budget(Fact):
    """What was done: runs of this playbook on this service, and plans now at work on these targets."""

    runs_in_cooldown: int = 0
    runs_today: int = 0
    running_on_target: tuple[str, ...] = ()


def read_policy(text: str, where: str) -> Policy:
    """Read a policy (an empty text is the default); MalformedSettings names file, line and column."""
    return read_as(Policy, text, where).or_raise(MalformedSettings)


def decide(plan: Plan, policy: Policy, priors: Priors, budget: Budget) -> Decision:
    """Answer one plan, with the reasons in sentences."""
    verdict, reasons = _verdict(plan, policy, priors, budget)
    return Decision(
        verdict=verdict,
        reasons=reasons,
        probability=plan.probability,
        confidence_floor=plan.confidence_floor,
        suggest_above=policy.suggest_above,
        act_above=policy.act_above,
        policy=policy.digest(),
    )


def _verdict(plan: Plan, policy: Policy, priors: Priors, budget: Budget) -> tuple[Verdict, tuple[str, ...]]:
    if forbidden := tuple(_forbids(plan, policy, budget)):
        return Verdict.LEAVE, forbidden
    if doubts := tuple(_speaks_against_asking(plan, policy)):
        return Verdict.SUGGEST, doubts
    if needs := tuple(_needs_a_human(plan, policy, priors)):
        return Verdict.ASK, needs
    return Verdict.EXECUTE, (_earned(plan, policy, priors),)


def _forbids(plan: Plan, policy: Policy, budget: Budget) -> Iterator[str]:
    if policy.stopped:
        yield "The kill switch is on: nothing is carried out."
    if policy.autonomy == "observe":
        yield "The level of autonomy is observe: nothing is proposed or carried out."
    for target in sorted(targets(plan) & set(policy.frozen_targets)):
        yield f"{target} is frozen by the policy."
    for other in budget.running_on_target:
        yield f"{other} is at work on the same target; two plans at once would hide which of them helped."
    if plan.cooldown is not None and budget.runs_in_cooldown > 0:
        yield (
            f"{plan.playbook} ran on {plan.service} {_times(budget.runs_in_cooldown)} in the last "
            f"{plan.cooldown:.0f} s, which is its cooldown."
        )
    if plan.max_runs_per_day is not None and budget.runs_today >= plan.max_runs_per_day:
        yield (
            f"{plan.playbook} ran on {plan.service} {_times(budget.runs_today)} in the last day; "
            f"its limit is {plan.max_runs_per_day}."
        )


def _speaks_against_asking(plan: Plan, policy: Policy) -> Iterator[str]:
    if plan.probability < policy.suggest_above:
        yield (
            f"The cause is {plan.probability:.3f} probable; below {policy.suggest_above:.2f} a plan is shown "
            "and nobody is asked."
        )
    if policy.autonomy == "suggest":
        yield "The level of autonomy is suggest: plans are shown and nobody is asked."


def _needs_a_human(plan: Plan, policy: Policy, priors: Priors) -> Iterator[str]:
    if plan.impact == "high":
        yield "The impact is high: a human decides, however sure the diagnosis is."
    if policy.autonomy != "auto":
        yield f"The level of autonomy is {policy.autonomy}: a human decides."
    if (chance := _chance(plan)) < policy.act_above:
        yield (
            f"{plan.probability:.3f} (cause) x {plan.confidence_floor:.3f} (lower bound of the playbook's "
            f"confidence) is {chance:.3f}, below the {policy.act_above:.2f} needed to act alone."
        )
    if (successes := _successes(plan, priors)) < policy.min_verified_successes:
        yield (
            f"{plan.playbook} has {successes:g} verified successes with {plan.fault}; "
            f"{policy.min_verified_successes} are needed to act alone."
        )


def _earned(plan: Plan, policy: Policy, priors: Priors) -> str:
    return (
        f"The impact is low, {plan.playbook} has {_successes(plan, priors):g} verified successes "
        f"with {plan.fault}, "
        f"and {plan.probability:.3f} x {plan.confidence_floor:.3f} is {_chance(plan):.3f}, at or above the "
        f"{policy.act_above:.2f} needed to act alone."
    )


def targets(plan: Plan) -> frozenset[str]:
    """Return all that a plan acts on, its service and its steps' targets: locks and freezes name these."""
    return frozenset({plan.service, *(step.target for step in plan.steps if step.target)})


def _chance(plan: Plan) -> float:
    return plan.probability * plan.confidence_floor


def _successes(plan: Plan, priors: Priors) -> float:
    return priors.record(plan.playbook, plan.fault).successes


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
