"""What was truly to blame in a recorded incident: only graders read it, the engine never does."""

import json
import re
from collections.abc import Collection
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from causal.errors import MalformedCase
from causal.evidence import Fault

KINDS: dict[str, frozenset[Fault]] = {
    "bad_config_pool_size": frozenset({Fault.CONFIG_CHANGE}),
    "bad_config_timeout": frozenset({Fault.CONFIG_CHANGE}),
    "bad_config_wrong_upstream": frozenset({Fault.CONFIG_CHANGE}),
    "bad_prompt": frozenset({Fault.PROMPT_CHANGE}),
    "cpu_hog": frozenset({Fault.CPU}),
    "dead": frozenset({Fault.UNAVAILABLE}),
    "errors": frozenset({Fault.ERRORS, Fault.CODE_ERROR, Fault.RESOURCE_LIMIT}),
    "latency": frozenset({Fault.LATENCY}),
    "memory_leak": frozenset({Fault.MEMORY}),
    "slow_peer_exhausts_pool": frozenset({Fault.LATENCY, Fault.POOL_EXHAUSTED}),
}
"""The kinds of fault that a truth's own name for it stands for; other names are not judged."""

_STEP = re.compile(r"step:(\d+)")


class Told(BaseModel):
    """A frozen record of what was measured."""

    model_config = ConfigDict(frozen=True)


class Cause(Told):
    """One entry of ``truth.json``; ``indicator`` is what its dataset says of the place inside the service."""

    service: str
    pod: str | None = None
    fault: str = ""
    indicator: str | None = None

    def is_among(self, names: Collection[str]) -> bool:
        """Whether one of these names is the service's, or its pod's. No other name counts."""
        return self.service in names or (self.pod is not None and self.pod in names)

    @property
    def step(self) -> int | None:
        """The decisive step of a failed run of agents, where the truth knows it."""
        found = _STEP.fullmatch(self.indicator or "")
        return int(found[1]) if found else None


class Truth(Told):
    """``truth.json`` of a case."""

    root_causes: tuple[Cause, ...]

    @property
    def fault(self) -> str:
        """The name of the fault; several are joined by a plus."""
        return " + ".join(sorted({cause.fault for cause in self.root_causes}))


def read_truth(case: Path) -> Truth:
    """Read ``truth.json`` of a case folder; MalformedCase if there is no telling what it says."""
    path = case / "truth.json"
    try:
        return Truth.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise MalformedCase(f"no truth to grade by: {error}", where=str(path)) from error
