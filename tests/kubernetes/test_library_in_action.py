"""The shipped playbooks for Kubernetes in a cluster: planned from a diagnosis, carried out, taken back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from causal.evidence import Diagnosis, Fault, Priors
from integrations.actions import standard_actions, standard_checks
from integrations.connections import service_facts
from integrations.kubernetes_connection import Bounds
from playbooks.catalog import LIBRARY, read_catalog
from playbooks.lookups import fill_effect
from playbooks.planning import Planning, plans_for
from playbooks.remedy import JsonValue, Plan
from tests.kubernetes.people import People
from tests.playbooks.cases import ALERT, diagnosis, hypothesis

ROLLED_OUT = diagnosis(hypothesis(fault=Fault.DEPLOYMENT))
OVERRUN = diagnosis(hypothesis(fault=Fault.TRAFFIC, change=None))


@dataclass
class Site:
    """A cluster with a deployment that somebody has just rolled out anew, and the library."""

    people: People
    state: Path

    def planned(self, found: Diagnosis) -> Planning:
        actions = standard_actions(self.people.connections, self.state)
        catalog = read_catalog([LIBRARY], actions, standard_checks(self.people.connections))
        facts = service_facts(self.people.connections(), "cart")
        return plans_for(found, ALERT, "inc-1", catalog, Priors(), facts=lambda service: facts)  # noqa: ARG005

    def plan(self, found: Diagnosis, playbook: str) -> Plan:
        (plan,) = [plan for plan in self.planned(found).plans if plan.playbook == playbook]
        return plan

    def carry_out(self, plan: Plan) -> dict[str, dict[str, JsonValue]]:
        """Take all steps; return what each reported."""
        return {
            step.id: self.call(step.action, step.params, f"inc-1/{plan.id}/{step.id}") for step in plan.steps
        }

    def take_back(self, plan: Plan, reported: dict[str, dict[str, JsonValue]]) -> None:
        for step in reversed(plan.steps):
            for call in step.undo.calls if step.undo else ():
                action = standard_actions(self.people.connections, self.state)[call.action]
                params = fill_effect(call.params, reported[step.id], action.Params)
                self.call(call.action, params, f"inc-1/{plan.id}/{step.id}/undo")

    def call(self, name: str, params: dict[str, JsonValue], key: str) -> dict[str, JsonValue]:
        action = standard_actions(self.people.connections, self.state)[name]
        return action.execute(action.Params.model_validate(params), key=key, timeout=60).facts


@pytest.fixture
def site(people: People, tmp_path: Path) -> Site:
    people.deploy("1")
    people.deploy_again("2")
    people.bounds = {people.cart: Bounds(least=1, most=4)}
    return Site(people, tmp_path / "state")


def test_a_bad_rollout_leads_to_its_undo(site: Site) -> None:
    plan = site.plan(ROLLED_OUT, "rollout-undo")
    assert [step.action for step in plan.steps] == ["kubernetes.rollout_undo", "kubernetes.rollout_status"]


def test_the_approver_sees_the_images_that_change(site: Site) -> None:
    shown = site.plan(ROLLED_OUT, "rollout-undo").steps[0].preview
    assert '+        "image": "registry.example/cart:1"' in shown


def test_carrying_out_the_plan_brings_the_version_before_back(site: Site) -> None:
    site.carry_out(site.plan(ROLLED_OUT, "rollout-undo"))
    assert site.people.image() == "1"


def test_taking_the_plan_back_brings_the_newer_version_back(site: Site) -> None:
    plan = site.plan(ROLLED_OUT, "rollout-undo")
    site.take_back(plan, site.carry_out(plan))
    assert site.people.image() == "2"


def test_too_much_work_leads_to_more_pods(site: Site) -> None:
    site.carry_out(site.plan(OVERRUN, "scale-out"))
    assert site.people.replicas() == 3


def test_taking_more_pods_back_restores_their_number(site: Site) -> None:
    plan = site.plan(OVERRUN, "scale-out")
    site.take_back(plan, site.carry_out(plan))
    assert site.people.replicas() == 2


def test_a_deployment_without_bounds_is_not_proposed_to_be_scaled(site: Site) -> None:
    site.people.bounds = {}
    (reason,) = [each for each in site.planned(OVERRUN).skipped if each.startswith("scale-out")]
    assert "gives no bounds" in reason
