"""The audit log port's docstring as tests: the same for the twin in memory, SQLite and a real PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from causal.errors import Conflict, Malformed
from integrations.audit import verify_rows
from integrations.audit_chain import Cut
from integrations.ports import AuditEntry, AuditRow
from tests.integrations.conftest import Store

# Audit log


def entry(summary: str = "s", **changed: object) -> AuditEntry:
    return AuditEntry(actor="gate", event="decided", summary=summary).model_copy(update=changed)


def test_the_first_row_has_number_one_and_no_one_before_it(store: Store) -> None:
    row = store.audit.append(entry())
    assert (row.seq, row.previous) == (1, "0" * 64)


def test_each_row_names_the_hash_of_the_one_before(store: Store) -> None:
    first = store.audit.append(entry())
    assert store.audit.append(entry()).previous == first.hash


def test_rows_come_back_as_they_were_appended(store: Store) -> None:
    written = [store.audit.append(entry(f"row {number}")) for number in range(5)]
    assert list(store.audit.rows()) == written


def test_a_key_that_is_there_already_is_not_written_again(store: Store) -> None:
    first = store.audit.append(entry("first", key="inc/plan/step"))
    assert store.audit.append(entry("second", key="inc/plan/step")) == first


def test_rows_without_a_key_are_all_written(store: Store) -> None:
    store.audit.append(entry())
    assert store.audit.append(entry()).seq == 2


def test_rows_of_one_incident_leave_out_the_others(store: Store) -> None:
    for incident in ("a", "b", "a"):
        store.audit.append(entry(incident=incident))
    assert [row.seq for row in store.audit.rows("a")] == [1, 3]


def test_a_password_never_reaches_a_row(store: Store) -> None:
    store.audit.append(entry(facts={"request": {"password": "hunter2"}}))
    assert "hunter2" not in next(store.audit.rows()).model_dump_json()


def test_facts_that_have_no_exact_form_are_malformed(store: Store) -> None:
    with pytest.raises(Malformed):
        store.audit.append(entry(facts={"probability": float("nan")}))


def test_a_chain_written_by_threads_is_one_line(store: Store) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: store.audit.append(entry(f"row {number}")), range(40)))
    assert verify_rows(store.audit.rows()).count == 40


def test_more_rows_than_one_page_verify(store: Store) -> None:
    for number in range(501):
        store.audit.append(entry(f"row {number}"))
    assert verify_rows(store.audit.rows()).count == 501


@pytest.mark.parametrize(("after", "numbers"), [(0, [1, 2, 3]), (2, [3]), (3, []), (9, [])])
def test_rows_begin_after_the_number_that_is_named(store: Store, after: int, numbers: list[int]) -> None:
    for number in range(3):
        store.audit.append(entry(f"row {number}"))
    assert [row.seq for row in store.audit.rows(after=after)] == numbers


def test_rows_of_an_incident_begin_after_a_number_too(store: Store) -> None:
    for incident in ("a", "b", "a", "a"):
        store.audit.append(entry(incident=incident))
    assert [row.seq for row in store.audit.rows("a", after=1)] == [3, 4]


def test_an_empty_log_has_no_last_row(store: Store) -> None:
    assert store.audit.last() is None


def test_the_last_row_is_the_one_appended_last(store: Store) -> None:
    store.audit.append(entry("first"))
    assert store.audit.append(entry("second")) == store.audit.last()


# Cutting


def cut_of(row: AuditRow) -> AuditEntry:
    facts = Cut(first=1, last=row.seq, count=row.seq, head=row.hash).model_dump()
    return entry("cut", event="audit.cut", facts=facts)


def test_cutting_leaves_the_later_rows_and_the_one_that_says_so(store: Store) -> None:
    rows = [store.audit.append(entry(f"row {number}")) for number in range(4)]
    store.audit.cut(2, rows[1].hash, cut_of(rows[1]))
    assert [row.seq for row in store.audit.rows()] == [3, 4, 5]


def test_what_is_left_after_a_cut_verifies_by_its_own_proof(store: Store) -> None:
    rows = [store.audit.append(entry(f"row {number}")) for number in range(4)]
    store.audit.cut(2, rows[1].hash, cut_of(rows[1]))
    assert verify_rows(store.audit.rows()).proof == 5


def test_everything_may_be_cut_but_the_row_that_says_so(store: Store) -> None:
    row = store.audit.append(entry())
    store.audit.cut(1, row.hash, cut_of(row))
    assert [row.seq for row in store.audit.rows()] == [2]


def test_the_chain_goes_on_after_a_cut(store: Store) -> None:
    row = store.audit.append(entry())
    proof = store.audit.cut(1, row.hash, cut_of(row))
    assert store.audit.append(entry()).previous == proof.hash


@pytest.mark.parametrize(("last", "head"), [(1, "f" * 64), (7, "f" * 64)])
def test_rows_that_are_not_as_told_are_not_cut(store: Store, last: int, head: str) -> None:
    row = store.audit.append(entry())
    with pytest.raises(Conflict):
        store.audit.cut(last, head, cut_of(row))
    assert list(store.audit.rows()) == [row]


def test_the_same_rows_are_cut_once(store: Store) -> None:
    row = store.audit.append(entry())
    store.audit.cut(1, row.hash, cut_of(row))
    with pytest.raises(Conflict):
        store.audit.cut(1, row.hash, cut_of(row))


def test_a_cut_that_cannot_be_written_down_cuts_nothing(store: Store) -> None:
    row = store.audit.append(entry())
    with pytest.raises(Malformed):
        store.audit.cut(1, row.hash, entry(facts={"last": float("nan")}))
    assert list(store.audit.rows()) == [row]


def test_a_chain_that_is_cut_while_threads_write_to_it_stays_one_line(store: Store) -> None:
    rows = [store.audit.append(entry(f"row {number}")) for number in range(10)]
    with ThreadPoolExecutor(8) as threads:
        written = threads.map(lambda number: store.audit.append(entry(f"more {number}")), range(30))
        store.audit.cut(10, rows[9].hash, cut_of(rows[9]))
        list(written)
    assert (verify_rows(store.audit.rows()).first, verify_rows(store.audit.rows()).last) == (11, 41)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(facts=st.dictionaries(st.text(), json_values, max_size=4), summary=st.text())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_facts_are_the_chain_verifies(
    store: Store, facts: dict[str, object], summary: str
) -> None:
    row = store.audit.append(entry(summary, facts=facts))
    assert verify_rows(store.audit.rows()).head == row.hash
