"""Laws of the gate, over inputs of all kinds."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from causal.evidence import Fault
from playbooks.calendar import WEEKDAYS
from playbooks.gate import Budget, GateInput, Hold, decide
from playbooks.policy import LEVELS, Autonomy, ErrorBudget, Freeze, Policy, RateLimits, Rule
from playbooks.remedy import Decision, Verdict
from playbooks.risk import Tally

NOW = 1_795_000_000.0
DAY = 86_400.0
ORDER = [Verdict.LEAVE, Verdict.SUGGEST, Verdict.ASK, Verdict.EXECUTE]


def always(**changes: Any) -> Freeze:
    return Freeze(because="the fair", weekdays=WEEKDAYS, zone="UTC", **changes)


shares = st.floats(0, 1)
counts = st.integers(0, 8)
limits = st.none() | st.integers(0, 6)
rules = st.builds(
    Rule,
    service=st.sampled_from(["*", "cart", "other"]),
    environment=st.sampled_from(["*", "production", "staging"]),
    autonomy=st.sampled_from([None, *LEVELS]),
    min_verified_successes=st.none() | st.integers(0, 10),
)
freezes = st.builds(
    always, at_most=st.sampled_from(LEVELS), target=st.sampled_from(["*", "cart", "x"])
) | st.just(Freeze(because="over", weekdays=("mon",), hours="00:00-00:01", zone="UTC"))
policies = st.builds(
    lambda low, high, **rest: Policy(suggest_above=min(low, high), act_above=max(low, high), **rest),
    shares,
    shares,
    min_verified_successes=st.integers(0, 10),
    autonomy=st.sampled_from(LEVELS) | st.just("auto"),
    rules=st.lists(rules, max_size=2).map(tuple),
    freezes=st.lists(freezes, max_size=1).map(tuple),
    frozen_targets=st.sampled_from([(), (), ("cart",), ("oth*",)]),
    max_blast_radius=st.sampled_from([{}, {"production": 2}, {"*": 3, "staging": 1}]),
    rate_limits=st.builds(
        RateLimits, alone_per_hour=limits, alone_per_day=limits, alone_per_service_and_day=limits
    ),
    error_budget=st.builds(ErrorBudget, wrong_at_most=st.floats(0.01, 0.5), wrong_alone_at_most=counts),
    stopped=st.sampled_from([False, False, False, True]),
)
budgets = st.builds(
    Budget,
    runs_in_cooldown=st.integers(0, 2),
    runs_today=counts,
    failed_before=st.sampled_from([(), (), ("inc-7",)]),
    running_on_target=st.sampled_from([(), (), ("inc-2",)]),
    held=st.sampled_from([(), (), (Hold(target="cart", owner="inc-2/p1"),)]),
    alone_in_hour=counts,
    alone_in_day=counts,
    alone_on_service_in_day=counts,
)
tallies = st.lists(
    st.tuples(st.integers(500, 1000), st.integers(1, 200), st.integers(0, 2)),
    max_size=5,
    unique_by=lambda each: each[0],
).map(
    lambda groups: tuple(
        Tally(chance=step / 1000, deeds=deeds, wrong=min(wrong, deeds))
        for step, deeds, wrong in sorted(groups, reverse=True)
    )
)
wild = st.builds(
    GateInput,
    incident=st.just("inc-1"),
    plan=st.just("p1"),
    plan_digest=st.just("ab" * 32),
    playbook=st.just("mend"),
    playbook_digest=st.just("cd" * 32),
    service=st.just("cart"),
    fault=st.just(Fault.CPU),
    impact=st.sampled_from(["low", "low", "high"]),
    environment=st.sampled_from(["production", "staging"]),
    targets=st.just(("cart", "process:shop/cart")),
    blast_radius=st.integers(0, 4),
    blast_radius_limit=st.none() | st.integers(1, 4),
    cooldown=st.none() | st.floats(1, 1000),
    max_runs_per_day=st.none() | st.integers(1, 10),
    probability=shares | st.floats(0.9, 1),
    confidence_floor=shares | st.floats(0.9, 1),
    policy=policies,
    successes=st.floats(0, 20),
    history=tallies,
    wrong_alone=counts,
    withdrawn=st.sampled_from(["", "", "it drifts"]),
    budget=budgets,
    stopped=st.sampled_from([False, False, False, True]),
    stopped_because=st.sampled_from(["", "ada: fire"]),
    now=st.floats(NOW - 30 * DAY, NOW + 30 * DAY),
)


QUIET = GateInput(
    incident="inc-1",
    plan="p1",
    plan_digest="ab" * 32,
    playbook="mend",
    playbook_digest="cd" * 32,
    service="cart",
    fault=Fault.CPU,
    impact="low",
    environment="production",
    targets=("cart", "process:shop/cart"),
    blast_radius=1,
    probability=0.999,
    confidence_floor=0.95,
    policy=Policy(autonomy="auto", act_above=0.9),
    successes=9.0,
    now=NOW,
)


@st.composite
def nearly_quiet(draw: st.DrawFn) -> GateInput:
    """An input that lets act alone, but for a few of its fields."""
    other = draw(wild)
    names = draw(st.sets(st.sampled_from(sorted(GateInput.model_fields)), max_size=3))
    return QUIET.model_copy(update={name: getattr(other, name) for name in names})


inputs = nearly_quiet() | wild


def rank(given_: GateInput, **changes: Any) -> int:
    return ORDER.index(decide(given_.model_copy(update=changes)).verdict)


@given(inputs, shares)
def test_more_probability_never_lowers_the_verdict(one: GateInput, other: float) -> None:
    low, high = sorted([one.probability, other])
    assert rank(one, probability=low) <= rank(one, probability=high)


@given(inputs, shares)
def test_more_confidence_never_lowers_the_verdict(one: GateInput, other: float) -> None:
    low, high = sorted([one.confidence_floor, other])
    assert rank(one, confidence_floor=low) <= rank(one, confidence_floor=high)


@given(inputs, st.floats(0, 20))
def test_more_successes_never_lower_the_verdict(one: GateInput, more: float) -> None:
    assert rank(one) <= rank(one, successes=one.successes + more)


@given(inputs)
def test_a_higher_impact_never_raises_the_verdict(one: GateInput) -> None:
    assert rank(one, impact="high") <= rank(one, impact="low")


@given(inputs)
def test_high_impact_is_never_executed(one: GateInput) -> None:
    assert rank(one, impact="high") < ORDER.index(Verdict.EXECUTE)


@given(inputs, st.integers(0, 5))
def test_a_wider_blast_radius_never_raises_the_verdict(one: GateInput, wider: int) -> None:
    assert rank(one, blast_radius=one.blast_radius + wider) <= rank(one)


@given(inputs, budgets)
def test_more_spent_budget_never_raises_the_verdict(one: GateInput, more: Budget) -> None:
    total = {
        name: getattr(one.budget, name) + getattr(more, name)  # counts add up, and names join
        for name in Budget.model_fields
    }
    assert rank(one, budget=Budget(**total)) <= rank(one)


@given(inputs, counts)
def test_more_errors_never_raise_the_verdict(one: GateInput, more: int) -> None:
    assert rank(one, wrong_alone=one.wrong_alone + more) <= rank(one)


@given(inputs, st.integers(0, 4))
def test_one_more_wrong_deed_never_raises_the_verdict(one: GateInput, at: int) -> None:
    if not one.history:
        return
    at %= len(one.history)
    worse = list(one.history)
    worse[at] = worse[at].model_copy(update={"wrong": min(worse[at].wrong + 1, worse[at].deeds)})
    assert rank(one, history=tuple(worse)) <= rank(one)


@given(inputs, st.sampled_from(LEVELS), st.sampled_from(LEVELS))
def test_more_autonomy_never_lowers_the_verdict(one: GateInput, a: Autonomy, b: Autonomy) -> None:
    low, high = sorted([a, b], key=lambda level: LEVELS.index(level))  # noqa: PLW0108  typed
    less, more = (
        one.policy.model_copy(update={"rules": (), "autonomy": level})  # of one policy without exceptions
        for level in (low, high)
    )
    assert rank(one, policy=less) <= rank(one, policy=more)


@given(inputs, freezes)
def test_one_more_freeze_never_raises_the_verdict(one: GateInput, freeze: Freeze) -> None:
    frozen = one.policy.model_copy(update={"freezes": (*one.policy.freezes, freeze)})
    assert rank(one, policy=frozen) <= rank(one)


@given(inputs)
def test_a_stop_always_leaves_it_to_humans(one: GateInput) -> None:
    assert rank(one, stopped=True) == ORDER.index(Verdict.LEAVE)


@given(inputs)
def test_withdrawn_autonomy_never_acts_alone(one: GateInput) -> None:
    assert rank(one, withdrawn="it drifts") < ORDER.index(Verdict.EXECUTE)


@given(inputs)
def test_nothing_below_the_level_auto_acts_alone(one: GateInput) -> None:
    acted = decide(one).verdict is Verdict.EXECUTE
    assert not acted or one.terms.autonomy == "auto"


@given(inputs)
def test_nothing_below_the_bar_for_asking_acts_alone(one: GateInput) -> None:
    acted = decide(one).verdict is Verdict.EXECUTE
    assert not acted or one.chance >= one.terms.suggest_above


@given(inputs, rules)
def test_a_rule_behind_one_that_matches_changes_nothing(one: GateInput, last: Rule) -> None:
    first = one.policy.model_copy(update={"rules": (*one.policy.rules, Rule(autonomy="auto"))})
    second = first.model_copy(update={"rules": (*first.rules, last)})
    ignored = {"policy": ""}  # their digests differ
    before, after = (
        decide(one.model_copy(update={"policy": policy})).model_copy(update=ignored)
        for policy in (first, second)
    )
    assert before == after


@given(inputs)
def test_every_decision_has_a_reason(one: GateInput) -> None:
    assert decide(one).reasons


@given(inputs)
def test_a_decision_is_made_again_from_its_record(one: GateInput) -> None:
    row = json.dumps(
        {"given": one.model_dump(mode="json"), "decision": decide(one).model_dump(mode="json")},
        sort_keys=True,  # as a store may keep it
    )
    kept = json.loads(row)
    again = decide(GateInput.model_validate(kept["given"]))
    assert again == Decision.model_validate(kept["decision"])
