"""What real telemetry looks like on a bad day: each is answered, and named as missing evidence."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from causal.diagnose import diagnose
from causal.evidence import Diagnosis
from tests.causal.worlds import CHAIN, Ill, Row, World, alert, telemetry


def orphaned(row: Row) -> Row:
    return replace(row, parent=99_000_000 + row.span) if row.span % 5 == 0 else row


def own_parent(row: Row) -> Row:
    return replace(row, parent=row.span) if row.span % 5 == 0 else row


def backwards(row: Row) -> Row:
    return replace(row, seconds=-row.seconds) if row.span % 5 == 0 else row


def ten_minutes_fast(row: Row) -> Row:
    return replace(row, start=row.start + 600.0) if row.service == "till" else row


SPOILS = [
    (orphaned, "parent that is missing"),
    (own_parent, "cycle of parents"),
    (backwards, "negative duration"),
    (ten_minutes_fast, "clocks disagree"),
]


def verdict(spoil: Callable[[Row], Row]) -> Diagnosis:
    rows = World(CHAIN).rows({"till": Ill(slow=0.3)})
    return diagnose(alert(), telemetry([spoil(row) for row in rows]))


@pytest.mark.parametrize(("spoil", "words"), SPOILS, ids=[spoil.__name__ for spoil, _ in SPOILS])
def test_bad_rows_are_named_as_missing_evidence(spoil: Callable[[Row], Row], words: str) -> None:
    assert any(words in said for said in verdict(spoil).missing_evidence)


@pytest.mark.parametrize("spoil", [orphaned, own_parent, backwards], ids=["orphans", "cycles", "negative"])
def test_the_cause_is_still_found_among_bad_rows(spoil: Callable[[Row], Row]) -> None:
    first = verdict(spoil).first
    assert first is not None
    assert first.service == "till"


def test_two_spans_that_are_each_others_parent_do_not_hang() -> None:
    rows = World(CHAIN).rows({"till": Ill(slow=0.3)})
    twisted = [
        replace(rows[0], parent=rows[1].span, trace="twist"),
        replace(rows[1], parent=rows[0].span, trace="twist"),
    ]
    assert diagnose(alert(), telemetry([*twisted, *rows[2:]])).first is not None


def test_a_clock_that_is_fast_does_not_take_the_blame_off_the_cause() -> None:
    first = verdict(ten_minutes_fast).first
    assert first is not None
    assert first.service == "till"


def test_no_row_at_all_in_the_incident_is_answered() -> None:
    rows = [row for row in World(CHAIN).rows({}) if row.trace.startswith("quiet")]
    assert diagnose(alert(), telemetry(rows)).none_of_these == 1.0
