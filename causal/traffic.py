"""Traffic as the watch sees it, and what quiet time says about each share of it that must not rise.

A share (failed requests, requests slower than quiet time's median) is learned from quiet buckets: its
level, and how much buckets and longer stretches differ among themselves. Slow waves only show in long
stretches, so clustering is taken from whichever length of stretch is wildest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from causal import bayes_factors
from causal.evidence import Fact, Window
from causal.rollup import Rollup, edges
from causal.telemetry import Flags, Floats, Ints

QUANTILES = (0.5, 0.9, 0.99)
COMPARISONS = len(QUANTILES) + 2
_CALM = 0.95
_STRETCHES = (1, 4, 12)
_BINS = 1024


class Detector(Fact):
    """Settings of the watch.

    ``recent`` (s) is what is judged, and if it shows nothing, the last ``patient`` (s); ``lag`` (s)
    is how late telemetry may come; ``memory`` (s) is how far back quiet time is learned from, but
    for the latest ``guard`` (s), in which trouble may go unseen; ``learn`` (s) and ``requests``
    (count) are the least quiet time and traffic to compare with; ``alpha`` is the chance of a false
    alarm a look. Material is a failed share that rises by ``share``, or a latency quantile that
    rises by the factor ``times``, by ``seconds`` (s) and for a further ``slower`` of the requests;
    ``young`` is added to the factor per minute^-1 of quiet time, because little quiet time shows
    few of the system's moods. ``buckets`` of the recent ones must show it.
    """

    recent: float = 20.0
    patient: float = 60.0
    lag: float = 3.0
    memory: float = 3600.0
    guard: float = 90.0
    learn: float = 30.0
    requests: int = 30
    alpha: float = 1e-4
    share: float = 0.02
    slower: float = 0.05
    times: float = 1.3
    young: float = 0.5
    seconds: float = 0.01
    buckets: int = 2


@dataclass(frozen=True, eq=False)
class Traffic:
    """A rollup as tables of service by bucket; ``starts`` are the buckets' beginnings, oldest first."""

    rollup: Rollup
    starts: Floats
    n: Ints
    errors: Ints

    @classmethod
    def of(cls, rollup: Rollup, throughout: Ints | None = None) -> Traffic:
        """Spread a rollup out; the buckets ``throughout`` are there also where nobody had a request."""
        more = rollup.bucket[:0] if throughout is None else throughout
        buckets, place = np.unique(np.concatenate([rollup.bucket, more]), return_inverse=True)
        place = place[: len(rollup.bucket)]
        n = np.zeros((len(rollup.names), len(buckets)), dtype=np.int64)
        errors = np.zeros_like(n)
        n[rollup.service, place] = rollup.n
        errors[rollup.service, place] = rollup.errors
        return cls(rollup, (buckets * rollup.seconds).astype(np.float64), n, errors)

    def within(self, window: Window) -> Flags:
        """The buckets that lie in a window as a whole."""
        return (self.starts >= window.start) & (self.starts + self.rollup.seconds <= window.end)

    def slower(self, service: int, latest_bin: int) -> Ints:
        """Per bucket, how many requests fell into a latency bin above ``latest_bin``."""
        rollup = self.rollup
        mine = (rollup.service[rollup.bin_row] == service) & (rollup.bin > latest_bin)
        at = np.searchsorted(self.starts, rollup.bucket[rollup.bin_row[mine]] * rollup.seconds)
        return np.bincount(at, rollup.count[mine], minlength=len(self.starts)).astype(np.int64)

    def latencies(self, service: int, chosen: Flags) -> Ints:
        """Counts by latency bin over the chosen buckets."""
        rollup = self.rollup
        at = np.searchsorted(self.starts, rollup.bucket[rollup.bin_row] * rollup.seconds)
        mine = (rollup.service[rollup.bin_row] == service) & chosen[at]
        return np.bincount(rollup.bin[mine], rollup.count[mine], minlength=1).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Property:
    """Something that a request may have, counted per bucket, and when having it is material.

    ``held`` counts the requests that have it, ``beyond`` those that have it to a material degree; a
    stretch is material when the share of ``beyond`` reaches ``bar`` and that of ``held`` rises by
    ``least``.
    """

    signal: str
    held: Ints
    beyond: Ints
    least: float
    bar: float = 0.0
    quantile: float = 0.0
    usual: float = 0.0


@dataclass(frozen=True, eq=False)
class Share:
    """The share of a service's requests that have a property, with what quiet time says about it."""

    service: str
    of: Property
    n: Ints
    k_quiet: int
    n_quiet: int
    clustering: float

    @property
    def before(self) -> float:
        """The share in quiet time."""
        return self.k_quiet / max(self.n_quiet, 1)

    def risen(self, chosen: Ints) -> Floats:
        """Evidence, per row of bucket positions, that the share has risen materially there (else 0)."""
        n, held, beyond = (counts[chosen].sum(axis=-1) for counts in (self.n, self.of.held, self.of.beyond))
        of = np.maximum(n, 1)
        evidence = bayes_factors.beta_binomial(self.k_quiet, self.n_quiet, held, n, self.clustering)
        material = (held / of - self.before >= self.of.least) & (beyond / of >= self.of.bar) & (n > 0)
        return np.where(material, np.maximum(evidence, 0.0), 0.0)


def learn(traffic: Traffic, quiet: Flags, detector: Detector) -> list[Share]:
    """Every share of every service that has enough quiet traffic to learn from."""
    shares = []
    for service, name in enumerate(traffic.rollup.names):
        n = traffic.n[service]
        taught = quiet & (n > 0)
        enough = taught.sum() * traffic.rollup.seconds >= detector.learn
        if enough and n[taught].sum() >= detector.requests:
            shares += [
                _share(name, each, n, taught) for each in _properties(traffic, service, taught, detector)
            ]
    return shares


def _properties(traffic: Traffic, service: int, taught: Flags, detector: Detector) -> Iterator[Property]:
    errors = traffic.errors[service]
    yield Property("errors", errors, errors, detector.share)
    ranks = np.cumsum(traffic.latencies(service, taught))
    minutes = float(taught.sum()) * traffic.rollup.seconds / 60.0
    times = detector.times + detector.young / minutes
    for quantile in QUANTILES:
        usual = int(np.searchsorted(ranks, quantile * ranks[-1]))
        seconds = float(edges(np.array([usual]))[0])
        bad = max(seconds * times, seconds + detector.seconds)
        far = int(np.searchsorted(edges(np.arange(_BINS)), bad))
        slower, beyond = traffic.slower(service, usual), traffic.slower(service, far)
        yield Property("latency", slower, beyond, detector.slower, 1.0 - quantile, quantile, seconds)


def _share(service: str, of: Property, n: Ints, taught: Flags) -> Share:
    held, among = of.held[taught], n[taught]
    calmed = _without_outliers(held, among)
    clustering = min(_clustering(calmed, among, size) for size in _STRETCHES)
    return Share(service, of, n, int(held.sum()), int(among.sum()), clustering)


def _without_outliers(held: Ints, n: Ints) -> Floats:
    """Counts whose wildest twentieth is no further from the mean share than the rest (winsorized).

    One bad moment in an hour is an incident that nobody was told of; learned as usual, it would make the
    watch deaf to the next one. What happens more often than one time in twenty is usual.
    """
    share = (held.sum() + 0.5) / (n.sum() + 1.0)
    deviation = np.sqrt(n * share * (1.0 - share))
    far = (held - n * share) / deviation
    limit = float(np.quantile(np.abs(far), _CALM))
    calmed: Floats = n * share + np.clip(far, -limit, limit) * deviation
    return calmed


def _clustering(held: Floats, n: Ints, size: int) -> float:
    stretch = np.arange(len(n)) // size
    k, of = (np.bincount(stretch, counts) for counts in (held, n))
    return float(bayes_factors.concentration(k, of))
