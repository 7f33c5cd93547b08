from pathlib import Path

import pytest

from demo.errors import BadDocument
from demo.faults import FAULT, check_fault, read_fault
from demo.topology import read_topology, shipped_topologies

SHOP = read_topology(shipped_topologies()["shop"])


def misfits(**fields: object) -> list[str]:
    """What of a fault does not fit the shipped shop."""
    return [problem.says for problem in check_fault(FAULT.validate_python(fields), SHOP)]


def test_a_fault_of_a_stranger_is_refused() -> None:
    assert misfits(kind="dead", service="bank")[0].startswith("the shop 'shop' has no service 'bank'")


def test_only_an_agent_has_a_prompt_to_spoil() -> None:
    assert misfits(kind="bad_prompt", service="cart") == ["'cart' is not an agent: it has no prompt"]


def test_a_timeout_needs_somebody_who_is_called() -> None:
    change = {"setting": "timeout", "upstream": "payment"}
    assert misfits(kind="bad_config", service="cart", change=change) == ["'cart' does not call 'payment'"]


def test_a_slow_peer_needs_a_caller() -> None:
    fault = {"kind": "slow_peer_exhausts_pool", "service": "payment", "caller": "cart"}
    assert misfits(**fault) == ["'cart' does not call 'payment'"]


def test_an_unknown_kind_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "fault.yaml"
    path.write_text("# a comment\nservice: cart\nkind: gremlins\n")
    with pytest.raises(BadDocument, match=r"fault\.yaml:3: kind: 'kind' must be one of"):
        read_fault(path)


def test_an_unknown_parameter_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "fault.yaml"
    path.write_text("kind: latency\nservice: cart\nextra: 400\n")
    with pytest.raises(BadDocument, match=r"fault\.yaml:3: extra: unknown field 'extra'"):
        read_fault(path)
