"""The figures of a run of chaos."""

from benchmarks.chaos.conduct import Told
from benchmarks.chaos.judge import Finding
from benchmarks.chaos.report import summary, table
from benchmarks.chaos.schedule import Case, Scenario
from benchmarks.intervals import wilson

CASE = Case(0, 0, 5.0, Scenario.MENDS, forgetful=False, setting="timeout", blows=())


def told(*findings: Finding) -> Told:
    return Told(CASE, "inc-a-1", "recovered", 60.0, ("worker killed",), (), findings, ())


def test_an_incident_counts_once_however_often_it_broke_a_law() -> None:
    twice = Finding("twice", "reload took effect 3 times")
    figures = summary([told(twice, twice), told()], seed=1, seconds=9.0, audit="")
    assert figures["violations"]["twice"] == {"incidents": 1, "interval": wilson(1, 2)}


def test_a_run_without_findings_is_well() -> None:
    assert summary([told()], seed=1, seconds=9.0, audit="")["well"]


def test_a_run_with_a_finding_is_not_well() -> None:
    assert not summary([told(Finding("lost", "no ticket"))], seed=1, seconds=9.0, audit="")["well"]


def test_a_run_whose_audit_log_was_changed_is_not_well() -> None:
    assert not summary([told()], seed=1, seconds=9.0, audit="changed: row 7")["well"]


def test_the_table_names_each_finding() -> None:
    figures = summary([told(Finding("lost", "no ticket"))], seed=1, seconds=9.0, audit="")
    assert "#0 inc-a-1: lost: no ticket" in table(figures)


def test_the_table_says_how_far_zero_can_be_trusted() -> None:
    figures = summary([told()] * 200, seed=1, seconds=9.0, audit="")
    assert "0.00% to 1.88%" in table(figures)
