from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from causal.evidence import Diagnosis, Fault, PlaybookRecord, Priors
from playbooks.planning import MOST_PLANS, Planning, plans_for
from playbooks.remedy import PlannedUndo
from tests.playbooks.cases import (
    ALERT,
    COMMIT,
    MEND,
    SERVICE_FACTS,
    catalog_of,
    diagnosis,
    hypothesis,
    instance,
)

OTHER = MEND.replace("name: mend", "name: other").replace("prior: 0.7", "prior: 0.6")
RELOAD = """\
name: reload
description: Reloads.
cures: [{fault: config_change}]
impact: low
parameters: {service: {from: $cause.service}, admin: {from: $service.admin}}
steps: [{id: reload, action: reload, with: {path: "/reload/${service}"}}]
verify: {recovered_when: {signal: latency, within: 1m, quiet_for: 5s}}
"""


def planned(what: Diagnosis, *playbooks: str, priors: Priors | None = None, facts: bool = True) -> Planning:
    catalog = catalog_of(*(playbooks or (MEND,)))
    known = SERVICE_FACTS if facts else {}
    return plans_for(what, ALERT, "inc-1", catalog, priors or Priors(), facts=lambda service: known)  # noqa: ARG005


def test_a_plan_carries_everything_an_approver_must_know() -> None:
    (plan,) = planned(diagnosis(hypothesis())).plans
    assert (plan.id, plan.playbook, plan.service, plan.cause, plan.probability, plan.parameters) == (
        "p1",
        "mend",
        "cart",
        "service:cart",
        0.9,
        {"service": "cart", "commit": COMMIT},
    )


def test_a_planned_step_is_filled_in_and_previewed() -> None:
    (plan,) = planned(diagnosis(hypothesis())).plans
    step = plan.steps[0]
    assert (step.params, step.target, step.preview) == (
        {"target": "first-cart", "value": COMMIT},
        "first-cart",
        "would memory.act first-cart",
    )


def test_an_undo_waits_for_its_effect() -> None:
    (plan,) = planned(diagnosis(hypothesis())).plans
    assert plan.steps[0].undo == PlannedUndo(
        action="memory.undo", params={"target": "$effect.target"}, target="first-cart"
    )


THEN = MEND.replace(
    "with: {target: $effect.target}}",
    "with: {target: $effect.target}, then: [{action: memory.act, with: {target: 're-${service}'}}]}",
)


def test_an_undo_of_several_parts_is_planned_in_order() -> None:
    (plan,) = planned(diagnosis(hypothesis()), THEN).plans
    undo = plan.steps[0].undo
    assert undo is not None
    assert [(call.action, call.params["target"]) for call in undo.calls] == [
        ("memory.undo", "$effect.target"),
        ("memory.act", "re-cart"),
    ]


def test_every_part_of_an_undo_is_part_of_the_plans_digest() -> None:
    (with_it,) = planned(diagnosis(hypothesis()), THEN).plans
    undo = with_it.steps[0].undo
    assert undo is not None
    shorter = with_it.steps[0].model_copy(update={"undo": undo.model_copy(update={"then": ()})})
    assert with_it.model_copy(update={"steps": (shorter,)}).digest() != with_it.digest()


def test_a_plan_says_who_is_asked_later_and_when() -> None:
    rule = "approval: {approvers: [sre], expires: 30m, escalate_to: [lead], escalate_after: 10m}\n"
    (plan,) = planned(diagnosis(hypothesis()), MEND + rule).plans
    assert (plan.escalate_to, plan.escalate_after) == (("lead",), 600.0)


def test_half_of_the_time_is_left_to_those_who_are_asked_later() -> None:
    (plan,) = planned(diagnosis(hypothesis()), MEND + "approval: {expires: 30m, escalate_to: [lead]}\n").plans
    assert plan.escalate_after == 900.0


def test_nobody_is_asked_later_where_nobody_is_named() -> None:
    (plan,) = planned(diagnosis(hypothesis())).plans
    assert plan.escalate_after is None


def test_a_plan_says_how_widely_it_may_act() -> None:
    (plan,) = planned(diagnosis(hypothesis()), MEND + "limits: {blast_radius: 2}\n").plans
    assert plan.blast_radius == 2


def test_a_plan_says_where_its_service_runs() -> None:
    (plan,) = planned(diagnosis(hypothesis())).plans
    assert plan.environment == "staging"


def test_what_nobody_said_is_production_is_treated_as_production() -> None:
    (plan,) = planned(diagnosis(hypothesis()), facts=False).plans
    assert plan.environment == "production"


def test_a_plan_names_the_diagnosis_that_it_answers() -> None:
    found = diagnosis(hypothesis())
    assert planned(found).plans[0].evidence == found.digest()


def test_verification_takes_the_alerts_signal_and_the_playbooks_times() -> None:
    (plan,) = planned(diagnosis(hypothesis())).plans
    assert (plan.signal, plan.within, plan.quiet_for) == ("errors", 300.0, 20.0)


def test_a_playbook_may_name_the_signal_itself() -> None:
    (plan,) = planned(diagnosis(hypothesis()), RELOAD).plans
    assert plan.signal == "latency"


def test_plans_come_best_first_by_probability_times_confidence() -> None:
    unlikely, likely = hypothesis("cart", 0.3), hypothesis("stock", 0.6)
    plans = planned(diagnosis(unlikely, likely), OTHER, MEND).plans
    assert [(plan.service, plan.playbook) for plan in plans] == [
        ("stock", "mend"),
        ("stock", "other"),
        ("cart", "mend"),
        ("cart", "other"),
    ]


def test_a_better_record_puts_a_playbook_first() -> None:
    record = PlaybookRecord(playbook="other", fault=Fault.CONFIG_CHANGE, successes=9)
    plans = planned(diagnosis(hypothesis()), MEND, OTHER, priors=Priors(playbooks=(record,))).plans
    assert [plan.playbook for plan in plans] == ["other", "mend"]


def test_a_parameter_that_can_not_be_had_skips_the_playbook_with_its_reason() -> None:
    planning = planned(diagnosis(hypothesis()), RELOAD, facts=False)
    (reason,) = planning.skipped
    assert reason.startswith("reload for config_change of service:cart: parameter admin has no value: ")
    assert reason.endswith("($service.admin) is not known here")


def test_a_value_that_fails_its_pattern_is_never_planned() -> None:
    change = hypothesis().change
    assert change is not None
    hostile = hypothesis(change=change.model_copy(update={"id": "--upload-pack=touch /tmp/x"}))
    planning = planned(diagnosis(hostile))
    assert planning.plans == ()
    assert "does not match" in planning.skipped[0]


def test_a_hostile_service_name_stays_inside_its_place() -> None:
    (plan,) = planned(diagnosis(hypothesis("../../admin?x=${admin}")), RELOAD).plans
    assert plan.steps[0].params == {"path": "/reload/..%2F..%2Fadmin%3Fx%3D%24%7Badmin%7D"}


def test_what_an_action_refuses_to_preview_is_skipped() -> None:
    planning = planned(diagnosis(hypothesis("forbidden")), RELOAD)
    assert planning.skipped == ("reload for config_change of service:forbidden: this path is forbidden",)


def test_a_parameter_of_the_wrong_type_skips_the_playbook() -> None:
    wrong = MEND.replace('"first-${service}"', "5")
    assert "memory.act does not take this target" in planned(diagnosis(hypothesis()), wrong).skipped[0]


def test_the_same_remedy_is_planned_once() -> None:
    planning = planned(diagnosis(hypothesis(), instance(probability=0.05)))
    assert [plan.probability for plan in planning.plans] == [0.9]
    assert planning.skipped == ("mend for config_change of instance:cart-1: the same would be done by p1",)


def test_no_more_plans_are_made_than_people_read() -> None:
    many = [hypothesis(f"service-{number}", 0.05) for number in range(MOST_PLANS + 5)]
    assert len(planned(diagnosis(*many)).plans) == MOST_PLANS


def test_no_hypothesis_gives_no_plan() -> None:
    assert planned(diagnosis()) == Planning()


@given(st.lists(st.tuples(st.sampled_from(["cart", "stock", "load"]), st.floats(0, 1)), max_size=5))
def test_the_same_diagnosis_gives_the_same_plans(causes: list[tuple[str, float]]) -> None:
    found = diagnosis(*(hypothesis(*cause) for cause in causes))
    assert planned(found, MEND, OTHER, RELOAD) == planned(found, RELOAD, OTHER, MEND)


def test_each_part_of_an_undo_names_its_own_target() -> None:
    (plan,) = planned(diagnosis(hypothesis()), THEN).plans
    undo = plan.steps[0].undo
    assert undo is not None
    assert [call.target for call in undo.calls] == ["first-cart", "re-cart"]
