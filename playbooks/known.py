"""What playbooks need to know of the actions and checks that they name; the house hands them in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel


class KnownAction(Protocol):
    """What is asked of an action here; `integrations.ports.Action` says the rest."""

    name: ClassVar[str]
    Params: ClassVar[type[BaseModel]]
    mutates: ClassVar[bool]

    def target(self, params: Any) -> str: ...

    def preview(self, params: Any) -> str: ...


class KnownCheck(Protocol):
    """What the catalogue needs to know of a check."""

    name: ClassVar[str]
    Params: ClassVar[type[BaseModel]]


def reported_by(action: KnownAction) -> frozenset[str] | None:
    """Return the facts that an action's effect holds; None where it does not declare them (``reports``)."""
    return getattr(action, "reports", None)


KnownActions = Mapping[str, KnownAction]
KnownChecks = Mapping[str, KnownCheck]
