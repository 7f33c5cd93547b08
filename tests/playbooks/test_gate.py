from __future__ import annotations

from typing import Any

import pytest

from causal.evidence import Deed, Demotion, Fault, PlaybookRecord, Priors
from playbooks.calendar import WEEKDAYS
from playbooks.gate import Budget, GateInput, Hold, blast_radius, consider, decide, targets
from playbooks.policy import Freeze, Policy, Rule
from playbooks.remedy import Decision, Plan, PlannedStep, Verdict
from playbooks.risk import Tally
from tests.playbooks.cases import plan

NOW = 1_795_000_000.0
DAY = 86_400.0
AUTO = Policy(autonomy="auto", act_above=0.9)
PROVEN = Priors(playbooks=(PlaybookRecord(playbook="mend", fault=Fault.CPU, successes=50),))
FLOOR = "lower bound of the playbook's confidence"
UNTOLD = "the policy's default; 0 deeds of the site's own are too few to tell"
TOLD = (
    "100 deeds with a chance of 0.950 or more in the last 90 days; "
    "at most 5.0% may be wrong, with 95% certainty"
)
EARNED = f"earned by 0 wrong of {TOLD}"


def asked(
    chosen: Plan | None = None,
    policy: Policy = AUTO,
    known: Priors = PROVEN,
    budget: Budget | None = None,
    **changes: Any,
) -> GateInput:
    made = consider(chosen or plan(), policy, known, budget or Budget(), now=NOW)
    return made.model_copy(update=changes)


def decided(*args: Any, **changes: Any) -> Decision:
    return decide(asked(*args, **changes))


def always(**changes: Any) -> Freeze:
    return Freeze(because="the fair", weekdays=WEEKDAYS, zone="UTC", **changes)


def under(**changes: Any) -> Policy:
    return Policy.model_validate({**AUTO.model_dump(), **changes})


def deed(**changes: Any) -> Deed:
    made = Deed(
        incident="inc-0",
        playbook="mend",
        fault=Fault.CPU,
        service="cart",
        environment="production",
        chance=0.95,
        alone=True,
        wrong=False,
        at=NOW - DAY,
    )
    return made.model_copy(update=changes)


def test_a_proven_gentle_likely_plan_is_executed() -> None:
    assert decided().verdict is Verdict.EXECUTE


def test_acting_alone_says_what_it_rests_on() -> None:
    (reason,) = decided().reasons
    assert reason == (
        f"The impact is low, mend has 50 verified successes with cpu, and 0.999 (cause) x 0.995 ({FLOOR}) is "
        f"0.994, at or above the 0.900 needed to act alone ({UNTOLD})."
    )


def test_the_default_policy_asks_about_a_likely_plan() -> None:
    assert decided(policy=Policy()).verdict is Verdict.ASK


def test_a_cause_exactly_at_the_threshold_is_asked_about() -> None:
    assert decided(plan(probability=0.70), policy=Policy()).verdict is Verdict.ASK


def test_a_chance_exactly_at_the_threshold_acts_alone() -> None:
    assert decided(plan(probability=0.9, confidence_floor=1.0)).verdict is Verdict.EXECUTE


def test_a_freeze_that_is_over_holds_nothing_up() -> None:
    over = {"because": "spring", "from": "2026-03-01", "to": "2026-04-01", "zone": "UTC"}
    assert decided(policy=under(freezes=[over])).verdict is Verdict.EXECUTE


def test_a_freeze_of_other_targets_holds_nothing_up() -> None:
    assert decided(policy=under(freezes=[always(target="payment")])).verdict is Verdict.EXECUTE


LEAVES: dict[str, tuple[dict[str, Any], str]] = {
    "the policy's stop": ({"policy": under(stopped=True)}, "The kill switch is on: nothing is carried out."),
    "the kill switch": (
        {"stopped": True, "stopped_because": "ada: the shop burns"},
        "The kill switch is on (ada: the shop burns): nothing is carried out.",
    ),
    "the level": (
        {"policy": under(autonomy="observe")},
        "The level of autonomy is observe: nothing is proposed or carried out.",
    ),
    "a rule's level": (
        {"policy": under(rules=[{"service": "cart", "autonomy": "observe"}])},
        "The level of autonomy is observe (rule 1 of the policy): nothing is proposed or carried out.",
    ),
    "a freeze": (
        {"policy": under(freezes=[always(target="cart")])},
        "cart is frozen now (the fair): nothing is proposed or carried out.",
    ),
    "a freeze of two": (
        {"policy": under(freezes=[always()])},
        "cart, repository:shop-config are frozen now (the fair): nothing is proposed or carried out.",
    ),
    "a frozen service": ({"policy": under(frozen_targets=["cart"])}, "cart is frozen by the policy."),
    "a frozen repository": (
        {"policy": under(frozen_targets=["repository:*"])},
        "repository:shop-config is frozen by the policy.",
    ),
    "a lock": (
        {"budget": Budget(held=(Hold(target="cart", owner="inc-2/p1"),))},
        "inc-2/p1 holds cart; two plans at once would hide which of them helped.",
    ),
    "another incident": (
        {"budget": Budget(running_on_target=("inc-2",))},
        "inc-2 is at work on the same target; two plans at once would hide which of them helped.",
    ),
    "its own reach": (
        {"blast_radius": 3, "blast_radius_limit": 2},
        "mend would act on 3 targets of one kind; its blast radius is limited to 2.",
    ),
    "the reach of the environment": (
        {"policy": under(max_blast_radius={"production": 0})},
        "mend would act on 1 target of one kind; the policy allows 0 in production.",
    ),
    "the cooldown": (
        {"budget": Budget(runs_in_cooldown=1)},
        "mend ran on cart once in the last 600 s, which is its cooldown.",
    ),
    "the runs of a day": (
        {"budget": Budget(runs_today=6)},
        "mend ran on cart 6 times in the last day; its limit is 6.",
    ),
    "the same fix again": (
        {"budget": Budget(failed_before=("inc-9",))},
        "mend brought no recovery on cart in inc-9; the same fix is not tried again within 24 hours.",
    ),
}


@pytest.mark.parametrize("given_", LEAVES)
def test_what_is_forbidden_is_left_to_humans_with_its_reason(given_: str) -> None:
    changes, says = LEAVES[given_]
    decision = decided(**changes)
    assert (decision.verdict, decision.reasons) == (Verdict.LEAVE, (says,))


SUGGESTS: dict[str, tuple[dict[str, Any], str]] = {
    "an unlikely cause": (
        {"probability": 0.69},
        "The cause is 0.690 probable; below 0.70 a plan is shown and nobody is asked.",
    ),
    "a cause just below the bar": (
        {"probability": 0.69999},
        "The cause is 0.699 probable; below 0.70 a plan is shown and nobody is asked.",
    ),
    "a rule's own bar": (
        {"probability": 0.8, "policy": under(rules=[{"suggest_above": 0.85}])},
        "The cause is 0.800 probable; below 0.85 a plan is shown and nobody is asked.",
    ),
    "the level": (
        {"policy": under(autonomy="suggest")},
        "The level of autonomy is suggest: plans are shown and nobody is asked.",
    ),
    "a freeze": (
        {"policy": under(freezes=[always(target="cart", at_most="suggest")])},
        "cart is frozen now (the fair): plans are shown and nobody is asked.",
    ),
}


@pytest.mark.parametrize("given_", SUGGESTS)
def test_what_may_only_be_shown_is_suggested_with_its_reason(given_: str) -> None:
    changes, says = SUGGESTS[given_]
    decision = decided(**changes)
    assert (decision.verdict, decision.reasons) == (Verdict.SUGGEST, (says,))


ASKS: dict[str, tuple[dict[str, Any], str]] = {
    "high impact": (
        {"impact": "high"},
        "The impact is high: a human decides, however sure the diagnosis is.",
    ),
    "the level": (
        {"policy": under(autonomy="approve")},
        "The level of autonomy is approve: a human decides.",
    ),
    "a freeze": (
        {"policy": under(freezes=[always(target="cart", at_most="approve")])},
        "cart is frozen now (the fair): a human decides.",
    ),
    "autonomy withdrawn": (
        {"withdrawn": "its successes fell from 90 % to 40 %"},
        "mend may not act alone for now: its successes fell from 90 % to 40 %.",
    ),
    "a low chance": (
        {"confidence_floor": 0.5},
        f"0.999 (cause) x 0.500 ({FLOOR}) is 0.499, below the 0.900 needed to act alone ({UNTOLD}).",
    ),
    "a chance below what was earned": (
        {"confidence_floor": 0.9, "history": (Tally(chance=0.95, deeds=100, wrong=0),)},
        f"0.999 (cause) x 0.900 ({FLOOR}) is 0.899, below the 0.950 needed to act alone ({EARNED}).",
    ),
    "a history that shows nothing safe": (
        {"history": (Tally(chance=0.95, deeds=100, wrong=20),)},
        f"No chance is high enough to act alone: no threshold is shown to be safe by 20 wrong of {TOLD}.",
    ),
    "too few successes": (
        {"successes": 0.0},
        "mend has 0 verified successes with cpu; 5 are needed to act alone.",
    ),
    "successes that faded": (
        {"successes": 4.93},
        "mend has 4.9 verified successes with cpu; 5 are needed to act alone.",
    ),
    "the limit of an hour": (
        {"budget": Budget(alone_in_hour=6)},
        "Automation acted alone 6 times in the last hour; its limit is 6.",
    ),
    "the limit of a day": (
        {"budget": Budget(alone_in_day=24)},
        "Automation acted alone 24 times in the last day; its limit is 24.",
    ),
    "the limit of a service": (
        {"budget": Budget(alone_on_service_in_day=6)},
        "Automation acted alone 6 times on cart in the last day; its limit is 6.",
    ),
    "the budget of errors": (
        {"wrong_alone": 3},
        "Automation that acted alone was wrong 3 times in 90 days; its budget of errors is 3.",
    ),
}


@pytest.mark.parametrize("given_", ASKS)
def test_what_speaks_against_acting_alone_is_asked_about_with_its_reason(given_: str) -> None:
    changes, says = ASKS[given_]
    decision = decided(**changes)
    assert (decision.verdict, decision.reasons) == (Verdict.ASK, (says,))


def test_every_reason_to_leave_is_told() -> None:
    budget = Budget(runs_in_cooldown=2, runs_today=9, running_on_target=("inc-2",))
    assert len(decided(policy=under(stopped=True), budget=budget).reasons) == 4


def test_a_plan_without_limits_is_not_held_up_by_runs() -> None:
    free = plan(cooldown=None, max_runs_per_day=None)
    assert decided(free, budget=Budget(runs_in_cooldown=5, runs_today=50)).verdict is Verdict.EXECUTE


def test_automation_without_limits_of_rate_is_not_held_up_by_runs() -> None:
    free = {"alone_per_hour": None, "alone_per_day": None, "alone_per_service_and_day": None}
    busy = Budget(alone_in_hour=99, alone_in_day=99, alone_on_service_in_day=99)
    assert decided(policy=under(rate_limits=free), budget=busy).verdict is Verdict.EXECUTE


def test_a_long_faultless_history_lets_a_less_sure_plan_act_alone() -> None:
    history = (Tally(chance=0.8, deeds=200, wrong=0),)
    decision = decided(confidence_floor=0.85, history=history)
    assert (decision.verdict, decision.act_above) == (Verdict.EXECUTE, 0.8)


def test_a_rule_frees_what_it_names_alone() -> None:
    policy = Policy(rules=(Rule(service="cart", autonomy="auto", act_above=0.9),))
    verdicts = [decided(plan(service=name), policy).verdict for name in ("cart", "payment")]
    assert verdicts == [Verdict.EXECUTE, Verdict.ASK]


def test_a_decision_names_the_policy_and_the_rule_that_it_was_made_under() -> None:
    policy = under(rules=[{"service": "x"}, {"service": "c*", "autonomy": "auto"}])
    decision = decided(policy=policy)
    assert (decision.policy, decision.rule, decision.autonomy) == (policy.digest(), 2, "auto")


def test_a_decision_without_a_safe_threshold_has_none() -> None:
    assert decided(history=(Tally(chance=0.95, deeds=100, wrong=20),)).act_above is None


def test_the_targets_of_a_plan_are_its_service_and_what_its_steps_act_on() -> None:
    assert targets(plan()) == {"cart", "repository:shop-config"}


def test_the_blast_radius_is_counted_by_kinds_of_target() -> None:
    names = ("process:a", "process:b", "process:b", "repository:r", "")
    steps = tuple(PlannedStep(id=f"s{n}", action="act", target=name) for n, name in enumerate(names))
    assert blast_radius(plan(steps=steps)) == 2


def test_a_plan_that_acts_on_nothing_has_no_blast_radius() -> None:
    assert blast_radius(plan(steps=())) == 0


def test_the_gate_looks_at_the_deeds_of_the_window_and_the_environment_alone() -> None:
    deeds = (
        deed(),
        deed(wrong=True),
        deed(wrong=True, alone=False),
        deed(wrong=True, at=NOW - 91 * DAY),
        deed(wrong=True, environment="staging"),
        deed(chance=0.1, wrong=True),
    )
    made = consider(plan(), AUTO, Priors(deeds=deeds), Budget(), now=NOW)
    assert (made.history, made.wrong_alone) == ((Tally(chance=0.95, deeds=3, wrong=2),), 2)


def test_a_withdrawn_autonomy_reaches_the_gate() -> None:
    demoted = Priors(demotions=(Demotion(playbook="mend", because="it drifts", at=NOW - DAY),))
    assert consider(plan(), AUTO, demoted, Budget(), now=NOW).withdrawn == "it drifts"


def test_successes_that_are_long_ago_count_less() -> None:
    old = PlaybookRecord(playbook="mend", fault=Fault.CPU, successes=6, at=NOW - 90 * DAY)
    assert consider(plan(), AUTO, Priors(playbooks=(old,)), Budget(), now=NOW).successes < 5


def test_no_parameter_of_the_plan_reaches_the_gate() -> None:
    secret = plan(parameters={"password": "hunter2"}, cause="hunter2", description="hunter2")
    assert "hunter2" not in asked(secret).model_dump_json()
