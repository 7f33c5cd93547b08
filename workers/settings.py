"""Settings: one folder for all state, every port a setting, secrets by file or environment.

Read from the environment (``AITIA_…``; an empty variable is none) first, then from ``settings.yaml`` in the
home folder, where a name that no setting has is a mistake. Temporal's own variables (``TEMPORAL_ADDRESS``,
``TEMPORAL_NAMESPACE``, ``TEMPORAL_TLS…``, ``TEMPORAL_API_KEY``) are read by its SDK.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from causal.errors import MalformedSettings
from playbooks.written import nearest

LIBRARY = Path(__file__).parent.parent / "playbooks" / "library"


def default_home() -> Path:
    """``AITIA_HOME``, else the user's data folder."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return _absolute(Path(os.environ.get("AITIA_HOME") or Path(data) / "aitia"))


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


class _HomeFile(PydanticBaseSettingsSource):
    """``settings.yaml`` in the home folder: names of settings, each with its value."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # pydantic calls __call__ alone

    def __call__(self) -> dict[str, Any]:
        home = self.current_state.get("home") or default_home()
        path = _absolute(Path(home)) / "settings.yaml"
        written = _read_yaml(path) if path.exists() else {}
        for name in written:
            if mistake := self._mistake(name):
                raise MalformedSettings(mistake, where=f"{path}: {name}")
        fields = self.settings_cls.model_fields
        return {fields[name].alias or name: value for name, value in written.items()}

    def _mistake(self, name: object) -> str:
        known = self.settings_cls.model_fields
        if name == "home":
            return "the home folder is where this file lies; set AITIA_HOME to have another one"
        if name in known:
            return ""
        return f"unknown setting; {nearest(str(name), set(known) - {'home'})}"


def _read_yaml(path: Path) -> dict[Any, Any]:
    try:
        written = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError, OSError) as error:
        raise MalformedSettings(str(error), where=str(path)) from error
    if not isinstance(written, dict | None):
        raise MalformedSettings("must be a mapping of setting to value", where=str(path))
    return written or {}


class Settings(BaseSettings):
    """Everything that can be set; times in seconds, sizes in bytes, port 0 means a free one."""

    model_config = SettingsConfigDict(
        env_prefix="AITIA_", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    home: Annotated[Path, AfterValidator(_absolute)] = Field(
        default_factory=default_home, description="the folder that holds all state"
    )
    database: str | None = Field(default=None, alias="AITIA_DATABASE_URL", description="SQLAlchemy URL")
    door_host: str = Field(default="127.0.0.1", description="address the door listens on")
    door_port: int = Field(default=4318, ge=0, le=65535, description="port of the door")
    door_url: str | None = Field(default=None, description="where the command line finds the door")
    temporal_port: int = Field(default=0, ge=0, le=65535, description="port of the embedded Temporal server")
    temporal_ui_port: int = Field(default=0, ge=0, le=65535, description="port of its web interface")
    temporal_namespace: str = Field(default="default", alias="TEMPORAL_NAMESPACE")
    temporal_address: str | None = Field(default=None, alias="TEMPORAL_ADDRESS")
    telemetry_keep_seconds: float = Field(
        default=6 * 3600.0, gt=0, description="telemetry kept at most so long"
    )
    telemetry_keep_bytes: int = Field(default=1 << 30, gt=0, description="telemetry kept at most so large")
    body_limit: int = Field(default=16 << 20, gt=0, description="largest request body, compressed")
    inflated_limit: int = Field(default=64 << 20, gt=0, description="largest request body, decompressed")
    watch_every: float = Field(default=10.0, ge=1, description="how often the metric agent looks by itself")
    look_back: float = Field(default=900.0, gt=0, description="quiet time that a diagnosis compares with")
    remember_quiet: float = Field(
        default=7200.0, ge=0, description="how long the sums of a quiet minute are kept beyond that"
    )
    correlate_within: float = Field(default=6 * 3600.0, gt=0, description="how long related alerts join")
    slack_token: SecretStr | None = Field(default=None, description="bot token (xoxb-…)")
    slack_channel: str | None = Field(default=None, description="channel id for tickets")
    slack_url: str = Field(default="https://slack.com/api/", description="base of Slack's Web API")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, _HomeFile(settings_cls)

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.home / 'aitia.db'}"

    @property
    def telemetry_folder(self) -> Path:
        return self.home / "telemetry"

    @property
    def snapshot_folder(self) -> Path:
        return self.home / "snapshots"

    @property
    def connections_folder(self) -> Path:
        return self.home / "connections.d"

    @property
    def log_folder(self) -> Path:
        return self.home / "logs"

    @property
    def policy_file(self) -> Path:
        return self.home / "policy.yaml"

    @property
    def playbook_folders(self) -> tuple[Path, ...]:
        """The library that is shipped, and the site's own."""
        return LIBRARY, self.home / "playbooks"

    def token(self) -> str:
        """The token that the door asks for; made at first use, readable by its owner alone.

        Raises MalformedSettings where the file holds something else than one word.
        """
        path = self.home / "token"
        if not path.exists():
            _make_token(path)
        token = path.read_text(errors="replace").strip()
        if len(token.split()) != 1 or not token.isascii():
            raise MalformedSettings("must hold one ASCII word; delete it to have a new one", where=str(path))
        return token


def _make_token(path: Path) -> None:
    # Written whole beside its place and then linked there: of several who do so at once one wins, and nobody
    # ever reads half a token.
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".token-") as beside:
        beside.write(secrets.token_urlsafe(32))
        beside.flush()
        with suppress(FileExistsError):
            os.link(beside.name, path)


def read_settings() -> Settings:
    """The settings in force; a wrong one raises MalformedSettings that names it."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in wrong["loc"]) or "settings"
        raise MalformedSettings(str(wrong["msg"]), where=f"setting {name}") from error
