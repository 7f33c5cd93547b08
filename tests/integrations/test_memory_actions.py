from __future__ import annotations

import pytest

from causal.errors import Refused, Unavailable, UnknownEffect
from integrations.memory_actions import MemoryAction, MemoryCheck, MemoryParams, MemoryUndo
from integrations.ports import Action, by_name

CART = MemoryParams(target="cart")


def test_the_twins_keep_the_ports_contract() -> None:
    assert all(isinstance(each, Action) for each in by_name((MemoryAction(), MemoryUndo())).values())


def test_what_was_executed_is_remembered_and_observed() -> None:
    action = MemoryAction()
    effect = action.execute(CART, key="k", timeout=1)
    assert (action.executed, action.keys, action.observe(CART, key="k")) == (["cart"], ["k"], effect)


def test_a_refused_target_is_never_touched() -> None:
    action = MemoryAction(refuse={"cart"})
    for _ in range(2):
        with pytest.raises(Refused):
            action.execute(CART, key="k", timeout=1)
    assert action.executed == []


def test_an_outage_passes_after_one_try() -> None:
    action = MemoryAction(unavailable={"cart"})
    with pytest.raises(Unavailable):
        action.execute(CART, key="k", timeout=1)
    assert action.observe(CART, key="k") is None
    action.execute(CART, key="k", timeout=1)
    assert action.executed == ["cart"]


def test_a_lost_answer_is_found_by_looking() -> None:
    action = MemoryAction(lose_answer_of={"cart"})
    with pytest.raises(UnknownEffect):
        action.execute(CART, key="k", timeout=1)
    assert action.observe(CART, key="k") is not None


def test_a_blind_target_can_not_be_asked() -> None:
    with pytest.raises(UnknownEffect):
        MemoryAction(blind={"cart"}).observe(CART, key="k")


def test_a_check_holds_unless_it_has_a_reason() -> None:
    assert [MemoryCheck().holds(CART), MemoryCheck("no").holds(CART)] == [None, "no"]
