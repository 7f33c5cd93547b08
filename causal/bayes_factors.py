"""Evidence in one currency: log Bayes factors, in nats.

Each weighs "changed" against "as variable as quiet time shows".

*Shares* (failed requests, slow requests, requests that hold an event) are judged by a beta-binomial: in
quiet time the share of a stretch is a draw around the quiet share whose concentration comes from how much
quiet stretches differ (method of moments on the ratio of sums; a mean of ratios explodes on rare events).
"Changed" is Jeffreys' Beta(1/2, 1/2): any share (Kass and Raftery, "Bayes factors", JASA 1995).

*Times and series* are judged by a scale-free Student t: with few quiet stretches tails are heavy, so that
a big deviation says less (Gelman et al., Bayesian Data Analysis, ch. 3 and 17).

A Bayes factor is non-negative with mean one while nothing has changed, so by Markov's inequality P(log BF
> t | quiet) <= exp(-t); Ville's inequality extends that to looking at every tick (Ville 1939; Grunwald,
de Heide, Koolen, "Safe testing", 2024). Thresholds follow from that alone: no weight here is fitted to
anything.
"""

from __future__ import annotations

from math import log
from typing import cast

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln, logsumexp

from causal.telemetry import Floats

WIDEST, TIGHTEST = 2.0, 2000.0
_SOFTENER = 0.01
_HALF_LOG_TAU = 0.5 * log(2 * np.pi)


def threshold(tests: int, alpha: float) -> float:
    """The evidence that ``tests`` simultaneous quiet comparisons exceed with probability alpha at most."""
    return log(max(tests, 1) / alpha)


def beta_binomial(
    k_quiet: ArrayLike, n_quiet: ArrayLike, k_now: ArrayLike, n_now: ArrayLike, concentration: ArrayLike
) -> Floats:
    """Log BF that k of n are held now, given those of quiet time and how strongly quiet shares cluster."""
    kq, nq, kn, nn = (np.asarray(a, dtype=np.float64) for a in (k_quiet, n_quiet, k_now, n_now))
    share = (kq + 0.5) / (nq + 1.0)
    weight = 1.0 / (1.0 / np.asarray(concentration, dtype=np.float64) + 1.0 / np.maximum(nq, 1.0))
    a, b = share * weight + _SOFTENER, (1.0 - share) * weight + _SOFTENER
    changed = betaln(0.5 + kn, 0.5 + nn - kn) - betaln(0.5, 0.5)
    quiet = betaln(a + kn, b + nn - kn) - betaln(a, b)
    return cast("Floats", changed - quiet)


def concentration(k: ArrayLike, n: ArrayLike, spread: float = 1.0) -> Floats:
    """How strongly the shares k/n of quiet stretches (the last axis) cluster: large is chance, 2 is wild.

    ``spread`` is what is taken for granted of a row that tells nothing itself (1: pure chance), with the
    weight of one expected event.
    """
    n = np.asarray(n, dtype=np.float64)
    away, expected = _dispersion(k, n)
    spreads = (away + spread) / (expected + 1.0)
    size = (n**2).sum(axis=-1) / np.maximum(n.sum(axis=-1), 1.0)
    return cast("Floats", np.clip((size - 1.0) / np.maximum(spreads - 1.0, 1e-9) - 1.0, WIDEST, TIGHTEST))


def common_spread(k: ArrayLike, n: ArrayLike) -> float:
    """How many times as much as by pure chance the shares of all rows together spread; at least 1.

    A row in which nothing ever happened tells nothing about how it would happen; its likes do (Robinson
    and Smyth, "Moderated statistical tests for assessing differences in tag abundance", 2007).
    """
    away, expected = _dispersion(k, np.asarray(n, dtype=np.float64))
    return max(1.0, float((away.sum() + 1.0) / (expected.sum() + 1.0)))


def _dispersion(k: ArrayLike, n: Floats) -> tuple[Floats, Floats]:
    """Squared deviations of the counts from their row's share, and what pure chance would make of them."""
    held, total = np.asarray(k, dtype=np.float64), n.sum(axis=-1)
    share = ((held.sum(axis=-1) + 0.5) / (total + 1.0))[..., np.newaxis]
    away = ((held - n * share) ** 2).sum(axis=-1)
    return cast("Floats", away), cast("Floats", (n * share * (1.0 - share)).sum(axis=-1))


def student_t(z: ArrayLike, freedom: ArrayLike) -> Floats:
    """Log BF of a rise by z deviations, learned from ``freedom`` + 1 quiet stretches."""
    rise = np.maximum(np.asarray(z, dtype=np.float64), 0.0)
    nu = np.asarray(freedom, dtype=np.float64)
    return (nu + 1.0) / 2.0 * np.log1p(rise**2 / nu) - _HALF_LOG_TAU


def average(evidence: ArrayLike) -> float:
    """One witness of several voices: the log of the mean Bayes factor."""
    voices = np.asarray(evidence, dtype=np.float64)
    return float(logsumexp(voices) - log(len(voices))) if len(voices) else 0.0


def maybe(evidence: float) -> float:
    """Evidence of a kind that a fault may or may not show: never worse than -ln 2."""
    return float(np.logaddexp(0.0, evidence) - log(2.0))
