"""How far a playbook can be trusted with a kind of fault: a Beta posterior, shrunk across services.

Whether a run brings recovery is a coin of unknown bias; its conjugate prior is a Beta distribution. The
author's claim counts as ``prior * weight`` successes and ``(1 - prior) * weight`` failures seen beforehand,
the record of runs is added to it (Gelman et al., Bayesian Data Analysis, 3rd ed., section 2.4). Decisions
rest on the lower end of the one-sided 95 % credible interval: what is little known is little trusted.

The bias differs from service to service, and is alike in most: a hierarchy (the same, ch. 5; Efron and
Morris, "Stein's estimation rule and its competitors", JASA 68, 1973). What is known from all other services
is the prior for one of them, worth ``ELSEWHERE`` runs at most, however many they were. That weight is fixed
and not estimated by empirical Bayes, because the spread between services can only be estimated from many
services with many runs each, which hardly a site has; twenty runs are what a spread of a tenth around a
chance of seven tenths amounts to (0.7 x 0.3 / 0.1^2 - 1). So a playbook that failed here is not saved by its
fame elsewhere, and one that is new here begins with what is known of it.
"""

from __future__ import annotations

from causal.evidence import Fact, Fault, PlaybookRecord, Priors, Probability
from causal.learn import aged
from playbooks.remedy import Claim

FLOOR_MASS = 0.05
ELSEWHERE = 20.0
_LEAST = 1e-6  # keeps the distribution proper where a claim is certain


class Confidence(Fact):
    """The chance that a run brings recovery: its mean, and the value that it exceeds with 95 % belief.

    From ``floor`` to ``ceiling`` is the central 90 % credible interval.
    """

    mean: Probability
    floor: Probability
    ceiling: Probability = 1.0
    successes: float = 0.0
    failures: float = 0.0


def confidence(claim: Claim, record: PlaybookRecord) -> Confidence:
    """Return the posterior of a playbook for a kind of fault, from its author's claim and its runs."""
    return _posterior(*_with_claim(claim, record.successes, record.failures), record)


def confidence_on(
    claim: Claim, priors: Priors, playbook: str, fault: Fault, service: str, *, at: float
) -> Confidence:
    """Return the posterior for one service, from its own runs and all others', as they stand at a moment."""
    everywhere = aged(priors.record(playbook, fault), at)
    here = aged(priors.record(playbook, fault, service), at)
    won, lost = _with_claim(
        claim,
        max(everywhere.successes - here.successes, 0.0),
        max(everywhere.failures - here.failures, 0.0),
    )
    worth = min(1.0, ELSEWHERE / (won + lost))
    return _posterior(won * worth + here.successes, lost * worth + here.failures, here)


def _with_claim(claim: Claim, successes: float, failures: float) -> tuple[float, float]:
    return claim.prior * claim.weight + successes, (1.0 - claim.prior) * claim.weight + failures


def _posterior(won: float, lost: float, record: PlaybookRecord) -> Confidence:
    from scipy.special import betaincinv  # a quarter of a second that only planning should pay

    won, lost = max(won, _LEAST), max(lost, _LEAST)
    return Confidence(
        mean=won / (won + lost),
        floor=float(betaincinv(won, lost, FLOOR_MASS)),
        ceiling=float(betaincinv(won, lost, 1.0 - FLOOR_MASS)),
        successes=record.successes,
        failures=record.failures,
    )
