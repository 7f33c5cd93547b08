"""The tamper table: whatever is done to an exported log is found, and by what."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.tamper import CAREFUL, CARELESS, Tampering, found_by, kept_heads, sound
from causal.errors import Tampered
from integrations.audit_file import verify_file


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return sound()


@pytest.mark.parametrize("tampering", CARELESS + CAREFUL, ids=lambda each: each.what)
def test_what_is_done_to_a_log_is_found_by_what_should_find_it(
    lines: list[bytes], tampering: Tampering
) -> None:
    assert found_by(b"".join(tampering.do(list(lines))), kept_heads()) == tampering.found_by


@pytest.mark.parametrize(
    "tampering", [each for each in CAREFUL if each.found_by == "anchor"], ids=lambda each: each.what
)
def test_what_only_an_anchor_finds_passes_without_one(lines: list[bytes], tampering: Tampering) -> None:
    assert found_by(b"".join(tampering.do(list(lines)))) == ""


@given(data=st.data(), bit=st.integers(0, 7))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_flipped_bit_of_an_export_is_found(
    lines: list[bytes], tmp_path: Path, data: st.DataObject, bit: int
) -> None:
    content = bytearray(b"".join(lines))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << bit
    file = tmp_path / "audit.jsonl"
    file.write_bytes(content)
    with pytest.raises(Tampered):
        verify_file(file)


@given(data=st.data())
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_other_order_of_the_lines_is_found(
    lines: list[bytes], tmp_path: Path, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(lines).filter(lambda order: list(order) != lines))
    file = tmp_path / "audit.jsonl"
    file.write_bytes(b"".join(shuffled))
    with pytest.raises(Tampered):
        verify_file(file)


@given(dropped=st.sets(st.integers(0, 51), min_size=1))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_rows_dropped_are_found(lines: list[bytes], tmp_path: Path, dropped: set[int]) -> None:
    file = tmp_path / "audit.jsonl"
    file.write_bytes(b"".join(line for at, line in enumerate(lines) if at not in dropped))
    with pytest.raises(Tampered):
        verify_file(file)
