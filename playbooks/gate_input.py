"""What the gate looks at: one value that holds all of it, so that a decision can be made again from it.

Of the plan it holds the numbers, never the parameters; of what was done, counts; of the site's deeds, how
many of which chance were wrong. It is written to the audit log as it is.
"""

from __future__ import annotations

from collections import Counter

from causal.evidence import Deed, Fact, Fault, Priors, Probability
from causal.learn import aged
from playbooks.policy import Policy, Terms
from playbooks.remedy import Impact, Plan
from playbooks.risk import Tally, Threshold, tallied, threshold


class Hold(Fact):
    """A target that somebody else acts on now; ``owner`` is "<incident>/<plan>"."""

    target: str
    owner: str


class Budget(Fact):
    """What was done: runs of this playbook on this service, runs without a human, and who is at work now.

    ``failed_before`` names the incidents in which the same fix brought no recovery on the same target, within
    the time that the policy asks for.
    """

    runs_in_cooldown: int = 0
    runs_today: int = 0
    failed_before: tuple[str, ...] = ()
    running_on_target: tuple[str, ...] = ()
    held: tuple[Hold, ...] = ()
    alone_in_hour: int = 0
    alone_in_day: int = 0
    alone_on_service_in_day: int = 0


class GateInput(Fact):
    """All that `playbooks.gate.decide` looks at; ids and digests say what it is about.

    ``blast_radius`` is how many targets of one kind the plan acts on, ``blast_radius_limit`` how many its
    playbook allows. ``successes`` are the verified ones of the playbook with this kind of fault. ``history``
    are the site's deeds in this environment within the window of the error budget, ``wrong_alone`` those of
    them that were wrong and no human was asked. ``withdrawn`` is why autonomy was taken from the playbook
    (empty: it was not). ``now`` is in Unix seconds.
    """

    incident: str
    plan: str
    plan_digest: str
    playbook: str
    playbook_digest: str
    service: str
    fault: Fault
    impact: Impact
    environment: str
    targets: tuple[str, ...]
    blast_radius: int
    blast_radius_limit: int | None = None
    cooldown: float | None = None
    max_runs_per_day: int | None = None
    probability: Probability
    confidence_floor: Probability
    policy: Policy
    successes: float = 0.0
    history: tuple[Tally, ...] = ()
    wrong_alone: int = 0
    withdrawn: str = ""
    budget: Budget = Budget()
    stopped: bool = False
    stopped_because: str = ""
    now: float

    @property
    def terms(self) -> Terms:
        """What the policy says of this playbook on this service in this environment."""
        return self.policy.terms(self.playbook, self.service, self.environment)

    @property
    def chance(self) -> float:
        """The chance that the plan brings recovery: P(cause) x lower bound of the playbook's confidence."""
        return self.probability * self.confidence_floor

    @property
    def threshold(self) -> Threshold:
        """The chance from which on the plan may be carried out without a human, and where it comes from."""
        terms = self.terms
        return threshold(self.history, self.policy.error_budget, terms.act_above, terms.suggest_above)


def consider(
    plan: Plan,
    policy: Policy,
    priors: Priors,
    budget: Budget,
    *,
    now: float,
    stopped: bool = False,
    stopped_because: str = "",
) -> GateInput:
    """Put together what the gate looks at; ``stopped`` is the kill switch, ``now`` in Unix seconds."""
    deeds = [deed for deed in priors.deeds if _counts(deed, plan, now - policy.error_budget.window)]
    demotion = priors.demotion(plan.playbook)
    terms = policy.terms(plan.playbook, plan.service, plan.environment)
    return GateInput(
        incident=plan.incident,
        plan=plan.id,
        plan_digest=plan.digest(),
        playbook=plan.playbook,
        playbook_digest=plan.playbook_digest,
        service=plan.service,
        fault=plan.fault,
        impact=plan.impact,
        environment=plan.environment,
        targets=tuple(sorted(targets(plan))),
        blast_radius=blast_radius(plan),
        blast_radius_limit=plan.blast_radius,
        cooldown=plan.cooldown,
        max_runs_per_day=plan.max_runs_per_day,
        probability=plan.probability,
        confidence_floor=plan.confidence_floor,
        policy=policy,
        successes=aged(priors.record(plan.playbook, plan.fault), now).successes,
        history=tallied(deeds, terms.suggest_above),
        wrong_alone=sum(deed.alone and deed.wrong for deed in deeds),
        withdrawn=demotion.because if demotion else "",
        budget=budget,
        stopped=stopped,
        stopped_because=stopped_because,
        now=now,
    )


def targets(plan: Plan) -> frozenset[str]:
    """Return all that a plan acts on, also to undo it, and its service: locks and freezes name these."""
    undone = (call.target for step in plan.steps if step.undo for call in step.undo.calls)
    acted_on = {*undone, *(step.target for step in plan.steps)}
    return frozenset({plan.service, *acted_on} - {""})


def blast_radius(plan: Plan) -> int:
    """Return the most targets of one kind that a plan acts on.

    The kind is what stands before the first colon: three processes are three, a repository and the process
    that reads it are one.
    """
    acted_on = {step.target for step in plan.steps if step.target}
    kinds = Counter(target.partition(":")[0] if ":" in target else "" for target in acted_on)
    return max(kinds.values(), default=0)


def _counts(deed: Deed, plan: Plan, since: float) -> bool:
    return deed.at > since and deed.environment in {"", plan.environment}
