"""The root-cause agent: why did it break?"""

from __future__ import annotations

from dataclasses import dataclass

from temporalio import activity

from causal.diagnose import diagnose
from causal.evidence import Diagnosis
from integrations.ports import PriorStore, Snapshots
from workers.messages import Observation


@dataclass(frozen=True)
class RootCauseAgent:
    """Builds the causal graph of an incident and scores its hypotheses."""

    snapshots: Snapshots
    priors: PriorStore

    @activity.defn
    def diagnose(self, seen: Observation) -> Diagnosis:
        """The verdict on a snapshot."""
        alert, telemetry = self.snapshots.load(seen.snapshot)
        return diagnose(alert, telemetry, self.priors.current())
