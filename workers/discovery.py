"""What a first look around finds: Temporal, places that keep telemetry, a git repository.

Each is known by what it answers, not by its port alone: the ports say only where to look first. Nothing is
changed by asking, and nothing is asked beyond the hosts that are named.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pydantic import ValidationError
from temporalio.client import Client
from temporalio.service import RPCError

from causal.errors import AitiaError, Refused
from integrations.backends.jaeger import Jaeger, JaegerSettings
from integrations.backends.loki import Loki, LokiSettings
from integrations.backends.prometheus import Prometheus, PrometheusSettings
from integrations.backends.source import TelemetrySource
from integrations.backends.tempo import Tempo, TempoSettings
from integrations.git_repository import GitRepository

PORTS: Mapping[str, int] = {
    "prometheus": 9090,
    "alertmanager": 9093,
    "jaeger": 16686,
    "tempo": 3200,
    "loki": 3100,
}
TEMPORAL_PORT = 7233
WITHIN_SECONDS = 2.0
_AT_ONCE = 16


@dataclass(frozen=True)
class Place:
    """A system that answered at an address."""

    kind: str
    url: str


def places(hosts: Iterable[str]) -> tuple[Place, ...]:
    """Look for systems at each ``HOST`` (their usual ports) or ``HOST:PORT`` (any of them there)."""
    wanted = [place for host in hosts for place in _candidates(host)]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        answers = threads.map(_answers, wanted)
        return tuple(place for place, answer in zip(wanted, answers, strict=True) if answer)


def temporal(address: str) -> bool:
    """Whether a Temporal server answers at HOST:PORT."""
    try:
        asyncio.run(asyncio.wait_for(Client.connect(address), WITHIN_SECONDS))
    except (RPCError, RuntimeError, TimeoutError, OSError):
        return False
    return True


def repository(folder: Path) -> GitRepository | None:
    """The git repository whose work tree holds a folder, on the branch that it shows."""
    try:
        top = _git(folder, "rev-parse", "--show-toplevel")
        branch = _git(folder, "symbolic-ref", "--short", "HEAD")
    except (OSError, subprocess.SubprocessError):
        return None
    return GitRepository(Path(top), branch) if top and branch else None


def _candidates(host: str) -> Sequence[Place]:
    bare = host.strip().removeprefix("http://").rstrip("/")
    if not bare or any(letter in bare for letter in "/@? "):
        raise Refused(f"{host!r} is neither HOST nor HOST:PORT")
    name, colon, port = bare.rpartition(":")
    if colon and port.isdecimal() and not name.endswith(":"):
        return [Place(kind, f"http://{name}:{port}") for kind in PORTS]
    return [Place(kind, f"http://{bare}:{usual}") for kind, usual in PORTS.items()]


def _answers(place: Place) -> bool:
    if place.kind == "alertmanager":
        return _is_alertmanager(place.url)
    try:
        _source(place).ping()
    except (AitiaError, ValidationError):
        return False
    return True


def _source(place: Place) -> TelemetrySource:
    given: dict[str, Any] = {"url": place.url, "timeout": WITHIN_SECONDS}
    match place.kind:
        case "prometheus":
            return Prometheus(PrometheusSettings.model_validate(given))
        case "jaeger":
            return Jaeger(JaegerSettings.model_validate(given))
        case "tempo":
            return Tempo(TempoSettings.model_validate(given))
    return Loki(LokiSettings.model_validate(given))


def _is_alertmanager(url: str) -> bool:
    try:
        told = httpx.get(f"{url}/api/v2/status", timeout=WITHIN_SECONDS).json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return False
    return isinstance(told, dict) and "versionInfo" in told


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=WITHIN_SECONDS, check=True
    )
    return done.stdout.strip()
