"""What a test of actions knows of the world that an action acts on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integrations.actions import standard_actions
from integrations.connections import (
    ConnectionFile,
    Connections,
)
from integrations.ports import Action, Effect
from playbooks.remedy import JsonValue

KEY = "inc-1/p1/mend"
UNDO_KEY = f"{KEY}/undo"
Facts = dict[str, JsonValue]


def _as_reported(facts: Facts) -> dict[str, Any]:
    return dict(facts)


@dataclass
class World:
    """An action with parameters that make sense here; ``hostile`` are changes that must be refused."""

    folder: Path
    connections: ConnectionFile
    action: str
    params: dict[str, Any]
    state: Callable[[], object]
    effects: Callable[[], int]
    hostile: tuple[dict[str, Any], ...]
    undo: str = ""
    undo_params: Callable[[Facts], dict[str, Any]] = _as_reported

    def named(self, name: str) -> Action:
        """An action as a new process would make it: what it knows, it knows from the target or the disk."""
        return standard_actions(lambda: Connections(files=(self.connections,)), self.folder / "state")[name]

    def preview(self) -> str:
        action = self.named(self.action)
        return action.preview(action.Params.model_validate(self.params))

    def observe(self, key: str = KEY) -> Effect | None:
        action = self.named(self.action)
        return action.observe(action.Params.model_validate(self.params), key=key)

    def execute(self, *, step: str = KEY, **changes: Any) -> Effect:
        action = self.named(self.action)
        return action.execute(action.Params.model_validate({**self.params, **changes}), key=step, timeout=20)

    def observe_undo(self, effect: Effect) -> Effect | None:
        action = self.named(self.undo)
        return action.observe(self._undo_params(action, effect), key=UNDO_KEY)

    def preview_undo(self, effect: Effect) -> str:
        action = self.named(self.undo)
        return action.preview(self._undo_params(action, effect))

    def take_back(self, effect: Effect) -> Effect:
        action = self.named(self.undo)
        return action.execute(self._undo_params(action, effect), key=UNDO_KEY, timeout=20)

    def forget_the_answer(self) -> None:
        """Leave what a kill leaves between an effect and its record."""
        for marker in (self.folder / "state").glob("*.json"):
            marker.write_text(json.dumps({**json.loads(marker.read_text()), "effect": None}))

    def _undo_params(self, action: Action, effect: Effect) -> Any:
        given = self.undo_params(effect.facts)
        return action.Params.model_validate(
            {name: value for name, value in given.items() if name in action.Params.model_fields}
        )


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and ".git/" not in str(file)
    }
