"""What Aitia may touch of an MLflow model registry: ``registries:`` in a file of ``connections.d``."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from integrations.connection_fields import AbsolutePath, BaseUrl, ServiceName
from playbooks.remedy import Written

# MLflow takes more than these; what is left out here can not end a quoted name in a search
ModelName = Annotated[str, Field(pattern=r"^[^'\"`/:\x00-\x1f]+$", max_length=255)]
AliasName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,254}$")]


class RegisteredModel(Written):
    """A model whose alias may be moved, and the services that serve what the alias points to."""

    alias: AliasName
    services: tuple[ServiceName, ...] = ()


class RegistryConnection(Written):
    """An MLflow tracking server; a model that is not named under ``models`` is never touched.

    The token is sent as Bearer, or as the password of ``user`` where there is one. ``good`` are tags that a
    version must bear before an alias may be moved back to it.
    """

    url: BaseUrl
    token_file: AbsolutePath | None = None
    user: str | None = None
    good: dict[str, str] = Field(default_factory=dict)
    models: dict[ModelName, RegisteredModel] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_a_password_for_its_user(self) -> Self:
        if self.user is not None and self.token_file is None:
            raise ValueError("user needs a token_file that holds the password")
        return self

    def models_of(self, service: str) -> list[str]:
        """Models that a service serves."""
        return [name for name, each in self.models.items() if service in each.services]
