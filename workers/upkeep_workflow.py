"""The learning agent's upkeep: baselines each week, drift each day, the head of the audit log in between."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from playbooks.drift import Drift
    from workers.learning_agent import LearningAgent
    from workers.messages import Retrained
    from workers.metric_agent import MetricAgent
    from workers.policies import WRITE, step

MANY_MINUTES_SECONDS = 900.0


@workflow.defn
class RetrainWorkflow:
    """Learns the quiet profile and the calibration anew, and writes down what has changed."""

    @workflow.run
    async def run(self) -> Retrained:
        now = workflow.now().timestamp()
        relearned = await step(MetricAgent.relearn, now, WRITE, seconds=MANY_MINUTES_SECONDS)
        return await step(LearningAgent.retrain, relearned, WRITE)


@workflow.defn
class DriftWorkflow:
    """Withdraws autonomy where outcomes are worse than told, and gives back what is earned again."""

    @workflow.run
    async def run(self) -> Drift:
        return await step(LearningAgent.check_drift, workflow.now().timestamp(), WRITE)


@workflow.defn
class AnchorWorkflow:
    """Hands the head of the audit log to where nobody here can rewrite it."""

    @workflow.run
    async def run(self) -> str:
        return await step(LearningAgent.anchor_head, workflow.now().timestamp(), WRITE)
