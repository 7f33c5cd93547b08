"""From raw to calibrated probability: how often a verdict of such a posterior turned out to be right.

Posteriors of noisy-OR networks are no frequencies: witnesses are not independent, and what nobody thought
of is missing. So the log odds of the posterior go through a line (Platt, "Probabilistic outputs for support
vector machines", 1999), bent where they reach nine to one, since every network keeps a few hundredths for
the unthought-of and so never says much more; together with what tells a lucky fit from an understood
incident: how much evidence the first hypothesis leaves unexplained, on a log scale. The line is fitted on
incidents with a known cause, and is itself known only so well: it has a Gaussian posterior (Laplace's
approximation), and what is told is the mean over all lines that it holds possible (MacKay, "The evidence
framework applied to classification networks", 1992). Few labels mean a wide posterior, and probabilities
that keep away from certainty. Little quiet time widens it as well.

The shipped line was fitted on incidents that were not a site's own; how much it may differ from site to site
is its variance. A site's labels, one an incident whose cause people confirmed or corrected, move it by Bayes'
rule. It rises everywhere, so no order is ever changed. What the hypotheses leave is "none of these".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from math import log, pi

import numpy as np
from scipy.special import expit, logit

from causal.errors import MalformedSettings
from causal.evidence import Calibration, Label
from causal.telemetry import Floats

_EDGE = 1e-4
_PLENTY = 60.0
_UNKNOWN_TIME = 1.5
_FLATTEST = 0.05
_STEPS = 50
_ENOUGH = 20
_RIVALRY = 3
_STEEPEST = 4.0
_NINE_TO_ONE = log(9.0)
_CLOSE = 1e-10


@cache
def shipped() -> Calibration:
    """The line that comes with this engine, with its provenance."""
    text = files("causal").joinpath("calibration.json").read_text(encoding="utf-8")
    try:
        return Calibration.model_validate_json(text)
    except ValueError as error:
        raise MalformedSettings(str(error), where="causal/calibration.json") from error


def calibrated(
    raw: Sequence[float], unexplained: float, quiet_seconds: float, line: Calibration | None = None
) -> tuple[list[float], float]:
    """The calibrated probabilities in order, and what is left for "none of these"; together they are one.

    ``unexplained`` is the evidence (nats) that the first hypothesis does not explain.
    """
    if not raw:
        return [], 1.0
    chances = _moderated(features(raw, [unexplained] * len(raw)), quiet_seconds, line or shipped())
    shares = _together(chances).tolist()
    return shares, max(0.0, 1.0 - sum(shares))


def _together(chances: Floats) -> Floats:
    """Chances of which at most one can come true, at most one in all.

    The line was fitted on first hypotheses: the first keeps its chance and the others share what is left,
    unless one comes so near that they are rivals; equals are told to be equal.
    """
    total, rivals = float(chances.sum()), chances**_RIVALRY
    if total <= 1.0:
        return chances
    first = int(np.argmax(chances))
    if rivals[first] / rivals.sum() < chances[first]:
        return np.asarray(rivals / rivals.sum(), dtype=np.float64)
    others: Floats = chances * ((1.0 - chances[first]) / (total - chances[first]))
    others[first] = chances[first]
    return others


def told(line: Calibration) -> str:
    """On what the probabilities rest, in words."""
    own = line.site_labels
    if own >= _ENOUGH:
        site = f"and {own} incidents of this site whose cause became known"
    else:
        site = f"and only {own} of this site's own" if own else "and none of this site's own"
    return f"calibration {line.version}: {line.provenance}, {site}"


def refitted(prior: Calibration, labels: Sequence[Label]) -> Calibration:
    """The line after a site's labels, the most probable one and how sure that is; the prior is left alone."""
    if not labels:
        return prior
    x, y = columns(labels)
    weights, covariance = fit(x, y, np.array(prior.weights), np.array(prior.covariance))
    weights[1:3] = np.maximum(weights[1:3], [_FLATTEST, _FLATTEST - weights[1]])
    moved = {"weights": weights.tolist(), "covariance": covariance.tolist(), "site_labels": len(labels)}
    return Calibration.model_validate(prior.model_dump() | moved)


def fit(x: Floats, y: Floats, mean: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    """Newton's method for logistic regression with a Gaussian prior: the mode, and the covariance there.

    ``x`` has a row of features a label, ``y`` is 1 where the verdict was right.
    """
    precision, line = np.linalg.inv(covariance), mean.astype(np.float64)
    for _ in range(_STEPS):
        chance = expit(x @ line)
        slope = x.T @ (y - chance) - precision @ (line - mean)
        bend = x.T @ (x * (chance * (1.0 - chance))[:, None]) + precision
        step = np.linalg.solve(bend, slope)
        line = line + np.clip(step, -1.0, 1.0)
        if float(np.abs(step).max()) < _CLOSE:
            break
    chance = expit(x @ line)
    bend = x.T @ (x * (chance * (1.0 - chance))[:, None]) + precision
    return line, np.linalg.inv(bend)


def columns(labels: Sequence[Label]) -> tuple[Floats, Floats]:
    """What the line is fitted on: the features of each label, and whether it was right."""
    raw, left = [label.raw_probability for label in labels], [label.unexplained for label in labels]
    return features(raw, left), np.array([label.right for label in labels], dtype=np.float64)


def features(raw: Sequence[float], unexplained: Sequence[float]) -> Floats:
    """A one, log odds, the same above nine to one, and the log of the nats left unexplained."""
    odds = logit(np.clip(np.asarray(raw, dtype=np.float64), _EDGE, 1.0 - _EDGE))
    left = np.log1p(np.maximum(np.asarray(unexplained, dtype=np.float64), 0.0))
    return np.column_stack([np.ones(len(odds)), odds, np.maximum(odds - _NINE_TO_ONE, 0.0), left])


def _moderated(x: Floats, quiet_seconds: float, line: Calibration) -> Floats:
    """The chance averaged over all lines that are possible: the wider, the nearer to even."""
    unknown = _UNKNOWN_TIME * (1.0 - min(1.0, quiet_seconds / _PLENTY)) ** 2
    # One width for all, that of the mean label: a width of each one's own could turn the order of two around.
    at = np.array(line.at)
    width = max(0.0, float(at @ np.array(line.covariance) @ at)) + unknown
    told, odds = x @ np.array(line.weights) / np.sqrt(1.0 + pi * width / 8.0), x[:, 1]
    # What the network holds to be unlikely stays so, and what it holds to be even stays even.
    never_turned_round = np.minimum(told, np.where(odds > 0.0, _STEEPEST * odds, odds))
    return np.asarray(expit(never_turned_round), dtype=np.float64)
