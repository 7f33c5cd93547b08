"""What Aitia may touch of a watched system: ``connections.d/*.yaml``, read anew whenever it is needed.

One file describes one system; people write it, or the tool that set the system up. Everything that an action
reaches is named here and nowhere else: a playbook can choose among these names and can not invent a target.
No secret stands in such a file, only the file that holds it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, AnyHttpUrl, Field, TypeAdapter, ValidationError

from causal.errors import MalformedSettings, Refused
from causal.evidence import Fact
from playbooks.remedy import JsonValue, Written
from playbooks.written import Document, Problem, combined, nearest, read_as

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_URL = TypeAdapter(AnyHttpUrl)
T = TypeVar("T")


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError(f"must be an absolute path, such as /srv/{path.name or 'folder'}")
    return path


def _base_url(text: str) -> str:
    try:
        url = _URL.validate_python(text)
    except ValidationError as error:
        raise ValueError(f"is not an http or https address: {error.errors()[0]['msg']}") from error
    if url.username or url.password:
        raise ValueError("must hold no user or password; put a token in a file and name it in token_file")
    if url.query is not None or url.fragment is not None:
        raise ValueError("must end before any ? or #")
    return text.rstrip("/")


def _file_pattern(text: str) -> str:
    if text.count("{service}") != 1 or text.startswith("/"):
        raise ValueError(
            "is a path in the repository that holds {service} once, such as services/{service}.yaml"
        )
    return text


def _only_service(text: str) -> str:
    if "$" in text.replace("${service}", ""):
        raise ValueError("may hold ${service} and no other $")
    return text


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
FilePattern = Annotated[str, AfterValidator(_file_pattern)]
Argument = Annotated[str, AfterValidator(_only_service)]
ServiceName = Annotated[str, Field(pattern=rf"^{_NAME.pattern}$")]


class RepositoryConnection(Written):
    """A git work tree; ``services`` and ``prompts`` say which files are about which service."""

    path: AbsolutePath
    branch: str = Field(default="main", pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")
    services: FilePattern | tuple[FilePattern, ...] | None = None
    prompts: FilePattern | tuple[FilePattern, ...] = "prompts/{service}.yaml"

    @property
    def patterns(self) -> tuple[str, ...]:
        """All file patterns, those of services first."""
        return (*_tuple(self.services), *_tuple(self.prompts))

    def is_prompt(self, file: str) -> bool:
        """Whether a file tells an agent or a model what to do."""
        matched = any(_service_in(pattern, file) for pattern in _tuple(self.prompts))
        return matched or "prompts" in Path(file).parent.parts

    def service_of(self, file: str) -> str | None:
        """Return the service that a file is about, if any."""
        return next(filter(None, (_service_in(pattern, file) for pattern in self.patterns)), None)

    def configures(self, service: str) -> bool:
        """Whether a file about this service lies in the work tree."""
        if not _NAME.fullmatch(service):
            return False
        return any((self.path / pattern.replace("{service}", service)).is_file() for pattern in self.patterns)


class HttpConnection(Written):
    """A server that may be asked to do things, and which services it speaks for.

    ``idempotent`` means that it recognises a repeated ``Idempotency-Key``: the same request may be sent
    again.
    """

    base_url: Annotated[str, AfterValidator(_base_url)]
    token_file: AbsolutePath | None = None
    services: tuple[ServiceName, ...] | None = None
    idempotent: bool = True


class ProcessConnection(Written):
    """A command that restarts a service: a list of arguments, never a shell."""

    services: tuple[ServiceName, ...] = Field(min_length=1)
    restart: tuple[Argument, ...] = Field(min_length=1)
    pid_file: Argument | None = None
    cwd: AbsolutePath | None = None


class ConnectionFile(Written):
    """One file of ``connections.d``."""

    repositories: dict[ServiceName, RepositoryConnection] = Field(default_factory=dict)
    http: dict[ServiceName, HttpConnection] = Field(default_factory=dict)
    processes: dict[ServiceName, ProcessConnection] = Field(default_factory=dict)


class Connections(Fact):
    """All connections of a site; each file keeps its own, because a system's parts belong together."""

    files: tuple[ConnectionFile, ...] = ()

    @property
    def repositories(self) -> Mapping[str, RepositoryConnection]:
        return {name: each for file in self.files for name, each in file.repositories.items()}

    @property
    def http(self) -> Mapping[str, HttpConnection]:
        return {name: each for file in self.files for name, each in file.http.items()}

    @property
    def processes(self) -> Mapping[str, ProcessConnection]:
        return {name: each for file in self.files for name, each in file.processes.items()}


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


def service_facts(connections: Connections, service: str) -> dict[str, JsonValue]:
    """Return the ``service.*`` look-ups of a service, for those that exactly one connection answers.

    An http connection answers for its ``services``; one without them answers if it is the only one in the
    file of a repository or a process that knows the service. Two answers are none: which one is meant can not
    be told.
    """
    found = {
        "service.admin": list(_admins(connections, service)),
        "service.repository": [
            name for name, each in connections.repositories.items() if each.configures(service)
        ],
        "service.process": [name for name, each in connections.processes.items() if service in each.services],
    }
    return {look_up: names[0] for look_up, names in found.items() if len(names) == 1}


def repository_named(read: ReadConnections, name: str) -> RepositoryConnection:
    """Return a repository; Refused if none has this name, or the files can not be read."""
    return _named(_readable(read).repositories, "repositories", name)


def http_named(read: ReadConnections, name: str) -> HttpConnection:
    """Return an http connection; Refused if none has this name, or the files can not be read."""
    return _named(_readable(read).http, "http", name)


def process_named(read: ReadConnections, name: str) -> ProcessConnection:
    """Return a process connection; Refused if none has this name, or the files can not be read."""
    return _named(_readable(read).processes, "processes", name)


def _readable(read: ReadConnections) -> Connections:
    try:
        return read()
    except MalformedSettings as error:
        raise Refused(f"the connections can not be read: {error}") from error


def _named(known: Mapping[str, T], kind: str, name: str) -> T:
    if name not in known:
        raise Refused(f"no connection under {kind} is called {name}; {nearest(name, known)}")
    return known[name]


def _admins(connections: Connections, service: str) -> Iterator[str]:
    for file in connections.files:
        for name, http in file.http.items():
            alone = http.services is None and len(file.http) == 1 and _knows(file, service)
            if alone or service in (http.services or ()):
                yield name


def _knows(file: ConnectionFile, service: str) -> bool:
    return any(each.configures(service) for each in file.repositories.values()) or any(
        service in each.services for each in file.processes.values()
    )


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
    for name in _names(file):
        if (first := named.setdefault(name, document.where)) != document.where:
            yield document.problem(name, f"is given by {first} already; choose another name")


def _names(file: ConnectionFile) -> list[tuple[str, str]]:
    kinds: dict[str, Mapping[str, object]] = {
        "repositories": file.repositories,
        "http": file.http,
        "processes": file.processes,
    }
    return [(kind, name) for kind, known in kinds.items() for name in known]


def _tuple(patterns: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (patterns,) if isinstance(patterns, str) else patterns or ()


def _service_in(pattern: str, file: str) -> str | None:
    before, after = pattern.split("{service}")
    name = file.removeprefix(before).removesuffix(after)
    return name if file == f"{before}{name}{after}" and _NAME.fullmatch(name) else None
