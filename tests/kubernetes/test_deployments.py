from __future__ import annotations

import threading

import pytest

from causal.errors import AitiaError, Refused, Unavailable, UnknownEffect
from integrations.kubernetes import (
    DeploymentAction,
    DeploymentParams,
    RolloutRedo,
    RolloutRestart,
    RolloutStatus,
    RolloutUndo,
    UndoParams,
)
from integrations.kubernetes_cluster import STEPS
from integrations.kubernetes_scale import Scale, ScaleBack
from integrations.ports import Action
from tests.kubernetes.half_open import half_open
from tests.kubernetes.people import CLUSTER, NEEDED, REVISION, People
from tests.kubernetes.shop import KEY, Shop, preview_of

ACTIONS = (RolloutRestart, RolloutUndo, RolloutRedo, Scale, ScaleBack, RolloutStatus)


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_keeps_the_ports_contract(shop: Shop, action: type[DeploymentAction]) -> None:
    assert isinstance(action(shop.people.connections), Action)


def test_a_restart_replaces_the_pods(shop: Shop) -> None:
    shop.restart()
    shop.people.rolled_out()
    assert len(shop.people.replica_sets()) == 2


def test_a_restart_that_is_done_is_not_done_again(shop: Shop) -> None:
    first = shop.restart()
    generation = shop.people.deployment()["metadata"]["generation"]
    assert shop.restart() == first
    assert shop.people.deployment()["metadata"]["generation"] == generation


def test_a_step_that_was_never_taken_is_not_seen(shop: Shop) -> None:
    shop.restart("inc-1/p1/other")
    assert shop.seen(RolloutRestart(shop.people.connections)) is None


def test_a_step_is_seen_by_whoever_comes_after_a_kill(shop: Shop) -> None:
    effect = shop.restart()
    assert shop.seen(RolloutRestart(shop.people.connections)) == effect


def test_steps_of_several_incidents_are_all_remembered(shop: Shop) -> None:
    for key in ("inc-1/p1/a", "inc-1/p1/b", "inc-2/p1/a"):
        shop.restart(key)
    action = RolloutRestart(shop.people.connections)
    assert all(shop.seen(action, key) for key in ("inc-1/p1/a", "inc-1/p1/b", "inc-2/p1/a"))


def test_only_the_newest_steps_are_kept(shop: Shop) -> None:
    for number in range(12):
        shop.scale(f"inc-1/p1/{number:02}", replicas=1 + number % 2)
    assert [shop.step_is_noted(f"inc-1/p1/{number:02}") for number in (1, 2)] == [False, True]


def test_an_undo_brings_back_the_version_before(twice: Shop) -> None:
    twice.undo()
    assert twice.people.image() == "1"


def test_an_undo_does_not_return_to_what_somebody_else_went_back_from(shop: Shop) -> None:
    bad = "2"
    shop.people.next_second()  # creation times are kept in whole seconds
    shop.people.deploy_again(bad)
    shop.people.deploy_again("1")  # an operator goes back by hand
    with pytest.raises(Refused, match="keeps no revision before 3"):
        shop.undo()


def test_an_undo_after_a_restart_goes_back_to_other_pods(twice: Shop) -> None:
    twice.restart("inc-0/p1/restart")
    twice.people.rolled_out()
    twice.undo()
    assert twice.people.image() == "1"


def test_an_undo_can_name_its_revision(twice: Shop) -> None:
    twice.people.deploy_again("3")
    twice.undo(revision=1)
    assert twice.people.image() == "1"


def test_an_undo_can_name_its_version(twice: Shop) -> None:
    twice.people.deploy_again("3")
    twice.undo(version="2")
    assert twice.people.image() == "2"


def test_an_undo_makes_no_new_replica_set(twice: Shop) -> None:
    before = {each["metadata"]["name"] for each in twice.people.replica_sets()}
    twice.undo()
    twice.people.rolled_out()
    assert {each["metadata"]["name"] for each in twice.people.replica_sets()} == before


def test_an_undo_takes_away_what_the_newer_template_added(shop: Shop) -> None:
    shop.people.change({"spec": {"template": {"metadata": {"annotations": {"new": "yes"}}}}})
    shop.people.rolled_out()
    shop.undo()
    assert "annotations" not in shop.people.deployment()["spec"]["template"]["metadata"]


def test_an_undo_to_a_version_that_runs_already_is_refused(twice: Shop) -> None:
    with pytest.raises(Refused, match=r"runs revision 2 .* already"):
        twice.undo(version="2")


def test_an_undo_to_a_revision_that_is_not_kept_is_refused(twice: Shop) -> None:
    with pytest.raises(Refused, match="keeps no revision 7; it keeps 2, 1"):
        twice.undo(revision=7)


def test_an_undo_of_the_first_revision_is_refused(shop: Shop) -> None:
    with pytest.raises(Refused, match="keeps no revision before 1"):
        shop.undo()


def test_a_paused_deployment_is_left_alone(twice: Shop) -> None:
    twice.people.change({"spec": {"paused": True}})
    with pytest.raises(Refused, match="paused"):
        twice.undo()


def test_an_undo_that_is_done_is_not_done_again(twice: Shop) -> None:
    twice.undo()
    twice.people.rolled_out()
    twice.undo()
    assert twice.people.image() == "1"


def test_a_redo_brings_back_what_the_undo_took_away(twice: Shop) -> None:
    twice.redo(twice.undo())
    assert twice.people.image() == "2"


def test_a_redo_leaves_what_somebody_rolled_out_since(twice: Shop) -> None:
    effect = twice.undo()
    twice.people.deploy_again("3")
    with pytest.raises(Refused, match="somebody has rolled out something else since"):
        twice.redo(effect)


def test_a_preview_of_an_undo_shows_the_diff_and_changes_nothing(twice: Shop) -> None:
    shown = preview_of(RolloutUndo(twice.people.connections), twice.at())
    assert '-        "image": "registry.example/cart:2"' in shown
    assert twice.people.image() == "2"


def test_a_preview_warns_of_a_tool_that_writes_the_deployment_from_git(twice: Shop) -> None:
    twice.people.change({"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "shop"}}})
    assert "Argo CD writes this deployment" in preview_of(RolloutUndo(twice.people.connections), twice.at())


def test_a_complete_rollout_is_told(twice: Shop) -> None:
    effect = twice.do(RolloutStatus(twice.people.connections))  # type: ignore[arg-type]
    assert effect.facts["replicas"] == 2


def test_a_rollout_that_does_not_end_in_time_may_be_waited_for_again(shop: Shop) -> None:
    shop.people.change({"spec": {"paused": True, "template": {"metadata": {"labels": {"new": "yes"}}}}})
    waiting = RolloutStatus(shop.people.connections)
    with pytest.raises(Unavailable, match="new"):
        waiting.execute(DeploymentParams.model_validate(shop.at()), key=KEY, timeout=0.5)


def test_a_step_whose_answer_the_network_swallowed_takes_effect_once(shop: Shop) -> None:
    generation = shop.people.deployment()["metadata"]["generation"]
    with half_open(shop.people.access.url, encrypted=shop.people.is_real) as shop.people.url:
        with pytest.raises(UnknownEffect, match="no answer that can be read"):
            shop.do(RolloutRestart(shop.people.connections), timeout=3)
        shop.people.until(lambda: bool(shop.people.restarts()), "the request that was sent arrived")
        shop.restart()
    assert shop.people.deployment()["metadata"]["generation"] == generation + 1


def test_writers_at_the_same_time_lose_nothing(shop: Shop) -> None:
    def write() -> None:
        for number in range(20):
            shop.people.change({"metadata": {"annotations": {f"other-{number}": "yes"}}})

    writer = threading.Thread(target=write)
    writer.start()
    keys = [f"inc-1/p1/{number}" for number in range(8)]
    for number, key in enumerate(keys):
        shop.scale(key, replicas=3 + number % 2)
    writer.join()
    annotations = shop.people.deployment()["metadata"]["annotations"]
    assert sum(name.startswith("other-") for name in annotations) == 20
    assert all(shop.step_is_noted(key) for key in keys)


def test_the_permissions_that_the_connection_asks_for_are_enough(twice: Shop) -> None:
    twice.people.token = twice.people.reader
    twice.people.let_reader(NEEDED)
    twice.scale("inc-1/p1/scale", replicas=3)
    twice.redo(twice.undo("inc-1/p1/undo"))
    assert (twice.people.image(), twice.people.replicas()) == ("2", 3)


def test_a_missing_permission_is_named(shop: Shop) -> None:
    shop.people.token = shop.people.reader
    shop.people.let_reader_look()
    namespace = shop.people.namespace
    with pytest.raises(Refused, match=f"patch deployments.apps in namespace {namespace}; give it a Role"):
        shop.restart()


def test_a_missing_permission_is_seen_before_anybody_is_asked_to_approve(shop: Shop) -> None:
    shop.people.token = shop.people.reader
    shop.people.let_reader_look()
    with pytest.raises(Refused, match="give it a Role with the verb patch on deployments"):
        preview_of(RolloutRestart(shop.people.connections), shop.at())


def test_a_token_that_nobody_knows_is_refused(shop: Shop) -> None:
    shop.people.token = "made-up"
    with pytest.raises(Refused, match="does not know the user"):
        shop.restart()


def test_a_deployment_that_is_not_there_is_refused(people: People) -> None:
    with pytest.raises(Refused, match=f"there is no deployment {people.cart}"):
        Shop(people).restart()


def test_a_step_on_a_deployment_that_is_not_there_did_nothing(people: People) -> None:
    assert Shop(people).seen(RolloutRestart(people.connections)) is None


def test_a_namespace_that_is_not_allowed_is_refused(shop: Shop) -> None:
    params = DeploymentParams(cluster=CLUSTER, deployment="kube-system/dns")
    with pytest.raises(Refused, match="not in kube-system"):
        RolloutRestart(shop.people.connections).execute(params, key=KEY, timeout=10)


def test_a_note_that_somebody_damaged_is_no_proof_of_anything(shop: Shop) -> None:
    shop.people.change({"metadata": {"annotations": {STEPS: "{"}}})
    with pytest.raises(AitiaError, match="can not be read"):
        shop.restart()
    assert shop.people.restarts() == ""


def test_the_revision_numbers_told_are_the_clusters_own(twice: Shop) -> None:
    before = twice.people.deployment()["metadata"]["annotations"][REVISION]
    assert str(twice.undo().facts["revision_before"]) == before


def test_an_undo_names_a_revision_or_a_version_but_not_both() -> None:
    with pytest.raises(ValueError, match="not both"):
        UndoParams(cluster=CLUSTER, deployment="shop/cart", revision=1, version="1")
