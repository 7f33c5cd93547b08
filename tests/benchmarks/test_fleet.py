import threading
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from benchmarks.fleet import Fleet, main, run
from benchmarks.fleet_report import Attempt, Quiet
from benchmarks.mischief import choose, kind_of
from benchmarks.topologies import draw

SHOP = draw(1, 0)


def _attempt(case: str, outcome: str = "recorded") -> Attempt:
    return Attempt(
        topology=SHOP.name,
        case=case,
        fault="latency",
        service="jade",
        outcome=outcome,
        quiet=Quiet(start=0, end=60),
    )


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    (tmp_path / SHOP.name).mkdir()
    return Fleet(tmp_path)


def test_a_new_fleet_has_every_fault_to_record(fleet: Fleet) -> None:
    assert [job.fault for job in fleet.jobs(SHOP)] == list(choose(SHOP, 1))


def test_what_was_recorded_is_not_recorded_again(fleet: Fleet) -> None:
    fleet.note(_attempt("case_002"))
    assert "case_002" not in {job.case for job in fleet.jobs(SHOP)}


def test_what_the_watch_missed_is_not_tried_again(fleet: Fleet) -> None:
    fleet.note(_attempt("case_001", "missed"))
    assert "case_001" not in {job.case for job in fleet.jobs(SHOP)}


def test_what_was_disturbed_is_tried_again(fleet: Fleet) -> None:
    fleet.note(_attempt("case_001", "disturbed"))
    assert "case_001" in {job.case for job in fleet.jobs(SHOP)}


def test_a_case_keeps_its_number_in_a_selection_of_faults(fleet: Fleet) -> None:
    numbers = {kind_of(job.fault): job.case for job in fleet.jobs(SHOP)}
    fleet.kinds = ("errors",)
    assert [job.case for job in fleet.jobs(SHOP)] == [numbers["errors"]]


def test_a_fleet_stops_when_it_has_enough(fleet: Fleet) -> None:
    fleet.limit = 1
    fleet.note(_attempt("case_001"))
    assert fleet.stop.is_set()


def test_missed_faults_do_not_count_towards_the_limit(fleet: Fleet) -> None:
    fleet.limit = 1
    fleet.note(_attempt("case_001", "missed"))
    assert not fleet.stop.is_set()


def test_a_finished_fleet_opens_no_shop(fleet: Fleet) -> None:
    for job in fleet.jobs(SHOP):
        fleet.note(_attempt(job.case))
    run(fleet, [SHOP], 1)
    assert not (fleet.out / "_running").exists()


def test_a_stopped_fleet_leaves_no_thread_behind(fleet: Fleet) -> None:
    before = threading.active_count()
    fleet.stop.set()
    run(fleet, [SHOP, SHOP], 2)
    assert threading.active_count() == before


def test_an_unknown_kind_of_fault_is_refused() -> None:

    app = typer.Typer()
    app.command()(main)
    refused = CliRunner().invoke(app, ["--out", "nowhere", "--faults", "gremlins"])
    assert "no such fault: gremlins" in refused.output
