"""The shipped playbook against a real repository and a real server: planned, carried out, taken back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from causal.evidence import Priors, Window
from integrations.actions import standard_actions, standard_checks
from integrations.connections import ConnectionFile, Connections, HttpConnection, service_facts
from integrations.git_changes import GitChanges
from playbooks.catalog import LIBRARY, read_catalog
from playbooks.lookups import fill_effect
from playbooks.planning import Planning, plans_for
from playbooks.remedy import Plan, PlannedCall
from tests.integrations.git_world import BAD, CART, GOOD, GitWorld
from tests.integrations.talkative import Talkative, talking
from tests.playbooks.cases import ALERT, diagnosis, hypothesis


@dataclass
class Site:
    """A repository with a bad commit, a server that reloads, and the library."""

    world: GitWorld
    server: Talkative
    folder: Path

    def connections(self) -> Connections:
        repositories = self.world.connections().files[0].repositories
        admin = {"shop-admin": HttpConnection(base_url=self.server.url)}
        return Connections(files=(ConnectionFile(repositories=repositories, http=admin),))

    def planning(self) -> Planning:
        actions, checks = standard_actions(self.connections, self.folder), standard_checks(self.connections)
        (change,) = [
            each
            for each in GitChanges(self.connections).changes(Window(start=0, end=2e10))
            if each.title == "Bad"
        ]
        found = diagnosis(hypothesis(change=change))
        catalog = read_catalog([LIBRARY], actions, checks)
        facts = service_facts(self.connections(), "cart")
        return plans_for(found, ALERT, "inc-1", catalog, Priors(), facts=lambda service: facts)  # noqa: ARG005

    def plan(self) -> Plan:
        (plan,) = self.planning().plans
        return plan

    def run(self, call: PlannedCall, key: str) -> dict[str, object]:
        action = standard_actions(self.connections, self.folder)[call.action]
        effect = action.execute(action.Params.model_validate(call.params), key=key, timeout=30)
        return dict(effect.facts)

    def broken_conditions(self, plan: Plan) -> list[str | None]:
        checks = standard_checks(self.connections)
        return [
            checks[call.action].holds(checks[call.action].Params.model_validate(call.params))
            for call in plan.preconditions
        ]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    world = GitWorld.create(tmp_path / "config")
    world.commit("Bad", {CART: BAD})
    with talking() as server:
        yield Site(world, server, tmp_path / "state")


def test_the_bad_commit_leads_to_its_revert_and_a_reload(site: Site) -> None:
    plan = site.plan()
    assert [(step.action, step.target) for step in plan.steps] == [
        ("git.revert", "repository:shop-config"),
        ("http.request", "http:shop-admin/reload/cart"),
    ]


def test_the_approver_sees_the_very_diff(site: Site) -> None:
    assert "-pool: 2\n+pool: 20\n" in site.plan().steps[0].preview


def test_a_playbook_without_its_connection_is_skipped_with_the_reason(site: Site) -> None:
    (reason,) = site.planning().skipped
    assert reason.startswith("revert-config-and-restart for config_change of service:cart: parameter process")


def test_the_preconditions_hold_on_a_clean_repository(site: Site) -> None:
    assert site.broken_conditions(site.plan()) == [None, None]


def test_carrying_out_the_plan_mends_and_reloads(site: Site) -> None:
    for step in site.plan().steps:
        site.run(step, f"inc-1/p1/{step.id}")
    assert (site.world.read(), [asked.path for asked in site.server.asked]) == (GOOD, ["/reload/cart"])


def test_carrying_out_the_plan_twice_does_it_once(site: Site) -> None:
    plan = site.plan()
    for step in (*plan.steps, *plan.steps):
        site.run(step, f"inc-1/p1/{step.id}")
    assert (site.world.git("rev-list", "--count", "HEAD"), len(site.server.asked)) == ("3", 1)


def test_the_undo_brings_the_commit_back(site: Site) -> None:
    step = site.plan().steps[0]
    effect = site.run(step, "inc-1/p1/revert")
    assert step.undo is not None
    params = fill_effect(step.undo.params, {name: str(value) for name, value in effect.items()})
    site.run(step.undo.model_copy(update={"params": params}), "inc-1/p1/revert/undo")
    assert site.world.read() == BAD
