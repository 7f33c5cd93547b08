"""What people are shown of learning."""

from __future__ import annotations

from typing import Literal

from causal.evidence import Demotion, Fact, PlaybookRecord, Restoration
from playbooks.drift import Watch
from workers.messages import Retrained


class LearningView(Fact):
    """What was learned so far, and what automation may not do alone any more."""

    version: int
    labels: int
    deeds: int
    calibration: str
    playbooks: tuple[PlaybookRecord, ...] = ()
    demotions: tuple[Demotion, ...] = ()
    restorations: tuple[Restoration, ...] = ()
    watches: tuple[Watch, ...] = ()


class Retraining(Fact):
    """How far a retraining that was asked for has come; ``done`` once it has ended well."""

    state: Literal["running", "done", "failed"]
    done: Retrained | None = None
