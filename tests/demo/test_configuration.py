from hypothesis import given
from hypothesis import strategies as st

from demo.configuration import (
    bad_prompt,
    bad_settings,
    edited,
    first_files,
    holds,
    parse_prompt,
    parse_settings,
    prompt_file,
    service_file,
)
from demo.faults import BadConfig, BadPrompt, PoolSize, Timeout, WrongUpstream
from demo.topology import read_topology, shipped_topologies

SHOP = read_topology(shipped_topologies()["shop"])
FILES = dict(first_files(SHOP))


def spoiled(fault: BadConfig) -> str:
    """A service's file after a bad commit."""
    text = FILES[service_file(fault.service)]
    return edited(text, dict(bad_settings(fault, parse_settings(text, "settings"))))


def test_every_service_has_a_file() -> None:
    assert {service_file(name) for name in SHOP.names} <= FILES.keys()


def test_only_agents_have_a_prompt() -> None:
    assert [name for name in FILES if name.startswith("prompts/")] == [prompt_file("assistant")]


def test_a_bad_pool_size_changes_one_line() -> None:
    fault = BadConfig(kind="bad_config", service="cart", change=PoolSize(setting="pool_size", size=1))
    before, after = FILES["services/cart.yaml"].splitlines(), spoiled(fault).splitlines()
    assert [(old, new) for old, new in zip(before, after, strict=True) if old != new] == [
        ("  size: 12", "  size: 1")
    ]


def test_a_bad_timeout_reaches_the_settings() -> None:
    fault = BadConfig(kind="bad_config", service="checkout", change=Timeout(setting="timeout", timeout_ms=5))
    calls = parse_settings(spoiled(fault), "settings").calls["place"]
    assert {call.timeout_ms for call in calls.values()} == {5}


def test_a_wrong_upstream_leaves_other_calls_alone() -> None:
    change = WrongUpstream(setting="wrong_upstream", upstream="payment", address="bank")
    calls = parse_settings(
        spoiled(BadConfig(kind="bad_config", service="checkout", change=change)), "settings"
    ).calls["place"]
    assert [call.address for call in calls.values()] == ["cart", "bank"]


def test_a_bad_prompt_gets_the_next_version() -> None:
    prompt = parse_prompt(FILES["prompts/assistant.yaml"], "prompt")
    fault = BadPrompt(kind="bad_prompt", service="assistant")
    assert dict(bad_prompt(fault, prompt))[("version",)] == "v2"


@given(st.integers(min_value=0, max_value=10**6))
def test_what_was_written_is_found_there(value: int) -> None:
    text = edited(FILES["services/cart.yaml"], {("pool", "queue"): value})
    assert holds(text, ("pool", "queue"), value)


def test_nothing_is_found_where_nothing_is() -> None:
    assert not holds("pool: {size: 3}", ("pool", "depth"), 3)
