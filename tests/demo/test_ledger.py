from demo.faults import BadConfig, Dead, Latency, PoolSize
from demo.ledger import Ledger

BAD = BadConfig(kind="bad_config", service="cart", change=PoolSize(setting="pool_size", size=1))
GOOD_TEXT, BAD_TEXT = "pool: {size: 8}\n", "pool: {size: 1}\n"


def broken() -> Ledger:
    """A bad commit, and a slow process."""
    ledger = Ledger()
    ledger.note(BAD, "c0ffee", "services/cart.yaml", ((("pool", "size"), 1),))
    ledger.note(Latency(kind="latency", service="cart"))
    return ledger


def blamed(ledger: Ledger) -> list[tuple[str, str]]:
    """Who is to blame, for what."""
    return [(cause["service"], cause["fault"]) for cause in ledger.truth()["root_causes"]]


def test_nothing_is_true_of_a_healthy_shop() -> None:
    assert Ledger().truth() == {"active": False, "root_causes": []}


def test_a_restart_cures_the_process_only() -> None:
    ledger = broken()
    ledger.process_ended("cart")
    assert blamed(ledger) == [("cart", "bad_config")]


def test_a_reload_of_the_bad_file_cures_nothing() -> None:
    ledger = broken()
    ledger.configuration_read("cart", lambda _: BAD_TEXT)
    assert blamed(ledger) == [("cart", "bad_config"), ("cart", "latency")]


def test_a_reload_of_the_good_file_cures_the_configuration() -> None:
    ledger = broken()
    ledger.configuration_read("cart", lambda _: GOOD_TEXT)
    assert blamed(ledger) == [("cart", "latency")]


def test_another_service_cures_nothing_here() -> None:
    ledger = broken()
    ledger.process_ended("payment")
    ledger.configuration_read("payment", lambda _: GOOD_TEXT)
    assert len(blamed(ledger)) == 2


def test_a_commit_is_named_in_the_truth() -> None:
    assert broken().truth()["root_causes"][0]["commit"] == "c0ffee"


def test_a_dead_service_is_to_blame_until_it_runs_again() -> None:
    ledger = Ledger()
    ledger.process_ended("cart")
    ledger.note(Dead(kind="dead", service="cart"))
    assert blamed(ledger) == [("cart", "dead")]
