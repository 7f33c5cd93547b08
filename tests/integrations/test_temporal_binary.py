import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from causal.errors import Unavailable
from integrations.temporal_binary import (
    SETTING,
    Way,
    cache_folder,
    checked,
    find_binary,
    made_once,
    usual_ways,
)
from integrations.temporal_fetch import VERSION

REPOSITORY = Path(__file__).parents[2]
GOOD = "temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)"


def program(path: Path, *, says: str = GOOD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def quiet(_: str) -> None:
    pass


def test_the_real_program_is_found() -> None:
    assert isinstance(checked(find_binary()), Path)


def test_a_setting_wins_over_all_else(tmp_path: Path) -> None:
    chosen = program(tmp_path / "mine")
    assert find_binary(chosen) == chosen


def test_a_setting_may_come_from_the_environment(tmp_path: Path) -> None:
    chosen = program(tmp_path / "mine")
    assert find_binary(ways=usual_ways(environment={SETTING: str(chosen)})) == chosen


def test_a_broken_setting_is_never_passed_over(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="there is no file"):
        find_binary(tmp_path / "nothing")


def test_path_comes_before_the_cache(tmp_path: Path) -> None:
    program(tmp_path / "cache/aitia" / f"temporal-{VERSION}")
    on_path = program(tmp_path / "bin/temporal")
    environment = {"PATH": str(on_path.parent), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert find_binary(ways=usual_ways(environment=environment)) == on_path


def test_the_cache_comes_when_path_has_nothing(tmp_path: Path) -> None:
    cached = program(tmp_path / "aitia" / f"temporal-{VERSION}")
    environment = {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    assert find_binary(ways=usual_ways(environment=environment)) == cached


def test_another_program_of_that_name_on_path_is_passed_over(tmp_path: Path) -> None:
    program(tmp_path / "temporal", says="Temporal, a calendar")
    cached = program(tmp_path / "aitia" / f"temporal-{VERSION}")
    environment = {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    assert find_binary(ways=usual_ways(environment=environment)) == cached


def test_a_server_too_old_for_us_is_refused(tmp_path: Path) -> None:
    old = program(tmp_path / "temporal", says="temporal version 1.0.0 (Server 1.24.2, UI 2.28.0)")
    assert "too old" in str(checked(old))


def test_a_program_that_fails_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "temporal"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    assert "does not run" in str(checked(broken))


def test_a_relative_cache_setting_is_ignored_as_its_standard_asks() -> None:
    assert cache_folder({"XDG_CACHE_HOME": "somewhere"}) == Path.home() / ".cache/aitia"


def test_the_error_names_every_way_and_what_it_lacked() -> None:
    ways = (Way("a friend", lambda _: "is away"), Way("the attic", lambda _: "is empty"))
    with pytest.raises(Unavailable, match=r"a friend: is away\n.*the attic: is empty"):
        find_binary(ways=ways)


def test_the_first_way_that_works_wins(tmp_path: Path) -> None:
    first, late = Way("first", lambda _: tmp_path), Way("late", lambda _: tmp_path / "late")
    assert find_binary(ways=(first, late)) == tmp_path


def test_two_makers_at_once_make_one_program(tmp_path: Path) -> None:
    made: list[Path] = []
    together = Barrier(2)

    def make(scratch: Path, _: Callable[[str], None]) -> str:
        made.append(program(scratch / "temporal"))
        return ""

    def ask() -> Path | str:
        together.wait(30)
        return made_once(tmp_path / "temporal-9", quiet, make)

    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(ask), pool.submit(ask)]
    assert ([answer.result() for answer in answers], len(made)) == ([tmp_path / "temporal-9"] * 2, 1)


def test_what_a_killed_maker_left_behind_is_cleared_away(tmp_path: Path) -> None:
    left = tmp_path / "temporal-9.making/left"
    left.mkdir(parents=True)
    made_once(tmp_path / "temporal-9", quiet, lambda _scratch, _tell: "no luck")
    assert not left.parent.exists()


def test_a_made_program_that_does_not_run_is_not_kept(tmp_path: Path) -> None:
    def make(scratch: Path, _: Callable[[str], None]) -> str:
        program(scratch / "temporal", says="rubbish")
        return ""

    made_once(tmp_path / "temporal-9", quiet, make)
    assert not (tmp_path / "temporal-9").exists()


def test_a_cache_that_cannot_be_written_is_a_reason_and_no_crash(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = made_once(tmp_path / "file/temporal-9", quiet, lambda _scratch, _tell: "")
    assert "cannot be used" in str(answer)


def test_looking_needs_no_installed_package() -> None:
    bare = [sys.executable, "-S", "-c", "import integrations.temporal_binary"]
    assert subprocess.run(bare, cwd=REPOSITORY, check=False).returncode == 0
