import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.peers.catalogue import PEERS, Environment, chosen
from benchmarks.peers.environments import interpreter, python_of
from benchmarks.peers.handover import hand_over
from benchmarks.peers.running import INSIDE, Room
from benchmarks.readers.rows import batch, telemetry
from causal.errors import NotFound, Unavailable
from causal.evidence import Alert, Window
from tests.benchmarks.made_up import incident, sample, span

ECHO = """
import json, os, sys, time
print("{}", flush=True)
for line in sys.stdin:
    asked = json.loads(line)["method"]
    if asked == "slow":
        time.sleep(60)
    if asked == "crash":
        os._exit(3)
    print(json.dumps({"services": [asked], "seconds": 0.5}), flush=True)
"""
PYTHON = Path(sys.executable)


@pytest.fixture
def echo(tmp_path: Path) -> tuple[str, ...]:
    script = tmp_path / "echo.py"
    script.write_text(ECHO)
    return (str(script),)


def test_a_method_answers_with_its_order(echo: tuple[str, ...], tmp_path: Path) -> None:
    with Room(PYTHON, inside=echo) as room:
        assert room.ask("onyx", tmp_path).services == ("onyx",)


def test_a_method_that_takes_too_long_has_no_answer(echo: tuple[str, ...], tmp_path: Path) -> None:
    with Room(PYTHON, limit=0.2, inside=echo) as room:
        assert room.ask("slow", tmp_path).problem.startswith("no answer within")


def test_after_a_method_was_cut_off_the_next_is_asked(echo: tuple[str, ...], tmp_path: Path) -> None:
    with Room(PYTHON, limit=5.0, inside=echo) as room:
        room.ask("crash", tmp_path)
        assert room.ask("onyx", tmp_path).services == ("onyx",)


def test_a_process_that_ends_is_a_crash(echo: tuple[str, ...], tmp_path: Path) -> None:
    with Room(PYTHON, inside=echo) as room:
        assert "ended" in room.ask("crash", tmp_path).problem


def test_an_interpreter_that_is_not_there_is_told(tmp_path: Path) -> None:
    with Room(tmp_path / "no-python") as room:
        assert room.ask("baro", tmp_path).problem


def test_no_python_of_a_version_is_a_reason_not_to_install() -> None:
    with pytest.raises(Unavailable, match=r"no Python 2\.99"):
        interpreter(("2.99",))


def test_this_very_python_is_found_or_another_of_its_version() -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    told = subprocess.run(
        [interpreter((version,)), "-V"], capture_output=True, text=True, check=True, timeout=30
    )
    assert told.stdout.startswith(f"Python {version}.")


def test_an_environment_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    nothing = Environment(name="nothing", pythons=(version,), alone=(), packages=("pip",))
    python = python_of(nothing, tmp_path)
    (python.parent / "mark").touch()
    assert (python_of(nothing, tmp_path).parent / "mark").exists()


def test_packages_that_cannot_be_had_are_a_reason(tmp_path: Path) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    missing = str(tmp_path / "no-such-package.whl")
    with pytest.raises(Unavailable, match="no-such-package"):
        python_of(Environment(name="bad", pythons=(version,), alone=(missing,), packages=()), tmp_path)


def test_every_peer_can_be_asked_for_at_once() -> None:
    assert [peer.name for peer in chosen("all")] == list(PEERS)


def test_an_unknown_peer_is_refused_with_the_known_ones() -> None:
    with pytest.raises(NotFound, match="nsigma"):
        chosen("nsigma,gut-feeling")


def test_a_peer_lacks_what_an_incident_does_not_hold() -> None:
    _, only_metrics = incident(metrics=[sample("onyx", "cpu", 1001, 1)])
    assert [PEERS[name].lacks(only_metrics) for name in ("nsigma", "tracerca", "dowhy")] == [
        False,
        True,
        True,
    ]


def test_quiet_rows_from_elsewhere_are_moved_before_the_case(tmp_path: Path) -> None:
    own = batch(metrics=[sample("onyx", "cpu", at, 1) for at in (950, 1001)])
    elsewhere = batch(metrics=[sample("onyx", "cpu", at, 1) for at in (50_000, 50_060)])
    held = telemetry(
        own,
        baseline=Window(start=900, end=995),
        incident=Window(start=1000, end=1030),
        fault_free=[elsewhere],
    )
    hand_over(Alert(fingerprint="x", raised_at=1010.0, began_at=1000.0), held, tmp_path)
    moments = pq.read_table(tmp_path / "metrics.parquet")["at"].to_pylist()
    assert sorted(at // 10**9 for at in moments) == [889, 949, 950, 1001]


def test_the_truth_is_not_handed_over(tmp_path: Path) -> None:
    hand_over(*incident([span("t", "a", None, "onyx", 1001, 1)]), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case.json", "traces.parquet"]


def test_what_a_method_raises_is_its_answer(tmp_path: Path) -> None:
    hand_over(*incident([span("t", "a", None, "onyx", 1001, 1)]), tmp_path)
    with Room(PYTHON, inside=(str(INSIDE),)) as room:
        assert room.ask("nsigma", tmp_path).problem.startswith("LookupError: no metrics")
