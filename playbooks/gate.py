"""The gate: may this plan be carried out, and who decides? One pure function that reads as the policy does.

It knows facts of our own alone: the calibrated probability of the hypothesis, the record of the playbook, the
policy that people wrote, and counts of what was done. Nothing that a language model worded reaches it. All
that it looks at is one value, `GateInput`, which the audit log keeps: whoever doubts a decision has `decide`
answer it again, anywhere, and must get the same.

    LEAVE     it is forbidden: nobody is asked and nothing is done
    SUGGEST   the cause is too uncertain, or no more is allowed: the plan is shown, nobody is asked
    ASK       something speaks against acting alone: a human decides
    EXECUTE   nothing does: low impact, the level `auto`, enough verified successes, a chance that reaches the
              threshold, and neither the limits of rate nor the budget of errors are spent
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from playbooks.gate_input import Budget, GateInput, Hold, blast_radius, consider, targets
from playbooks.policy import Autonomy, Policy, read_policy
from playbooks.remedy import Decision, Verdict

__all__ = [
    "Budget",
    "GateInput",
    "Hold",
    "Policy",
    "blast_radius",
    "consider",
    "decide",
    "read_policy",
    "targets",
]

_DAY = 86_400.0


def decide(given: GateInput) -> Decision:
    """Answer one plan, with the reasons in sentences."""
    verdict, reasons = _verdict(given)
    terms, bar = given.terms, given.threshold
    return Decision(
        verdict=verdict,
        reasons=reasons,
        probability=given.probability,
        confidence_floor=given.confidence_floor,
        autonomy=terms.autonomy,
        suggest_above=terms.suggest_above,
        act_above=bar.at,
        act_above_because=bar.because,
        policy=given.policy.digest(),
        rule=terms.rule,
    )


def _verdict(given: GateInput) -> tuple[Verdict, tuple[str, ...]]:
    if forbidden := tuple(_forbids(given)):
        return Verdict.LEAVE, forbidden
    if doubts := tuple(_speaks_against_asking(given)):
        return Verdict.SUGGEST, doubts
    if needs := tuple(_needs_a_human(given)):
        return Verdict.ASK, needs
    return Verdict.EXECUTE, (_earned(given),)


def _forbids(given: GateInput) -> Iterator[str]:
    if given.stopped or given.policy.stopped:
        because = f" ({given.stopped_because})" if given.stopped_because else ""
        yield f"The kill switch is on{because}: nothing is carried out."
    yield from _level(given, "observe", "nothing is proposed or carried out")
    yield from _frozen_targets(given)
    yield from _others_at_work(given)
    yield from _too_wide(given)
    yield from _too_often(given)
    for incident in given.budget.failed_before:
        yield (
            f"{given.playbook} brought no recovery on {given.service} in {incident}; the same fix is not "
            f"tried again within {_span(given.policy.not_again_within)}."
        )


def _speaks_against_asking(given: GateInput) -> Iterator[str]:
    if given.probability < (least := given.terms.suggest_above):
        yield (
            f"The cause is {_down(given.probability)} probable; below {least:.2f} a plan is shown "
            "and nobody is asked."
        )
    yield from _level(given, "suggest", "plans are shown and nobody is asked")


def _needs_a_human(given: GateInput) -> Iterator[str]:
    if given.impact == "high":
        yield "The impact is high: a human decides, however sure the diagnosis is."
    yield from _level(given, "approve", "a human decides")
    if given.withdrawn:
        yield f"{given.playbook} may not act alone for now: {given.withdrawn.removesuffix('.')}."
    yield from _too_uncertain(given)
    if given.successes < (needed := given.terms.min_verified_successes):
        yield (
            f"{given.playbook} has {_count(given.successes)} verified successes with {given.fault}; "
            f"{needed} are needed to act alone."
        )
    yield from _too_often_alone(given)
    if given.wrong_alone >= (allowed := given.policy.error_budget.wrong_alone_at_most):
        yield (
            f"Automation that acted alone was wrong {_times(given.wrong_alone)} in "
            f"{_span(given.policy.error_budget.window)}; its budget of errors is {allowed}."
        )


def _level(given: GateInput, level: Autonomy, meaning: str) -> Iterator[str]:
    """The level in force, and the freezes that allow no more than it."""
    terms = given.terms
    if terms.autonomy == level:
        where = f" (rule {terms.rule} of the policy)" if terms.rule else ""
        yield f"The level of autonomy is {level}{where}: {meaning}."
    for freeze in given.policy.freezes:
        frozen = freeze.touches(given.targets, given.environment)
        if freeze.at_most == level and frozen and freeze.holds(given.now):
            yield f"{_all(frozen)} frozen now ({freeze.because}): {meaning}."


def _frozen_targets(given: GateInput) -> Iterator[str]:
    for target in given.targets:
        if any(fnmatchcase(target, frozen) for frozen in given.policy.frozen_targets):
            yield f"{target} is frozen by the policy."


def _others_at_work(given: GateInput) -> Iterator[str]:
    why = "two plans at once would hide which of them helped"
    for hold in given.budget.held:
        yield f"{hold.owner} holds {hold.target}; {why}."
    for other in given.budget.running_on_target:
        yield f"{other} is at work on the same target; {why}."


def _too_wide(given: GateInput) -> Iterator[str]:
    wide = f"{given.playbook} would act on {_many(given.blast_radius, 'target')} of one kind"
    if given.blast_radius_limit is not None and given.blast_radius > given.blast_radius_limit:
        yield f"{wide}; its blast radius is limited to {given.blast_radius_limit}."
    widest = given.policy.widest(given.environment)
    if widest is not None and given.blast_radius > widest:
        yield f"{wide}; the policy allows {widest} in {given.environment}."


def _too_often(given: GateInput) -> Iterator[str]:
    ran, budget = f"{given.playbook} ran on {given.service}", given.budget
    if given.cooldown is not None and budget.runs_in_cooldown > 0:
        times = _times(budget.runs_in_cooldown)
        yield f"{ran} {times} in the last {given.cooldown:.0f} s, which is its cooldown."
    if given.max_runs_per_day is not None and budget.runs_today >= given.max_runs_per_day:
        yield f"{ran} {_times(budget.runs_today)} in the last day; its limit is {given.max_runs_per_day}."


def _too_uncertain(given: GateInput) -> Iterator[str]:
    bar = given.threshold
    if bar.at is None:
        yield f"No chance is high enough to act alone: {bar.because}."
    elif given.chance < bar.at:
        yield f"{_product(given)}, below the {bar.at:.3f} needed to act alone ({bar.because})."


def _too_often_alone(given: GateInput) -> Iterator[str]:
    limits, budget = given.policy.rate_limits, given.budget
    for done, limit, where in (
        (budget.alone_in_hour, limits.alone_per_hour, "in the last hour"),
        (budget.alone_in_day, limits.alone_per_day, "in the last day"),
        (
            budget.alone_on_service_in_day,
            limits.alone_per_service_and_day,
            f"on {given.service} in the last day",
        ),
    ):
        if limit is not None and done >= limit:
            yield f"Automation acted alone {_times(done)} {where}; its limit is {limit}."


def _earned(given: GateInput) -> str:
    bar = given.threshold
    return (
        f"The impact is low, {given.playbook} has {_count(given.successes)} verified successes with "
        f"{given.fault}, and {_product(given)}, at or above the {bar.at:.3f} needed to act alone "
        f"({bar.because})."
    )


def _product(given: GateInput) -> str:
    cause, floor = _down(given.probability), _down(given.confidence_floor)
    return f"{cause} (cause) x {floor} (lower bound of the playbook's confidence) is {_down(given.chance)}"


def _all(names: Sequence[str]) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"


def _count(count: float) -> str:
    return f"{count:.1f}".removesuffix(".0")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _span(seconds: float) -> str:
    return _many(seconds / _DAY, "day") if seconds > _DAY else _many(seconds / 3600.0, "hour")


def _many(count: float, what: str) -> str:
    return f"{count:g} {what}{'' if count == 1 else 's'}"


def _down(share: float) -> str:
    """A share, never shown as more than it is: what misses a threshold must not look as if it reached it."""
    return f"{math.floor(share * 1000) / 1000:.3f}"
