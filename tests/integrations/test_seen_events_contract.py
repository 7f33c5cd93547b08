"""Events that were taken already: one contract, in memory, on SQLite and on PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor

from tests.integrations.conftest import Store


def first(store: Store, key: str, now: float = 0.0) -> bool:
    return store.seen.first(key, now=now, keep=60.0)


def test_an_event_is_the_first_of_its_id_once(store: Store) -> None:
    assert [first(store, "a"), first(store, "a"), first(store, "b")] == [True, False, True]


def test_an_event_may_come_again_once_it_is_forgotten(store: Store) -> None:
    assert [first(store, "a"), first(store, "a", 59.0), first(store, "a", 60.0)] == [True, False, True]


def test_a_repeat_does_not_make_it_remembered_for_longer(store: Store) -> None:
    first(store, "a")
    first(store, "a", 50.0)
    assert first(store, "a", 70.0)


def test_looking_whether_an_event_was_seen_changes_nothing(store: Store) -> None:
    assert (store.seen.seen("a", now=0.0), first(store, "a")) == (False, True)


def test_an_event_that_was_taken_is_seen_until_it_is_forgotten(store: Store) -> None:
    first(store, "a")
    assert (store.seen.seen("a", now=59.0), store.seen.seen("a", now=60.0)) == (True, False)


def test_of_many_at_once_one_is_the_first(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: first(store, "a"), range(16))) == 1
