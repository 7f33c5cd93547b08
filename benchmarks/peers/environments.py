"""The virtual environments that published methods live in: made once, under the cache folder."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.peers.catalogue import Environment
from causal.errors import Unavailable

_INSTALL_SECONDS = 1200
_DONE = "installed"
_TOLD = 300


def cache_folder() -> Path:
    """Where environments are kept: ``$XDG_CACHE_HOME/aitia`` or ``~/.cache/aitia``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aitia"


def python_of(environment: Environment, cache: Path | None = None) -> Path:
    """The interpreter of an environment, made if need be; Unavailable says why it cannot be."""
    place = (cache or cache_folder()) / f"peers-{environment.name}-{_digest(environment)}"
    python = place / "bin" / "python"
    if (place / _DONE).exists():
        return python
    with _alone(place):
        if not (place / _DONE).exists():
            shutil.rmtree(place, ignore_errors=True)
            _make(environment, place, python)
    return python


def _digest(environment: Environment) -> str:
    told = repr((environment.pythons, environment.alone, environment.packages))
    return hashlib.sha256(told.encode()).hexdigest()[:12]


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Let nobody else make the same environment at the same time."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(environment: Environment, place: Path, python: Path) -> None:
    _run([str(interpreter(environment.pythons)), "-m", "venv", str(place)])
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-input"]
    if environment.alone:
        _run([*pip, "--no-deps", *environment.alone])
    _run([*pip, *environment.packages])
    (place / _DONE).touch()


def interpreter(versions: tuple[str, ...]) -> Path:
    """Find a Python of one of these versions; Unavailable if there is none on this machine."""
    for version in versions:
        for candidate in _candidates(version):
            if _is(candidate, version):
                return candidate
    raise Unavailable(f"there is no Python {' or '.join(versions)} here")


def _candidates(version: str) -> Iterator[Path]:
    if on_path := shutil.which(f"python{version}"):
        yield Path(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted((pyenv / "versions").glob(f"{version}.*/bin/python"), reverse=True)
    if uv := shutil.which("uv"):
        for words in (["find", version], ["install", "--quiet", version], ["find", version]):
            found = subprocess.run([uv, "python", *words], capture_output=True, text=True, check=False)
            if found.returncode == 0 and (told := found.stdout.strip()):
                yield Path(told)


def _is(python: Path, version: str) -> bool:
    """Whether it runs and is what it is called: a shim may stand for a version that is not there."""
    told = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        asked = subprocess.run(
            [str(python), "-c", told], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0 and asked.stdout.strip() == version


def _run(words: list[str]) -> None:
    try:
        subprocess.run(words, capture_output=True, text=True, check=True, timeout=_INSTALL_SECONDS)
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if line.strip()]
        raise Unavailable((lines or [str(error)])[-1][:_TOLD]) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(str(error)[:_TOLD]) from error
