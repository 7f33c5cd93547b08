"""Where the program comes from that runs Temporal's dev server.

Five ways, tried in order, the first that works wins: what the settings say, what is on PATH, what an
earlier run left in the cache, the download that Temporal's SDK knows, and one build by a Go toolchain.
Each way answers with a path or with the reason why not, so that the error at the end names every way
and what each one lacked.

At import this module needs the standard library only: `make setup` runs it (`--ahead`) to build while the
packages are still being installed.
"""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from integrations.temporal_fetch import VERSION, Tell, build, download, reachable

SETTING = "TEMPORAL_CLI"

_OLDEST_SERVER = (1, 28)  # update-with-start and validators that leave no history


@dataclass(frozen=True)
class Way:
    """One way to come by the program: its name, and a look that returns a path or the reason why not."""

    name: str
    look: Callable[[Tell], Path | str]


def find_binary(
    setting: Path | None = None, *, tell: Tell | None = None, ways: Sequence[Way] | None = None
) -> Path:
    """Return a program that runs Temporal's dev server; may download it or build it, which takes minutes.

    ``setting`` overrides the environment's TEMPORAL_CLI; a setting that does not work is an error and never
    passed over. Raises ``Unavailable``, naming every way and what it lacked.
    """
    lacking = []
    for way in usual_ways(setting) if ways is None else ways:
        answer = way.look(tell or _silent)
        if isinstance(answer, Path):
            return answer
        lacking.append(f"  - {way.name}: {answer}")
    from causal.errors import Unavailable  # late: the packages need not be there for `--ahead`

    raise Unavailable(
        "no program to run Temporal's dev server with; looked in\n"
        + "\n".join(lacking)
        + f"\nPut `temporal` on PATH, name it by {SETTING}, or install Go 1.25 or newer, and try again."
    )


def usual_ways(setting: Path | None = None, environment: Mapping[str, str] | None = None) -> tuple[Way, ...]:
    """Return the five ways in order, or only the setting's where there is one."""
    environment = os.environ if environment is None else environment
    if chosen := setting or environment.get(SETTING):
        return (Way(f"the setting {SETTING}", lambda _: checked(Path(chosen).expanduser())),)
    cache = cache_folder(environment)
    target = cache / f"temporal-{VERSION}"
    return (
        Way(f"the setting {SETTING}", lambda _: "not set"),
        Way("`temporal` on PATH", lambda _: _on_path(environment)),
        Way("the cache", lambda _: checked(target)),
        Way("the download by Temporal's SDK", lambda tell: made_once(target, tell, download)),
        Way("a build with Go", lambda tell: made_once(target, tell, build)),
    )


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder in which the program is kept for all clones of this user."""
    base = environment.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "aitia"


def checked(binary: Path) -> Path | str:
    """Return the program itself where it runs and is new enough, else what is wrong with it."""
    if not binary.is_file():
        return f"there is no file {binary}"
    try:
        said = subprocess.run(
            [binary, "--version"], capture_output=True, text=True, timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return f"{binary} does not run: {error}"
    server = re.search(r"Server (\d+)\.(\d+)", said)
    if not server:
        return f"{binary} is not Temporal's CLI: it says {said.strip()[:80]!r}"
    if (int(server[1]), int(server[2])) < _OLDEST_SERVER:
        return f"{binary} is too old: {said.strip()}; server {'.'.join(map(str, _OLDEST_SERVER))} is needed"
    return binary


def _on_path(environment: Mapping[str, str]) -> Path | str:
    found = shutil.which("temporal", path=environment.get("PATH", ""))
    return checked(Path(found)) if found else "not there"


def made_once(target: Path, tell: Tell, make: Callable[[Path, Tell], str]) -> Path | str:
    """Return ``target``, made by one process at a time and not again by those who waited meanwhile.

    ``make`` gets an empty folder and puts the program there under the name `temporal`, or returns why it
    could not; the folder is cleared away afterwards.
    """
    beside = str(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _turn(Path(beside + ".lock"), tell), _scratch(Path(beside + ".making")) as scratch:
            if isinstance(checked(target), Path):
                return target
            if problem := make(scratch, tell):
                return problem
            made = checked(scratch / "temporal")
            return made.replace(target) if isinstance(made, Path) else made
    except OSError as error:
        return f"the cache {target.parent} cannot be used: {error}"


@contextlib.contextmanager
def _turn(lock: Path, tell: Tell) -> Iterator[None]:
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("Temporal is being fetched or built by another process; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Give a folder of our own; what a killed predecessor left there is cleared away first."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def build_ahead(tell: Tell) -> None:
    """Build now, before the packages are there, if a build is what `find_binary` would end with."""
    ways = usual_ways()
    ready = any(isinstance(way.look(_silent), Path) for way in ways[:3])
    if not ready and shutil.which("go") and not reachable():
        ways[-1].look(tell)


def _silent(_: str) -> None:
    """Tell nobody."""


def _to_terminal(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main(arguments: Sequence[str]) -> int:
    """Print the path; with ``--ahead`` only build ahead, the next call will report what failed."""
    if "--ahead" in arguments:
        build_ahead(_to_terminal)
        return 0
    from causal.errors import AitiaError  # late: see the module's docstring

    try:
        sys.stdout.write(f"{find_binary(tell=_to_terminal)}\n")
    except AitiaError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
