"""The chain itself: sealing, exporting, and finding whatever was changed."""

import json
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from causal.errors import Malformed, Tampered
from causal.evidence import Fault
from integrations.audit import GENESIS, canonical, line_of, row_of, seal, verify_rows
from integrations.audit_chain import Heads
from integrations.audit_file import export_rows, verify_file
from integrations.memory import MemoryAuditLog
from integrations.ports import AuditEntry, AuditRow

ROWS = 5


def chain(rows: int = ROWS) -> list[AuditRow]:
    log = MemoryAuditLog()
    for number in range(rows):
        log.append(
            AuditEntry(actor="gate", event="decided", summary=f"Grüße {number}", facts={"p": number / 3})
        )
    return list(log.rows())


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    file = tmp_path_factory.mktemp("export") / "audit.jsonl"
    export_rows(chain(), file)
    return file.read_bytes()


def heads(anchor: str | None) -> Heads:
    return Heads(frozenset() if anchor is None else frozenset({anchor}))


def found(tmp_path: Path, content: bytes, anchor: str | None = None) -> int:
    file = tmp_path / "audit.jsonl"
    file.write_bytes(content)
    with pytest.raises(Tampered) as error:
        verify_file(file, heads(anchor))
    return error.value.row


# Canonical JSON


def test_keys_are_sorted_and_nothing_is_spaced() -> None:
    assert canonical({"b": [1, 2.5], "a": None}) == b'{"a":null,"b":[1,2.5]}'


def test_letters_beyond_ascii_are_plain_utf8() -> None:
    assert canonical("Grüße") == '"Grüße"'.encode()


def test_floats_take_their_shortest_exact_form() -> None:
    assert canonical(0.1 + 0.2) == b"0.30000000000000004"


def test_tuples_and_enumerations_take_their_json_form() -> None:
    assert canonical((Fault.CPU, Path("/a"))) == b'["cpu","/a"]'


def test_a_set_has_one_order_whoever_writes_it() -> None:
    assert canonical(frozenset("hello")) == b'["e","h","l","o"]'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", object(), {1: "a", "b": 2}])
def test_what_json_cannot_hold_exactly_is_malformed(value: object) -> None:
    with pytest.raises(Malformed):
        canonical({"value": value})


@given(
    st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False) | st.text() | st.integers())
)
def test_reading_canonical_json_and_writing_it_changes_nothing(value: dict[str, object]) -> None:
    assert canonical(json.loads(canonical(value))) == canonical(value)


# Sealing


def test_a_sealed_row_verifies_after_its_entry_was_left_short() -> None:
    row = seal(AuditEntry(actor="a", event="e", summary="s"), 1, "2026-01-01T00:00:00.000000+00:00", GENESIS)
    assert verify_rows([row]).head == row.hash


def test_a_row_read_from_its_line_is_the_row() -> None:
    row = chain(1)[0]
    assert row_of(line_of(row), 1) == row


def test_a_row_written_before_a_field_existed_still_verifies() -> None:
    entry = {"actor": "a", "event": "e", "summary": "s"}
    bare = {"seq": 1, "at": "2026-01-01T00:00:00+00:00", "entry": entry, "previous": GENESIS}
    line = canonical({**bare, "hash": sha256(canonical(bare)).hexdigest()})
    assert verify_rows([row_of(line, 1)]).count == 1


def test_an_empty_chain_is_intact() -> None:
    assert (verify_rows([]).count, verify_rows([]).head) == (0, GENESIS)


def test_rows_in_a_wrong_order_are_found() -> None:
    first, second, third = chain(3)
    with pytest.raises(Tampered) as error:
        verify_rows([first, third, second])
    assert error.value.row == 2


def test_a_row_with_other_facts_is_found() -> None:
    rows = chain(3)
    rows[1] = rows[1].model_copy(update={"entry": rows[1].entry.model_copy(update={"facts": {"p": 0.5}})})
    with pytest.raises(Tampered) as error:
        verify_rows(rows)
    assert error.value.row == 2


def test_an_anchor_names_the_row_that_has_it() -> None:
    rows = chain()
    assert verify_rows(rows, heads(rows[2].hash)).anchored == 3


def test_a_chain_written_anew_does_not_have_the_anchor() -> None:
    anchor = chain()[-1].hash
    with pytest.raises(Tampered):
        verify_rows(chain(), heads(anchor))


# Exported files


def test_an_exported_file_verifies_with_the_head_of_its_chain(tmp_path: Path) -> None:
    rows, file = chain(), tmp_path / "audit.jsonl"
    export_rows(rows, file)
    assert (verify_file(file).count, verify_file(file).head) == (ROWS, rows[-1].hash)


def test_an_exported_file_of_no_rows_verifies(tmp_path: Path) -> None:
    export_rows([], tmp_path / "audit.jsonl")
    assert verify_file(tmp_path / "audit.jsonl").count == 0


def test_a_chain_that_does_not_add_up_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(Tampered):
        export_rows(chain()[1:], tmp_path / "audit.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_export_keeps_the_older_file(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    export_rows(chain(), file)
    with pytest.raises(Tampered):
        export_rows(chain()[1:], file)
    assert verify_file(file).count == ROWS


def test_an_export_into_no_folder_is_malformed(tmp_path: Path) -> None:
    with pytest.raises(Malformed):
        export_rows(chain(), tmp_path / "nowhere" / "audit.jsonl")


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_a_file_that_cannot_be_read_is_malformed(tmp_path: Path, name: str) -> None:
    with pytest.raises(Malformed):
        verify_file(tmp_path / name)


@given(data=st.data(), bit=st.integers(0, 7))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_flipped_bit_of_a_file_is_found(
    exported: bytes, tmp_path: Path, data: st.DataObject, bit: int
) -> None:
    place = data.draw(st.integers(0, len(exported) - 1))
    changed = bytearray(exported)
    changed[place] ^= 1 << bit
    found(tmp_path, bytes(changed))


def test_a_flipped_bit_names_the_row_it_is_in(exported: bytes, tmp_path: Path) -> None:
    place = exported.index(b"decided", exported.index(b'"seq":2'))
    assert found(tmp_path, exported[:place] + b"D" + exported[place + 1 :]) == 3


@given(cut=st.integers(min_value=1))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_cut_tail_of_a_file_is_found(exported: bytes, tmp_path: Path, cut: int) -> None:
    found(tmp_path, exported[: -(cut % len(exported) or len(exported))])


Lines = list[bytes]


def _drop(lines: Lines) -> Lines:
    return lines[:2] + lines[3:]


def _swap(lines: Lines) -> Lines:
    return [lines[0], lines[1], lines[3], lines[2], *lines[4:]]


def _repeat(lines: Lines) -> Lines:
    return [*lines[:3], lines[2], *lines[3:]]


def _insert(lines: Lines) -> Lines:
    forged = seal(
        AuditEntry(actor="x", event="e", summary="s"), 3, "2026-01-01", json.loads(lines[1])["hash"]
    )
    return [*lines[:2], line_of(forged) + b"\n", *lines[2:]]


def _drop_footer(lines: Lines) -> Lines:
    return lines[:-1]


def _drop_last_row(lines: Lines) -> Lines:
    return [*lines[:-2], lines[-1]]


def _two_footers(lines: Lines) -> Lines:
    return [*lines, lines[-1]]


def _row_after_footer(lines: Lines) -> Lines:
    return [*lines[:-2], lines[-1], lines[-2]]


def _blank_line(lines: Lines) -> Lines:
    return [*lines[:2], b"\n", *lines[2:]]


def _spaced(lines: Lines) -> Lines:
    return [lines[0], lines[1].replace(b'"seq":2', b'"seq": 2'), *lines[2:]]


def _key_twice(lines: Lines) -> Lines:
    return [lines[0], lines[1].replace(b'"seq":2', b'"seq":2,"seq":2'), *lines[2:]]


def _carriage_return(lines: Lines) -> Lines:
    return [lines[0], lines[1].replace(b"\n", b"\r\n"), *lines[2:]]


def _half_a_letter(lines: Lines) -> Lines:
    return [lines[0], lines[1].replace("ü".encode(), "ü".encode()[:1]), *lines[2:]]


def _byte_order_mark(lines: Lines) -> Lines:
    return [b"\xef\xbb\xbf" + lines[0], *lines[1:]]


def _not_a_number(lines: Lines) -> Lines:
    return [lines[0], lines[1].replace(b'"seq":2', b'"seq":NaN'), *lines[2:]]


def _bottomless(lines: Lines) -> Lines:
    return [lines[0], b"[" * 100_000 + b"\n", *lines[2:]]


def _other_footer(lines: Lines) -> Lines:
    return [*lines[:-1], lines[-1].replace(b'"count":5', b'"count":6')]


def _resealed(lines: Lines) -> Lines:
    old = json.loads(lines[2])
    forged = seal(AuditEntry(actor="x", event="e", summary="s"), 3, old["at"], old["previous"])
    return [*lines[:2], line_of(forged) + b"\n", *lines[3:]]


@pytest.mark.parametrize(
    ("change", "row"),
    [
        (_drop, 3),
        (_swap, 3),
        (_repeat, 4),
        (_insert, 4),
        (_drop_footer, 6),
        (_drop_last_row, 5),
        (_two_footers, 6),
        (_row_after_footer, 5),
        (_blank_line, 3),
        (_spaced, 2),
        (_key_twice, 2),
        (_carriage_return, 2),
        (_half_a_letter, 2),
        (_byte_order_mark, 1),
        (_not_a_number, 2),
        (_bottomless, 2),
        (_other_footer, 6),
        (_resealed, 4),
    ],
)
def test_the_first_bad_row_of_a_changed_file_is_named(
    exported: bytes, tmp_path: Path, change: Callable[[Lines], Lines], row: int
) -> None:
    assert found(tmp_path, b"".join(change(exported.splitlines(keepends=True)))) == row


def test_an_empty_file_is_no_intact_chain(tmp_path: Path) -> None:
    assert found(tmp_path, b"") == 1


@given(noise=st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_noise_in_place_of_a_file_is_found(tmp_path: Path, noise: bytes) -> None:
    assert found(tmp_path, noise) == 1


def test_a_tail_cut_with_a_new_footer_is_found_by_an_anchor(tmp_path: Path) -> None:
    rows, file = chain(), tmp_path / "audit.jsonl"
    export_rows(rows[:-1], file)
    assert found(tmp_path, file.read_bytes(), anchor=rows[-1].hash) == ROWS


def test_verifying_a_file_loads_neither_database_nor_network() -> None:
    code = (
        "import sys, integrations.audit_file;"
        "sys.exit(any(name in sys.modules for name in ('sqlalchemy', 'httpx', 'temporalio')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
