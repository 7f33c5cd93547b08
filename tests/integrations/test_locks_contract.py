"""Locks and the kill switch: one contract, in memory, on SQLite and on PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from causal.errors import Conflict
from integrations.ports import Lock, Stop
from tests.integrations.conftest import Store

CART, SHOP = frozenset({"cart"}), frozenset({"cart", "gateway"})


def acquire(store: Store, targets: frozenset[str], owner: str, *, now: float = 0.0) -> int:
    return store.locks.acquire(targets, owner, now=now, lease=60.0)


# Locks


def test_who_holds_a_target_passes_the_check(store: Store) -> None:
    store.locks.check("a", acquire(store, CART, "a"), now=1.0)


def test_a_target_that_another_holds_is_a_conflict(store: Store) -> None:
    acquire(store, CART, "inc-1/plan")
    with pytest.raises(Conflict, match=r"cart is held by inc-1/plan until 1970-01-01T00:01:00\+00:00"):
        acquire(store, SHOP, "b")


def test_of_several_targets_all_are_given_or_none(store: Store) -> None:
    acquire(store, CART, "a")
    with pytest.raises(Conflict):
        acquire(store, SHOP, "b")
    assert [lock.target for lock in store.locks.held(now=1.0)] == ["cart"]


def test_what_is_held_says_by_whom_and_until_when(store: Store) -> None:
    fence = acquire(store, SHOP, "a")
    assert store.locks.held(now=1.0) == (
        Lock(target="cart", owner="a", fence=fence, until=60.0),
        Lock(target="gateway", owner="a", fence=fence, until=60.0),
    )


def test_a_lease_that_is_over_is_not_held(store: Store) -> None:
    acquire(store, CART, "a")
    assert store.locks.held(now=60.0) == ()


def test_a_lease_that_is_over_does_not_pass_the_check(store: Store) -> None:
    fence = acquire(store, CART, "a")
    with pytest.raises(Conflict, match="acquire it again"):
        store.locks.check("a", fence, now=60.0)


def test_a_target_whose_lease_is_over_goes_to_another_with_a_higher_fence(store: Store) -> None:
    first = acquire(store, CART, "a")
    assert acquire(store, CART, "b", now=60.0) > first


def test_whoever_was_followed_by_another_fails_the_check(store: Store) -> None:
    fence = acquire(store, CART, "a")
    acquire(store, CART, "b", now=60.0)
    with pytest.raises(Conflict):
        store.locks.check("a", fence, now=1.0)


def test_who_loses_one_target_of_a_grant_has_lost_it_all(store: Store) -> None:
    fence = acquire(store, SHOP, "a")
    acquire(store, CART, "b", now=60.0)
    with pytest.raises(Conflict, match="no longer holds"):
        store.locks.check("a", fence, now=1.0)


def test_asking_again_gives_the_old_fence(store: Store) -> None:
    fence = acquire(store, SHOP, "a")
    assert acquire(store, SHOP, "a", now=30.0) == fence


def test_asking_again_gives_a_longer_lease(store: Store) -> None:
    acquire(store, CART, "a")
    acquire(store, CART, "a", now=30.0)
    assert [lock.until for lock in store.locks.held(now=61.0)] == [90.0]


def test_asking_again_with_a_shorter_lease_takes_nothing_away(store: Store) -> None:
    acquire(store, CART, "a")
    store.locks.acquire(CART, "a", now=1.0, lease=2.0)
    assert [lock.until for lock in store.locks.held(now=59.0)] == [60.0]


def test_a_lease_that_is_over_is_had_again_where_nobody_came_between(store: Store) -> None:
    fence = acquire(store, CART, "a")
    assert acquire(store, CART, "a", now=99.0) == fence


def test_a_lease_that_another_had_meanwhile_comes_back_with_a_new_fence(store: Store) -> None:
    first = acquire(store, CART, "a")
    acquire(store, CART, "b", now=60.0)
    assert acquire(store, CART, "a", now=120.0) > first


def test_asking_for_more_than_is_held_gives_a_new_fence(store: Store) -> None:
    first = acquire(store, CART, "a")
    assert acquire(store, SHOP, "a") > first


def test_what_was_released_does_not_pass_the_check(store: Store) -> None:
    fence = acquire(store, CART, "a")
    store.locks.release("a")
    with pytest.raises(Conflict):
        store.locks.check("a", fence, now=1.0)


def test_what_was_released_goes_to_another_with_a_higher_fence(store: Store) -> None:
    first = acquire(store, CART, "a")
    store.locks.release("a")
    assert acquire(store, CART, "b") > first


def test_releasing_what_is_not_held_changes_nothing(store: Store) -> None:
    fence = acquire(store, CART, "a")
    store.locks.release("b")
    store.locks.check("a", fence, now=1.0)


def test_a_fence_of_another_owner_does_not_pass_the_check(store: Store) -> None:
    fence = acquire(store, CART, "a")
    with pytest.raises(Conflict):
        store.locks.check("b", fence, now=1.0)


def test_nothing_asked_for_is_no_fence_to_show(store: Store) -> None:
    assert acquire(store, frozenset(), "a") == 0
    with pytest.raises(Conflict):
        store.locks.check("a", 0, now=1.0)


def test_of_threads_that_want_a_target_exactly_one_gets_it(store: Store) -> None:
    def fence(number: int) -> int:
        try:
            return acquire(store, CART, f"owner-{number}")
        except Conflict:
            return 0

    with ThreadPoolExecutor(8) as threads:
        assert sum(fence > 0 for fence in threads.map(fence, range(16))) == 1


@given(
    asked=st.lists(
        st.tuples(
            st.frozensets(st.sampled_from("xyz"), min_size=1), st.sampled_from("ab"), st.integers(0, 90)
        ),
        max_size=8,
    )
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_two_owners_ever_pass_the_check_for_one_target(
    store: Store, asked: list[tuple[frozenset[str], str, int]]
) -> None:
    given_to: dict[tuple[str, int], frozenset[str]] = {}
    now = 0.0
    for targets, owner, wait in asked:
        now += wait
        try:
            given_to[owner, acquire(store, targets, owner, now=now)] = targets
        except Conflict:
            continue
        passing = [(who, held) for (who, fence), held in given_to.items() if _passes(store, who, fence, now)]
        assert not any(mine & theirs for who, mine in passing for other, theirs in passing if who != other)
    for owner in "ab":
        store.locks.release(owner)


def _passes(store: Store, owner: str, fence: int, now: float) -> bool:
    try:
        store.locks.check(owner, fence, now=now)
    except Conflict:
        return False
    return True


# The kill switch


def test_nothing_is_stopped_before_the_first_throw(store: Store) -> None:
    assert store.switch.state() == Stop(stopped=False)


def test_a_throw_is_there_for_all_who_look(store: Store) -> None:
    thrown = store.switch.throw(by="ada", because="it loops", at=7.0)
    assert store.switch.state() == thrown == Stop(stopped=True, by="ada", because="it loops", at=7.0)


def test_throwing_twice_changes_only_who_said_it_last(store: Store) -> None:
    store.switch.throw(by="ada", because="it loops", at=7.0)
    assert store.switch.throw(by="bob", because="me too", at=8.0).by == "bob"


def test_a_release_lets_things_go_on(store: Store) -> None:
    store.switch.throw(by="ada", because="it loops", at=7.0)
    store.switch.release(by="ada", because="it was the dashboard", at=9.0)
    assert not store.switch.state().stopped


def test_a_release_says_who_and_why(store: Store) -> None:
    store.switch.release(by="ada", because="it was the dashboard", at=9.0)
    assert store.switch.state().because == "it was the dashboard"
