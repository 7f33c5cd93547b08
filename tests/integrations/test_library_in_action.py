"""The shipped playbooks against a real repository and a real service: planned, carried out, taken back.

The service is small but real: it reads its configuration from the work tree when it is told to, and goes on
with what it read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from causal.evidence import Fault, Priors, Window
from integrations.actions import standard_actions, standard_checks
from integrations.connections import (
    ConnectionFile,
    Connections,
    FlagsConnection,
    ForgeConnection,
    HttpConnection,
    service_facts,
)
from integrations.git_changes import GitChanges
from playbooks.catalog import LIBRARY, read_catalog
from playbooks.lookups import fill_effect
from playbooks.planning import Planning, plans_for
from playbooks.remedy import Plan, PlannedCall
from tests.doubles.forge import PROJECT, TOKEN, ForgeDouble, forge_double
from tests.integrations.action_worlds import FLAGS
from tests.integrations.git_world import BAD, CART, GOOD, NAME, STOCK, GitWorld
from tests.playbooks.cases import ALERT, diagnosis, hypothesis


@dataclass
class Cart:
    """A service that runs with what it read last."""

    world: GitWorld
    url: str = ""
    runs_with: str = ""
    reloads: int = 0

    def reload(self) -> None:
        self.runs_with, self.reloads = self.world.read(), self.reloads + 1


@contextmanager
def running_cart(world: GitWorld) -> Iterator[Cart]:
    cart = Cart(world)
    cart.reload()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if self.path == "/reload/cart":
                cart.reload()
            self.send_response(200 if self.path == "/reload/cart" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    cart.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield cart
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Site:
    """A repository with a bad commit, a service that runs with it, a forge, and the library."""

    world: GitWorld
    cart: Cart
    folder: Path
    forge: ForgeDouble | None = None
    flags: Path | None = None

    def connections(self) -> Connections:
        repositories = self.world.connections().files[0].repositories
        file = ConnectionFile(
            repositories=repositories,
            http={"shop-admin": HttpConnection(base_url=self.cart.url)},
            forges={"forge": self.forge_connection(self.forge)} if self.forge else {},
            flags={"flags": FlagsConnection(path=self.flags, switches={"cart": "new-cart"})}
            if self.flags
            else {},
        )
        return Connections(files=(file,))

    def forge_connection(self, forge: ForgeDouble) -> ForgeConnection:
        token = self.folder / "forge-token"
        token.parent.mkdir(exist_ok=True)
        token.write_text(TOKEN)
        return ForgeConnection(
            kind="gitlab", base_url=forge.url, token_file=token, project=PROJECT, repository=NAME
        )

    def planning(self, **changes: object) -> Planning:
        actions, checks = standard_actions(self.connections, self.folder), standard_checks(self.connections)
        (change,) = [
            each
            for each in GitChanges(self.connections).changes(Window(start=0, end=2e10))
            if each.title == "Bad"
        ]
        found = diagnosis(hypothesis(change=change).model_copy(update=changes))
        catalog = read_catalog([LIBRARY], actions, checks)
        facts = service_facts(self.connections(), "cart")
        return plans_for(found, ALERT, "inc-1", catalog, Priors(), facts=lambda service: facts)  # noqa: ARG005

    def plan(self, playbook: str = "revert-config-change", **changes: object) -> Plan:
        plans = {plan.playbook: plan for plan in self.planning(**changes).plans}
        return plans[playbook]

    def undo(self, plan: Plan, effects: list[dict[str, object]]) -> None:
        """Take a plan back as the remediation does: the last step first, each part of an undo in order."""
        for step, effect in reversed(list(zip(plan.steps, effects, strict=True))):
            facts = {name: value for name, value in effect.items() if isinstance(value, str | int)}
            for part, call in enumerate(step.undo.calls if step.undo else ()):
                params = fill_effect(call.params, facts)
                self.run(call.model_copy(update={"params": params}), f"inc-1/p1/{step.id}/undo/{part}")

    def carry_out(self, plan: Plan) -> list[dict[str, object]]:
        return [self.run(step, f"inc-1/p1/{step.id}") for step in plan.steps]

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
    with running_cart(world) as cart:
        yield Site(world, cart, tmp_path / "state")


def test_the_bad_commit_leads_to_its_revert_and_a_reload(site: Site) -> None:
    plan = site.plan()
    assert [(step.action, step.target) for step in plan.steps] == [
        ("git.revert", "repository:shop-config"),
        ("http.request", "http:shop-admin/reload/cart"),
    ]


def test_the_approver_sees_the_very_diff(site: Site) -> None:
    assert "-pool: 2\n+pool: 20\n" in site.plan().steps[0].preview


def test_playbooks_without_their_connections_are_skipped_with_the_reason(site: Site) -> None:
    assert [reason.partition(" for ")[0] for reason in site.planning().skipped] == [
        "revert-config-and-restart",
        "open-revert-pull-request",
    ]


def test_the_preconditions_hold_on_a_clean_repository(site: Site) -> None:
    assert site.broken_conditions(site.plan()) == [None, None]


def test_carrying_out_the_plan_mends_what_runs(site: Site) -> None:
    site.carry_out(site.plan())
    assert (site.world.read(), site.cart.runs_with) == (GOOD, GOOD)


def test_carrying_out_the_plan_twice_does_it_once(site: Site) -> None:
    plan, before = site.plan(), site.cart.reloads
    for _ in range(2):
        site.carry_out(plan)
    assert (site.world.git("rev-list", "--count", "HEAD"), site.cart.reloads - before) == ("3", 1)


def test_the_undo_puts_what_runs_back(site: Site) -> None:
    plan = site.plan()
    site.undo(plan, site.carry_out(plan))
    assert (site.world.read(), site.cart.runs_with) == (BAD, BAD)


def test_the_undo_happens_once_however_often_it_is_asked_for(site: Site) -> None:
    plan = site.plan()
    effects = site.carry_out(plan)
    before = site.cart.reloads
    for _ in range(2):
        site.undo(plan, effects)
    assert (site.world.git("rev-list", "--count", "HEAD"), site.cart.reloads - before) == ("4", 1)


@pytest.fixture
def forge(site: Site) -> Iterator[ForgeDouble]:
    with forge_double("gitlab") as forge:
        forge.begin(
            "main", site.world.head(), {CART: BAD.encode(), STOCK: GOOD.encode(), "README": b"notes\n"}
        )
        site.forge = forge
        yield forge


def test_where_changes_are_reviewed_the_revert_is_proposed(site: Site, forge: ForgeDouble) -> None:
    site.carry_out(site.plan("open-revert-pull-request"))
    (pull,) = forge.pulls
    assert (forge.files(pull.branch)[CART], site.cart.runs_with) == (GOOD.encode(), BAD)


def test_a_proposal_that_was_in_vain_is_withdrawn(site: Site, forge: ForgeDouble) -> None:
    plan = site.plan("open-revert-pull-request")
    site.undo(plan, site.carry_out(plan))
    assert (forge.pulls[0].state, list(forge.branches)) == ("closed", ["main"])


def test_the_optional_part_of_a_service_is_switched_off_and_on_again(site: Site, tmp_path: Path) -> None:
    site.flags = tmp_path / "flags.json"
    site.flags.write_text(FLAGS)
    plan = site.plan("toggle-feature-flag-off", fault=Fault.LATENCY, change=None)
    effects = site.carry_out(plan)
    switched = site.flags.read_text()
    site.undo(plan, effects)
    assert (switched.count("DISABLED"), site.flags.read_text()) == (1, FLAGS)
