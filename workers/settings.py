"""Settings: one folder for all state, every port a setting, secrets by file or environment.

Read from the environment (``AITIA_…``; an empty variable is none) first, then from ``settings.yaml`` in the
home folder, where a name that no setting has is a mistake. A secret NAME may stand in a file of its own,
which ``NAME_file`` or ``AITIA_NAME_FILE`` names (`workers.secret_files`). Temporal's own variables
(``TEMPORAL_ADDRESS``, ``TEMPORAL_NAMESPACE``, ``TEMPORAL_TLS…``, ``TEMPORAL_API_KEY``) are read by its SDK.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from causal.errors import MalformedSettings
from playbooks.written import nearest
from workers.secret_files import ENDING, SecretFiles, secret_names, secrets_in

LIBRARY = Path(__file__).parent.parent / "playbooks" / "library"


def default_home() -> Path:
    """``AITIA_HOME``, else the user's data folder."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return _absolute(Path(os.environ.get("AITIA_HOME") or Path(data) / "aitia"))


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _words(value: object) -> object:
    """A list as people write it: in one text with commas, or as a list."""
    if not isinstance(value, str):
        return value
    return [word.strip() for word in value.split(",") if word.strip()]


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
        held = secrets_in(fields, written, str(path))
        given = {name: value for name, value in (written | held).items() if name in fields}
        return {fields[name].alias or name: value for name, value in given.items()}

    def _mistake(self, name: object) -> str:
        known = self.settings_cls.model_fields
        if name == "home":
            return "the home folder is where this file lies; set AITIA_HOME to have another one"
        files = {secret + ENDING for secret in secret_names(known)}
        if name in {*known, *files}:
            return ""
        return f"unknown setting; {nearest(str(name), {*known, *files} - {'home'})}"


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
    otlp_grpc_port: int | None = Field(
        default=None, ge=0, le=65535, description="port for OTLP over gRPC, 4317 by custom; none: not served"
    )
    door_url: str | None = Field(default=None, description="where the command line finds the door")
    temporal_port: int = Field(default=0, ge=0, le=65535, description="port of the embedded Temporal server")
    temporal_ui_port: int = Field(default=0, ge=0, le=65535, description="port of its web interface")
    temporal_namespace: str = Field(
        default="default", alias="TEMPORAL_NAMESPACE", description="namespace in Temporal"
    )
    temporal_address: str | None = Field(
        default=None, alias="TEMPORAL_ADDRESS", description="HOST:PORT of a Temporal server; embedded if none"
    )
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
    approval_secret: SecretStr | None = Field(
        default=None, description="what tokens of approvals are made with; approval.key in the home if none"
    )
    audit_anchors: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)] = Field(
        default=(), description="where heads of the audit log go: file:/path, git:/path, https://…"
    )
    audit_anchor_token_file: Path | None = Field(
        default=None, description="a file with the bearer token for the anchors that are URLs"
    )
    audit_anchor_every: float = Field(default=300.0, ge=1, description="how often the head goes out")
    slack_token: SecretStr | None = Field(default=None, description="bot token (xoxb-…)")
    slack_channel: str | None = Field(default=None, description="channel id for tickets")
    slack_url: str = Field(default="https://slack.com/api/", description="base of Slack's Web API")
    slack_app_token: SecretStr | None = Field(
        default=None, description="app-level token (xapp-…): buttons and commands by Socket Mode"
    )
    slack_signing_secret: SecretStr | None = Field(
        default=None, description="signing secret: buttons and commands by HTTP, where Slack reaches the door"
    )
    slack_open: bool = Field(
        default=False,
        description="without people.yaml, everybody in the Slack workspace may answer, stop and resume",
    )
    pagerduty_routing_key: SecretStr | None = Field(
        default=None, description="integration key (Events API v2) of the service to alert"
    )
    pagerduty_token: SecretStr | None = Field(default=None, description="REST token, for notes on incidents")
    pagerduty_from: str = Field(default="", description="e-mail of the PagerDuty user who writes the notes")
    pagerduty_webhook_secrets: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_words)] = Field(
        default=(), description="secrets of webhook subscriptions; two while one replaces the other"
    )
    pagerduty_url: str = Field(default="https://api.pagerduty.com", description="base of the REST API")
    pagerduty_events_url: str = Field(
        default="https://events.pagerduty.com", description="base of the Events API"
    )
    servicenow_url: str | None = Field(default=None, description="the instance: https://NAME.service-now.com")
    servicenow_user: str = Field(default="", description="user of the Table API, with servicenow_password")
    servicenow_password: SecretStr | None = Field(default=None, description="its password")
    servicenow_token: SecretStr | None = Field(default=None, description="OAuth token, instead of the two")
    servicenow_assignment_group: str = Field(default="", description="group that new records are assigned to")
    servicenow_close_code: str = Field(
        default="Resolved by caller", description="resolution code; one of the instance's choices"
    )

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
        return init_settings, env_settings, SecretFiles(settings_cls), _HomeFile(settings_cls)

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
    def people_file(self) -> Path:
        return self.home / "people.yaml"

    @property
    def sources_file(self) -> Path:
        return self.home / "sources.yaml"

    @property
    def redaction_file(self) -> Path:
        return self.home / "redaction.yaml"

    @property
    def playbook_folders(self) -> tuple[Path, ...]:
        """The library that is shipped, and the site's own."""
        return LIBRARY, self.home / "playbooks"

    def token(self) -> str:
        """The token that the door asks for; made at first use, readable by its owner alone.

        Raises MalformedSettings where the file holds something else than one word.
        """
        return _word_in(self.home / "token")

    def approval_key(self) -> bytes:
        """The key that one-shot tokens of approvals are made with; made at first use.

        Door and agents must have the same: where they share no home folder, set AITIA_APPROVAL_SECRET.
        """
        if self.approval_secret is not None:
            return self.approval_secret.get_secret_value().encode()
        return _word_in(self.home / "approval.key").encode()

    def redaction_key(self) -> bytes:
        """The key that attributes are hashed with where redaction.yaml says so; made at first use."""
        return _word_in(self.home / "redaction.key").encode()


def _word_in(path: Path) -> str:
    if not path.exists():
        _make_token(path)
    word = path.read_text(errors="replace").strip()
    if len(word.split()) != 1 or not word.isascii():
        raise MalformedSettings("must hold one ASCII word; delete it to have a new one", where=str(path))
    return word


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
