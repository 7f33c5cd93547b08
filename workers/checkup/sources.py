"""Where others keep telemetry: each source of ``sources.yaml``, asked which version it is."""

from __future__ import annotations

from collections.abc import Iterator

from causal.errors import AitiaError, Malformed, NotFound, Refused
from integrations.backends.source import TelemetrySource
from integrations.backends.wire import Backend
from integrations.backends.written import read_sources
from workers.checkup.files import private
from workers.checkup.reach import Way
from workers.checkup.report import Look, Remark, System, doubt, well, wrong
from workers.settings import Settings


def source_systems(settings: Settings, way: Way) -> tuple[System, ...]:
    """The file, and each source in it by its kind and name: ``prometheus/main``."""
    path = settings.sources_file
    file = System("sources", lambda: _file(settings), path.exists())
    try:
        sources = read_sources(path)
    except Malformed:
        return (file,)  # the file says it when it is looked at
    return (file, *(System(_called(source), _look(source, way)) for source in sources))


def _called(source: TelemetrySource) -> str:
    return f"{_kind(source).lower()}/{source.name}"


def _kind(source: TelemetrySource) -> str:
    return type(source).__name__


def _look(source: TelemetrySource, way: Way) -> Look:
    return lambda: look(source, way)


def _file(settings: Settings) -> Iterator[Remark]:
    sources = read_sources(settings.sources_file)
    yield well(f"{len(sources)} named" if sources else "none is named; telemetry comes to the door alone")


def look(source: TelemetrySource, way: Way) -> Iterator[Remark]:
    """Is it reachable, does it let us ask, is it what it is said to be, and do the clocks agree?"""
    backend: Backend = getattr(source, "settings")  # noqa: B009  the protocol does not have it
    before = (*_token(backend), *way.head(str(backend.url)))
    yield from before
    if any(each.state == "failed" for each in before):
        return
    try:
        yield well(source.ping())
    except Refused as error:
        yield wrong(str(error))
    except (NotFound, Malformed) as error:
        yield wrong(f"what answers is no {_kind(source)}: {error}", "check the url, its path and its port")
    except AitiaError as error:
        yield wrong(str(error), "see whether it is ready, and its log")


def _token(backend: Backend) -> Iterator[Remark]:
    if backend.token_file is None:
        return
    yield from private(backend.token_file)
    if backend.url.scheme == "http" and backend.url.host not in {"127.0.0.1", "localhost", "[::1]"}:
        yield doubt("the token goes over the network in the clear", "write https://")
