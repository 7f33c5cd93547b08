"""A deployment called cart, and the steps that are done to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from integrations.kubernetes import (
    DeploymentAction,
    DeploymentParams,
    RolloutRedo,
    RolloutRestart,
    RolloutUndo,
)
from integrations.kubernetes_cluster import STEPS
from integrations.kubernetes_scale import Scale, ScaleBack
from integrations.ports import Action, Effect
from tests.kubernetes.people import CLUSTER, People

KEY = "inc-1/p1/step"


@dataclass
class Shop:
    """A deployment cart, and the steps that are done to it."""

    people: People

    def at(self, **more: object) -> dict[str, object]:
        return {"cluster": CLUSTER, "deployment": self.people.cart, **more}

    def do(self, action: DeploymentAction, key: str = KEY, timeout: float = 30, **params: Any) -> Effect:
        return action.execute(action.Params.model_validate(self.at(**params)), key=key, timeout=timeout)  # type: ignore[arg-type]

    def seen(self, action: DeploymentAction, key: str = KEY) -> Effect | None:
        return action.observe(DeploymentParams.model_validate(self.at()), key=key)

    def restart(self, key: str = KEY) -> Effect:
        return self.do(RolloutRestart(self.people.connections), key)

    def undo(self, key: str = KEY, **params: Any) -> Effect:
        return self.do(RolloutUndo(self.people.connections), key, **params)

    def redo(self, effect: Effect) -> Effect:
        facts = effect.facts
        return self.do(
            RolloutRedo(self.people.connections),
            f"{KEY}/undo",
            replica_set=facts["replica_set_before"],
            instead_of=facts["replica_set"],
        )

    def scale(self, key: str = KEY, **params: Any) -> Effect:
        return self.do(Scale(self.people.connections), key, **params)

    def scale_back(self, effect: Effect) -> Effect:
        facts = effect.facts
        return self.do(
            ScaleBack(self.people.connections),
            f"{KEY}/undo",
            replicas=facts["replicas_before"],
            instead_of=facts["replicas"],
        )

    def step_is_noted(self, key: str = KEY) -> bool:
        return key in self.people.deployment()["metadata"].get("annotations", {}).get(STEPS, "")


def preview_of(action: Action, params: dict[str, object]) -> str:
    return action.preview(action.Params.model_validate(params))
