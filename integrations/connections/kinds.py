"""What may stand under a name in a connections file: one class for each kind of target."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from integrations.connection_fields import NAME, AbsolutePath, BaseUrl, ServiceName
from integrations.connections.parts import (
    Argument,
    Executable,
    FilePattern,
    Pattern,
    RequestPattern,
    Size,
    as_tuple,
    service_in,
)
from playbooks.remedy import Duration, Written

KIB, MIB, GIB = 1024, 1024**2, 1024**3
ConfigFormat = Literal["yaml", "json", "toml", "env"]
_FORMATS: dict[str, ConfigFormat] = {
    ".yaml": "yaml",
    ".yml": "yaml",
    ".json": "json",
    ".toml": "toml",
    ".env": "env",
}


class RepositoryConnection(Written):
    """A git work tree; ``services`` and ``prompts`` say which files are about which service."""

    path: AbsolutePath
    branch: str = Field(default="main", pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")
    services: FilePattern | tuple[FilePattern, ...] | None = None
    prompts: FilePattern | tuple[FilePattern, ...] = "prompts/{service}.yaml"

    @property
    def patterns(self) -> tuple[str, ...]:
        """All file patterns, those of services first."""
        return (*as_tuple(self.services), *as_tuple(self.prompts))

    def is_prompt(self, file: str) -> bool:
        """Whether a file tells an agent or a model what to do."""
        matched = any(service_in(pattern, file) for pattern in as_tuple(self.prompts))
        return matched or "prompts" in Path(file).parent.parts

    def service_of(self, file: str) -> str | None:
        """Return the service that a file is about, if any."""
        return next(filter(None, (service_in(pattern, file) for pattern in self.patterns)), None)

    def configures(self, service: str) -> bool:
        """Whether a file about this service lies in the work tree."""
        if not NAME.fullmatch(service):
            return False
        return any((self.path / pattern.replace("{service}", service)).is_file() for pattern in self.patterns)


class HttpConnection(Written):
    """A server that may be asked to do things, and which services it speaks for.

    ``idempotent`` means that it recognises a repeated ``Idempotency-Key``: the same request may be sent
    again. ``allow`` lists the only requests that may be sent (``POST /reload/*``: ``*`` is one segment, a
    ``?*`` at the end permits a query). ``private`` permits a name that resolves to a private or loopback
    address; an address that is itself written in ``base_url`` needs no such word.
    """

    base_url: BaseUrl
    token_file: AbsolutePath | None = None
    services: tuple[ServiceName, ...] | None = None
    idempotent: bool = True
    allow: tuple[RequestPattern, ...] | None = None
    private: bool = False
    longest_body: Size = 256 * KIB
    longest_answer: Size = 64 * KIB


class ProcessConnection(Written):
    """A command that restarts a service: a list of arguments, never a shell."""

    services: tuple[ServiceName, ...] = Field(min_length=1)
    restart: tuple[Argument, ...] = Field(min_length=1)
    pid_file: Argument | None = None
    cwd: AbsolutePath | None = None


class ForgeConnection(Written):
    """A project on a GitHub, GitLab or Gitea (Forgejo) server, where changes are proposed.

    ``base_url`` is the root of its REST API (``https://api.github.com``, ``https://gitlab.example/api/v4``,
    ``https://forgejo.example/api/v1``); ``repository`` is the repository connection that is a clone of it.
    """

    kind: Literal["github", "gitlab", "gitea"]
    base_url: BaseUrl
    token_file: AbsolutePath
    project: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)+$")
    repository: ServiceName
    private: bool = False


class CommandLimits(Written):
    """What one run may use: seconds of processor, bytes of memory and of each file, processes of its user."""

    cpu: Duration = 60.0
    memory: Size = GIB
    file_size: Size = 64 * MIB
    processes: int = Field(default=512, ge=1)


class CommandConnection(Written):
    """A program and the argument lists it may be given.

    Each entry of ``allow`` is a list of regular expressions, one an argument, matched from end to end; only
    where one begins with a dash may its argument. ``idempotent`` means that running it twice is the same as
    once. ``variables`` are its whole environment beside ``PATH``, ``LANG`` and the key of the step.
    """

    executable: Executable
    allow: tuple[tuple[Pattern, ...], ...] = Field(min_length=1)
    services: tuple[ServiceName, ...] = ()
    cwd: AbsolutePath | None = None
    variables: dict[str, str] = Field(default_factory=dict)
    idempotent: bool = False
    limits: CommandLimits = CommandLimits()


class FileConnection(Written):
    """A configuration file in which single values may be set: those that ``keys`` match, if there are any."""

    path: AbsolutePath
    format: ConfigFormat | None = None
    keys: tuple[Pattern, ...] | None = None
    services: tuple[ServiceName, ...] = ()

    @property
    def written_as(self) -> ConfigFormat | None:
        """The format that was written, or the one that the file's name tells."""
        return self.format or _FORMATS.get(".env" if self.path.name == ".env" else self.path.suffix)


class FlagsConnection(Written):
    """A file of feature flags in flagd's format; ``flags`` are the only ones to be set, if there are any.

    ``switches`` says for a service which flag takes its optional part away.
    """

    path: AbsolutePath
    flags: tuple[Pattern, ...] | None = None
    switches: dict[ServiceName, str] = Field(default_factory=dict)
    services: tuple[ServiceName, ...] = ()


class AlertmanagerConnection(Written):
    """A Prometheus Alertmanager; ``longest`` is how long a silence may last."""

    base_url: BaseUrl
    token_file: AbsolutePath | None = None
    services: tuple[ServiceName, ...] | None = None
    longest: Duration = 7200.0
    private: bool = False
