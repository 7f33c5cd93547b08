"""How far a playbook can be trusted with a kind of fault: a Beta posterior.

Whether a run brings recovery is a coin of unknown bias; its conjugate prior is a Beta distribution. The
author's claim counts as ``prior * weight`` successes and ``(1 - prior) * weight`` failures seen beforehand,
the record of runs is added to it (Gelman et al., Bayesian Data Analysis, 3rd ed., section 2.4). Decisions
rest on the lower end of the one-sided 95 % credible interval: what is little known is little trusted.
"""

from __future__ import annotations

from causal.evidence import Fact, PlaybookRecord, Probability
from playbooks.remedy import Claim

FLOOR_MASS = 0.05
_LEAST = 1e-6  # keeps the distribution proper where a claim is certain


class Confidence(Fact):
    """The chance that a run brings recovery: its mean, and the value that it exceeds with 95 % belief."""

    mean: Probability
    floor: Probability
    successes: float = 0.0
    failures: float = 0.0


def confidence(claim: Claim, record: PlaybookRecord) -> Confidence:
    """Return the posterior of a playbook for a kind of fault, from its author's claim and its runs."""
    from scipy.special import betaincinv  # a quarter of a second that only planning should pay

    won = max(claim.prior * claim.weight + record.successes, _LEAST)
    lost = max((1.0 - claim.prior) * claim.weight + record.failures, _LEAST)
    return Confidence(
        mean=won / (won + lost),
        floor=float(betaincinv(won, lost, FLOOR_MASS)),
        successes=record.successes,
        failures=record.failures,
    )
