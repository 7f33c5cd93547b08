from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.errors import MalformedSettings
from causal.evidence import Fault, PlaybookRecord, Priors
from playbooks.gate import Budget, Policy, decide, read_policy, targets
from playbooks.remedy import Decision, Plan, Verdict
from tests.playbooks.cases import plan

AUTO = Policy(autonomy="auto", act_above=0.9)
PROVEN = Priors(playbooks=(PlaybookRecord(playbook="mend", fault=Fault.CPU, successes=50),))
ORDER = [Verdict.LEAVE, Verdict.SUGGEST, Verdict.ASK, Verdict.EXECUTE]

shares = st.floats(0, 1)
policies = st.builds(
    lambda low, high, **rest: Policy(suggest_above=min(low, high), act_above=max(low, high), **rest),
    shares,
    shares,
    min_verified_successes=st.integers(0, 10),
    autonomy=st.sampled_from(["observe", "suggest", "approve", "auto"]),
    stopped=st.booleans(),
    frozen_targets=st.sampled_from([(), ("cart",), ("other",)]),
)
plans = st.builds(
    plan,
    probability=shares,
    confidence_floor=shares,
    impact=st.sampled_from(["low", "high"]),
    cooldown=st.none() | st.floats(1, 1000),
    max_runs_per_day=st.none() | st.integers(1, 10),
)
priors = st.builds(
    lambda won: Priors(playbooks=(PlaybookRecord(playbook="mend", fault=Fault.CPU, successes=won),)),
    st.floats(0, 20),
)
budgets = st.builds(
    Budget,
    runs_in_cooldown=st.integers(0, 3),
    runs_today=st.integers(0, 12),
    running_on_target=st.sampled_from([(), ("inc-2",)]),
)


def decided(
    chosen: Plan | None = None, policy: Policy = AUTO, known: Priors = PROVEN, budget: Budget | None = None
) -> Decision:
    return decide(chosen or plan(), policy, known, budget or Budget())


def test_a_proven_gentle_likely_plan_is_executed() -> None:
    assert decided().verdict is Verdict.EXECUTE


def test_the_default_policy_asks_about_a_likely_plan() -> None:
    assert decided(policy=Policy()).verdict is Verdict.ASK


def test_high_impact_is_asked_about() -> None:
    assert decided(plan(impact="high")).verdict is Verdict.ASK


def test_too_few_successes_are_asked_about_with_the_numbers() -> None:
    decision = decided(known=Priors())
    assert decision.reasons == ("mend has 0 verified successes with cpu; 5 are needed to act alone.",)


def test_a_low_floor_is_asked_about_with_the_numbers() -> None:
    (reason,) = decided(plan(confidence_floor=0.5)).reasons
    assert "0.999 (cause) x 0.500" in reason
    assert "is 0.499, below the 0.90" in reason


def test_an_unlikely_cause_is_suggested_alone() -> None:
    decision = decided(plan(probability=0.69))
    assert (decision.verdict, decision.reasons) == (
        Verdict.SUGGEST,
        ("The cause is 0.690 probable; below 0.70 a plan is shown and nobody is asked.",),
    )


def test_a_cause_exactly_at_the_threshold_is_asked_about() -> None:
    assert decided(plan(probability=0.70), policy=Policy()).verdict is Verdict.ASK


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        (Policy(stopped=True), "kill switch"),
        (Policy(autonomy="observe"), "observe"),
        (Policy(frozen_targets=("cart",)), "cart is frozen"),
        (Policy(frozen_targets=("repository:shop-config",)), "repository:shop-config is frozen"),
    ],
)
def test_a_policy_that_forbids_leaves_it_to_humans(policy: Policy, says: str) -> None:
    decision = decided(policy=policy)
    assert decision.verdict is Verdict.LEAVE
    assert says in decision.reasons[0]


@pytest.mark.parametrize(
    ("budget", "says"),
    [
        (Budget(runs_in_cooldown=1), "ran on cart once in the last 600 s"),
        (Budget(runs_today=6), "6 times in the last day; its limit is 6"),
        (Budget(running_on_target=("inc-2",)), "inc-2 is at work on the same target"),
    ],
)
def test_a_spent_budget_leaves_it_to_humans(budget: Budget, says: str) -> None:
    decision = decided(budget=budget)
    assert decision.verdict is Verdict.LEAVE
    assert says in decision.reasons[0]


def test_every_reason_to_leave_is_told() -> None:
    budget = Budget(runs_in_cooldown=2, runs_today=9, running_on_target=("inc-2",))
    assert len(decided(policy=Policy(stopped=True), budget=budget).reasons) == 4


def test_a_plan_without_limits_is_not_held_up_by_runs() -> None:
    free = plan(cooldown=None, max_runs_per_day=None)
    assert decided(free, budget=Budget(runs_in_cooldown=5, runs_today=50)).verdict is Verdict.EXECUTE


def test_a_decision_names_the_policy_it_was_made_under() -> None:
    assert decided().policy == AUTO.digest()


def test_the_targets_of_a_plan_are_its_service_and_what_its_steps_act_on() -> None:
    assert targets(plan()) == {"cart", "repository:shop-config"}


def test_an_empty_policy_is_the_default() -> None:
    assert read_policy("", "policy.yaml") == Policy()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("suggest_over: 0.5", r"policy.yaml:1:1: suggest_over: unknown field; did you mean suggest_above\?"),
        ("stopped: false\nautonomy: automatic", r"policy.yaml:2:1: autonomy: .*'auto', not 'automatic'"),
        ("act_above: 1.5", r"policy.yaml:1:1: act_above: .*, not 1.5"),
        ("suggest_above: 0.9\nact_above: 0.8", r"act_above \(0.8\) must not be below suggest_above \(0.9\)"),
        ("suggest_above: .nan", r"policy.yaml:1:1: suggest_above"),
    ],
)
def test_a_malformed_policy_names_its_place(text: str, says: str) -> None:
    with pytest.raises(MalformedSettings, match=says):
        read_policy(text, "policy.yaml")


@given(plans, policies, priors, budgets, shares)
def test_more_probability_never_lowers_the_verdict(
    chosen: Plan, policy: Policy, known: Priors, budget: Budget, other: float
) -> None:
    low, high = sorted([chosen.probability, other])
    less, more = (
        decide(chosen.model_copy(update={"probability": share}), policy, known, budget)
        for share in (low, high)
    )
    assert ORDER.index(less.verdict) <= ORDER.index(more.verdict)


@given(plans, policies, priors, budgets)
def test_high_impact_is_never_executed_alone(
    chosen: Plan, policy: Policy, known: Priors, budget: Budget
) -> None:
    high = chosen.model_copy(update={"impact": "high"})
    assert decide(high, policy, known, budget).verdict is not Verdict.EXECUTE


@given(plans, policies, priors, budgets)
def test_the_kill_switch_leaves_everything(
    chosen: Plan, policy: Policy, known: Priors, budget: Budget
) -> None:
    stopped = policy.model_copy(update={"stopped": True})
    assert decide(chosen, stopped, known, budget).verdict is Verdict.LEAVE


@given(plans, policies, priors, budgets)
def test_nothing_is_executed_below_the_minimum_of_successes(
    chosen: Plan, policy: Policy, known: Priors, budget: Budget
) -> None:
    demanding = policy.model_copy(update={"min_verified_successes": 21})
    assert decide(chosen, demanding, known, budget).verdict is not Verdict.EXECUTE


@given(plans, policies, priors, budgets)
def test_more_spent_budget_never_raises_the_verdict(
    chosen: Plan, policy: Policy, known: Priors, budget: Budget
) -> None:
    more = Budget(
        runs_in_cooldown=budget.runs_in_cooldown + 1,
        runs_today=budget.runs_today + 1,
        running_on_target=(*budget.running_on_target, "inc-3"),
    )
    spent, unspent = (decide(chosen, policy, known, each) for each in (more, budget))
    assert ORDER.index(spent.verdict) <= ORDER.index(unspent.verdict)


@given(plans, policies, priors, budgets)
def test_every_decision_has_a_reason(chosen: Plan, policy: Policy, known: Priors, budget: Budget) -> None:
    assert decide(chosen, policy, known, budget).reasons
