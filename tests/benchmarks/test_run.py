from pathlib import Path

from benchmarks import readers
from benchmarks.peers.catalogue import Environment, Peer
from benchmarks.run import MOST_FREQUENT, OURS, Bench, Judges, run
from causal.evidence import Alert, Diagnosis
from causal.telemetry import Telemetry
from tests.benchmarks.made_up import case_folder, verdict

NOWHERE = Environment(name="nowhere", pythons=("2.99",), alone=(), packages=())


def _jade(_alert: Alert, _telemetry: Telemetry) -> Diagnosis:
    return verdict("jade", "onyx")


def _bench(root: Path, *peers: Peer) -> Bench:
    return run(readers.find([root]), Judges(engine=_jade, peers=peers))


def test_our_engine_is_the_first_of_every_set(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_001")
    assert next(iter(_bench(tmp_path).sets["set"])) == OURS


def test_the_most_frequent_answer_of_a_set_is_given_to_every_case(tmp_path: Path) -> None:
    for number, service in enumerate(("onyx", "onyx", "pearl")):
        case_folder(tmp_path, f"set/case_{number}", service)
    graded = _bench(tmp_path).sets["set"][MOST_FREQUENT]
    assert [grade.rank for grade in graded] == [1, 1, 2]


def test_shortcuts_that_have_nothing_to_go_on_are_left_out(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_001")
    assert list(_bench(tmp_path).sets["set"]) == [OURS, MOST_FREQUENT]


def test_a_case_that_cannot_be_read_is_told_and_wrong(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_001")
    (case_folder(tmp_path, "set/case_002") / "alert.json").write_text("{")
    (_, bad) = _bench(tmp_path).sets["set"][OURS]
    assert (bad.right, "alert.json" in bad.problem) == (False, True)


def test_a_peer_that_cannot_be_installed_is_told_with_the_reason(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_001")
    bench = _bench(tmp_path, Peer("oracle", NOWHERE, "metrics", "knows all"))
    assert bench.absent == {"oracle": "there is no Python 2.99 here"}


def test_sets_are_pooled_for_engines_that_saw_all_of_them(tmp_path: Path) -> None:
    case_folder(tmp_path, "one/case_001")
    case_folder(tmp_path, "two/case_001")
    pooled = _bench(tmp_path).pooled(["one", "two"])
    assert {engine: len(grades) for engine, grades in pooled.items()} == {OURS: 2, MOST_FREQUENT: 2}


def test_it_is_told_which_case_is_worked_on(tmp_path: Path) -> None:
    case_folder(tmp_path, "set/case_001")
    told: list[str] = []
    run(readers.find([tmp_path]), Judges(engine=_jade), told.append)
    assert told == ["set/case_001"]
