"""What every action promises, held against every action, each in a real small world of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from causal.errors import Conflict, Refused
from integrations.actions import standard_actions
from integrations.connections import Connections
from integrations.ports import Action
from tests.integrations.action_worlds import KEY, WORLDS, World

# Each of these has a target of its own kind, and this same contract is held there.
HELD_ELSEWHERE = ("kubernetes.", "mlflow.", "prompt.")


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with WORLDS[request.param](tmp_path) as made:
        yield made


@pytest.fixture
def undoable(world: World) -> World:
    if not world.undo:
        pytest.skip("a restart takes nothing away that could be put back")
    return world


def test_every_action_of_the_house_has_its_world_here(tmp_path: Path) -> None:
    held: set[str] = set()
    for name, make in WORLDS.items():
        if not name.endswith("-real"):
            (folder := tmp_path / name).mkdir()
            with make(folder) as made:
                held |= {made.action, made.undo}
    known = standard_actions(Connections, tmp_path)
    assert {name for name in known if not name.startswith(HELD_ELSEWHERE)} == held - {""}


def test_it_is_an_action_by_the_port(world: World) -> None:
    assert isinstance(world.named(world.action), Action)


def test_its_target_says_what_it_acts_on(world: World) -> None:
    action = world.named(world.action)
    assert ":" in action.target(action.Params.model_validate(world.params))


def test_a_preview_says_something(world: World) -> None:
    assert world.preview().strip()


def test_a_preview_changes_nothing(world: World) -> None:
    before = world.state()
    world.preview()
    assert (world.state(), world.effects()) == (before, 0)


def test_nothing_is_observed_before(world: World) -> None:
    assert world.observe() is None


def test_it_changes_its_target_once(world: World) -> None:
    before = world.state()
    world.execute()
    assert (world.state() == before, world.effects()) == (False, 1)


def test_what_was_done_is_observed(world: World) -> None:
    effect = world.execute()
    assert world.observe() == effect


def test_what_another_step_did_is_not_observed(world: World) -> None:
    world.execute()
    assert world.observe(f"{KEY}x") is None


def test_what_it_declares_is_reported(world: World) -> None:
    declared: frozenset[str] = getattr(world.named(world.action), "reports", frozenset())
    assert declared <= set(world.execute().facts)


def test_executing_twice_is_one_effect(world: World) -> None:
    first = world.execute()
    assert (world.execute(), world.effects()) == (first, 1)


def test_a_crash_after_the_effect_leaves_one_effect(world: World) -> None:
    world.execute()
    after = world.state()
    world.forget_the_answer()
    world.observe()
    world.execute()
    assert (world.state(), world.effects()) == (after, 1)


def test_hostile_parameters_are_refused(world: World) -> None:
    before = world.state()
    accepted = []
    for changes in world.hostile:
        try:
            world.execute(**changes)
        except (Refused, ValidationError):
            continue
        accepted.append(changes)
    assert (accepted, world.state(), world.effects()) == ([], before, 0)


def test_an_undo_puts_every_byte_back(undoable: World) -> None:
    before = undoable.state()
    undoable.take_back(undoable.execute())
    assert undoable.state() == before


def test_an_undo_is_observed_only_when_it_was_done(undoable: World) -> None:
    effect = undoable.execute()
    seen_before = undoable.observe_undo(effect)
    undoable.take_back(effect)
    assert (seen_before, undoable.observe_undo(effect) is None) == (None, False)


def test_the_preview_of_an_undo_changes_nothing(undoable: World) -> None:
    effect = undoable.execute()
    after = undoable.state()
    assert (bool(undoable.preview_undo(effect)), undoable.state()) == (True, after)


def test_undoing_twice_is_undoing_once(undoable: World) -> None:
    before = undoable.state()
    effect = undoable.execute()
    undoable.take_back(effect)
    undoable.take_back(effect)
    assert undoable.state() == before


def test_a_crash_after_an_undo_leaves_it_undone(undoable: World) -> None:
    before = undoable.state()
    effect = undoable.execute()
    undoable.take_back(effect)
    undoable.forget_the_answer()
    try:
        undoable.take_back(effect)
    except Conflict:
        pytest.fail("the undo did not recognise its own work")
    assert undoable.state() == before
