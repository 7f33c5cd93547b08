"""The two comparisons that the signals share: has a share changed, has a time changed.

Both look at groups of requests (an operation of a service, a call from one service to another), learn
from quiet stretches how much the group varies by itself, and return evidence in nats together with an
amount: extra requests, extra seconds. Amounts add up along the call graph where rates do not (an
operation seen by few requests has an impressive rate and a small amount). An amount is *credible* where
it exceeds twice its own noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from causal import bayes_factors
from causal.columns import grouped
from causal.telemetry import Flags, Floats, Ints

_MOST = 200.0
_FEW = 3
_UNLEARNED = 0.05
_FLOOR = 0.02
_CREDIBLE = 2.0
_LEAST_SPREAD = 0.1


@dataclass(frozen=True, eq=False)
class Groups:
    """Rows to compare: the group of each (0 to ``size`` - 1), its window and its stretch of time."""

    group: Ints
    size: int
    late: Flags
    stretch: Ints

    def take(self, rows: Flags | Ints) -> Groups:
        """Some of the rows."""
        return Groups(self.group[rows], self.size, self.late[rows], self.stretch[rows])

    def count(self, which: Flags) -> Floats:
        """How many of the chosen rows each group has."""
        return np.bincount(self.group[which], minlength=self.size).astype(np.float64)

    def total(self, values: Floats | Ints, which: Flags) -> Floats:
        """The sum over each group's chosen rows."""
        return np.bincount(self.group[which], values[which], minlength=self.size).astype(np.float64)

    def mean(self, values: Floats, which: Flags) -> Floats:
        """The mean over each group's chosen rows; zero where there are none."""
        return np.asarray(self.total(values, which) / np.maximum(self.count(which), 1.0), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Change:
    """One row a group: evidence, credible amount, counts and levels in quiet time and now."""

    evidence: Floats
    amount: Floats
    n_quiet: Floats
    n_now: Floats
    before: Floats
    now: Floats


def times(seconds: Floats, rows: Groups, offset: float) -> Change:
    """Compare times on a log scale (in units above ``offset`` seconds); amounts are in seconds."""
    quiet, log_time = ~rows.late, np.log(seconds + offset)
    n_quiet, n_now = rows.count(quiet), rows.count(rows.late)
    log_before, log_now = rows.mean(log_time, quiet), rows.mean(log_time, rows.late)
    within = rows.mean((log_time - log_before[rows.group]) ** 2, quiet)
    between, stretches = _between(log_time[quiet], rows.take(quiet), within)
    noise = between + within / np.maximum(n_now, 1.0) + within / np.maximum(n_quiet, 1.0) + _FLOOR
    evidence = bayes_factors.student_t(
        (log_now - log_before) / np.sqrt(noise), np.maximum(stretches - 1.0, 2.0)
    )
    before, now = rows.mean(seconds, quiet), rows.mean(seconds, rows.late)
    spread = np.maximum(rows.mean((seconds - before[rows.group]) ** 2, quiet), before**2 * _LEAST_SPREAD)
    excess = n_now * (now - before)
    return _change(evidence, excess, spread, (n_quiet, n_now), (before, now))


def shares(held: Flags, rows: Groups) -> Change:
    """Compare the shares of rows that hold something; amounts are in rows."""
    first, cell = grouped(rows.group, rows.stretch, rows.late.astype(np.int64))
    k = np.bincount(cell, held, minlength=len(first)).astype(np.int64)
    n = np.bincount(cell, minlength=len(first)).astype(np.int64)
    return tallied(k, n, rows.take(first))


def tallied(held: Ints, of: Ints, cells: Groups) -> Change:
    """Compare shares that have been counted: one row a group and stretch, ``held`` of ``of`` requests."""
    quiet = ~cells.late
    k_quiet, n_quiet = cells.total(held, quiet), cells.total(of, quiet)
    k_now, n_now = cells.total(held, cells.late), cells.total(of, cells.late)
    clustering = bayes_factors.concentration(held[quiet], of[quiet], cells.group[quiet], cells.size)
    evidence = bayes_factors.beta_binomial(k_quiet, n_quiet, k_now, n_now, np.minimum(clustering, _MOST))
    before, now = k_quiet / np.maximum(n_quiet, 1.0), k_now / np.maximum(n_now, 1.0)
    usual = (k_quiet + 0.5) / (n_quiet + 1.0)
    excess = np.abs(k_now - n_now * before)
    return _change(evidence, excess, usual * (1 - usual), (n_quiet, n_now), (before, now))


def _change(
    evidence: Floats,
    excess: Floats,
    variance: Floats,
    n: tuple[Floats, Floats],
    levels: tuple[Floats, Floats],
) -> Change:
    """Nothing is said of groups that were not seen in both times."""
    n_quiet, n_now = n
    doubt = n_now * np.sqrt(variance * (1.0 / np.maximum(n_now, 1.0) + 1.0 / np.maximum(n_quiet, 1.0)))
    known = (n_quiet >= _FEW) & (n_now > 0)
    amount = np.where(known, np.maximum(excess - _CREDIBLE * doubt, 0.0), 0.0)
    return Change(np.where(known, evidence, 0.0), amount, n_quiet, n_now, *levels)


def _between(values: Floats, rows: Groups, within: Floats) -> tuple[Floats, Floats]:
    """Variance between quiet stretches beyond sampling error, and how many stretches there are."""
    first, cell = grouped(rows.group, rows.stretch)
    n = np.bincount(cell, minlength=len(first))
    full = np.flatnonzero(n >= _FEW)
    owner = rows.group[first[full]]
    means = np.bincount(cell, values, minlength=len(first))[full] / n[full]

    def total(of: Floats) -> Floats:
        return np.bincount(owner, of, minlength=rows.size).astype(np.float64)

    stretches = total(np.ones(len(full)))
    centre = total(means) / np.maximum(stretches, 1.0)
    spread = total((means - centre[owner]) ** 2) / np.maximum(stretches - 1.0, 1.0)
    sampling = total(within[owner] / n[full]) / np.maximum(stretches, 1.0)
    return np.where(stretches >= _FEW, np.maximum(spread - sampling, 0.0), _UNLEARNED), stretches
