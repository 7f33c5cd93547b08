"""Reading the files of ``connections.d``, and finding one connection by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field

from causal.errors import MalformedSettings, Refused
from causal.evidence import Fact
from integrations.connection_fields import ServiceName
from integrations.connections.kinds import (
    AlertmanagerConnection,
    CommandConnection,
    FileConnection,
    FlagsConnection,
    ForgeConnection,
    HttpConnection,
    ProcessConnection,
    RepositoryConnection,
)
from integrations.kubernetes_connection import ClusterConnection
from integrations.mlflow_connection import RegistryConnection
from playbooks.remedy import Written
from playbooks.written import Document, Problem, combined, nearest, read_as

T = TypeVar("T")


class ConnectionFile(Written):
    """One file of ``connections.d``; ``environment`` is where its system runs."""

    environment: ServiceName = "production"
    repositories: dict[ServiceName, RepositoryConnection] = Field(default_factory=dict)
    http: dict[ServiceName, HttpConnection] = Field(default_factory=dict)
    processes: dict[ServiceName, ProcessConnection] = Field(default_factory=dict)
    forges: dict[ServiceName, ForgeConnection] = Field(default_factory=dict)
    commands: dict[ServiceName, CommandConnection] = Field(default_factory=dict)
    files: dict[ServiceName, FileConnection] = Field(default_factory=dict)
    flags: dict[ServiceName, FlagsConnection] = Field(default_factory=dict)
    alertmanagers: dict[ServiceName, AlertmanagerConnection] = Field(default_factory=dict)
    clusters: dict[ServiceName, ClusterConnection] = Field(default_factory=dict)
    registries: dict[ServiceName, RegistryConnection] = Field(default_factory=dict)

    def of_kind(self, kind: str) -> Mapping[str, Any]:
        """Return the connections of one kind, by name."""
        found: Mapping[str, Any] = getattr(self, kind)
        return found


KINDS = tuple(name for name in ConnectionFile.model_fields if name != "environment")


class Connections(Fact):
    """All connections of a site; each file keeps its own, because a system's parts belong together."""

    files: tuple[ConnectionFile, ...] = ()

    def of_kind(self, kind: str) -> Mapping[str, Any]:
        """Return the connections of one kind, by name, of all files."""
        return {name: each for file in self.files for name, each in file.of_kind(kind).items()}

    @property
    def repositories(self) -> Mapping[str, RepositoryConnection]:
        return self.of_kind("repositories")

    @property
    def http(self) -> Mapping[str, HttpConnection]:
        return self.of_kind("http")

    @property
    def processes(self) -> Mapping[str, ProcessConnection]:
        return self.of_kind("processes")


ReadConnections = Callable[[], Connections]


def read_connections(folder: Path) -> Connections:
    """Read every ``*.yaml`` of a folder (none if it is not there).

    MalformedSettings holds all problems of all files; a name that two files give is one of them.
    """
    files: list[ConnectionFile] = []
    problems: list[Problem] = []
    named: dict[tuple[str, str], str] = {}
    for path in sorted(folder.glob("*.yaml")):
        document, file, wrong = _read(path)
        problems.extend(wrong)
        if file is None:
            continue
        files.append(file)
        problems.extend(_repeated(file, document, named))
    if problems:
        raise combined(problems, MalformedSettings)
    return Connections(files=tuple(files))


def repository_named(read: ReadConnections, name: str) -> RepositoryConnection:
    """Return a repository; Refused if none has this name, or the files can not be read."""
    return _named(read, "repositories", name, RepositoryConnection)


def http_named(read: ReadConnections, name: str) -> HttpConnection:
    """Return an http connection; Refused if none has this name, or the files can not be read."""
    return _named(read, "http", name, HttpConnection)


def process_named(read: ReadConnections, name: str) -> ProcessConnection:
    """Return a process connection; Refused if none has this name, or the files can not be read."""
    return _named(read, "processes", name, ProcessConnection)


def forge_named(read: ReadConnections, name: str) -> ForgeConnection:
    """Return a forge; Refused if none has this name, or the files can not be read."""
    return _named(read, "forges", name, ForgeConnection)


def command_named(read: ReadConnections, name: str) -> CommandConnection:
    """Return a command; Refused if none has this name, or the files can not be read."""
    return _named(read, "commands", name, CommandConnection)


def file_named(read: ReadConnections, name: str) -> FileConnection:
    """Return a configuration file; Refused if none has this name, or the files can not be read."""
    return _named(read, "files", name, FileConnection)


def flags_named(read: ReadConnections, name: str) -> FlagsConnection:
    """Return a file of flags; Refused if none has this name, or the files can not be read."""
    return _named(read, "flags", name, FlagsConnection)


def alertmanager_named(read: ReadConnections, name: str) -> AlertmanagerConnection:
    """Return an Alertmanager; Refused if none has this name, or the files can not be read."""
    return _named(read, "alertmanagers", name, AlertmanagerConnection)


def cluster_named(read: ReadConnections, name: str) -> ClusterConnection:
    """Return a cluster; Refused if none has this name, or the files can not be read."""
    return _named(read, "clusters", name, ClusterConnection)


def registry_named(read: ReadConnections, name: str) -> RegistryConnection:
    """Return a model registry; Refused if none has this name, or the files can not be read."""
    return _named(read, "registries", name, RegistryConnection)


def _named(read: ReadConnections, kind: str, name: str, schema: type[T]) -> T:
    try:
        known = read().of_kind(kind)
    except MalformedSettings as error:
        raise Refused(f"the connections can not be read: {error}") from error
    if name not in known:
        raise Refused(f"no connection under {kind} is called {name}; {nearest(name, known)}")
    found = known[name]
    if not isinstance(found, schema):
        raise TypeError(f"{kind} holds {type(found).__name__}, not {schema.__name__}")
    return found


def _read(path: Path) -> tuple[Document, ConnectionFile | None, tuple[Problem, ...]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem(str(path), 1, 1, "", f"can not be read: {error}")
        return Document(str(path), None), None, (problem,)
    reading = read_as(ConnectionFile, text, str(path))
    return reading.document, reading.value, reading.problems


def _repeated(
    file: ConnectionFile, document: Document, named: dict[tuple[str, str], str]
) -> Iterator[Problem]:
    """Note the names that a file gives; tell those that an earlier one gave."""
    for name in [(kind, name) for kind in KINDS for name in file.of_kind(kind)]:
        if (first := named.setdefault(name, document.where)) != document.where:
            yield document.problem(name, f"is given by {first} already; choose another name")
