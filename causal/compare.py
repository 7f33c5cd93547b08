"""The two comparisons that the signals share: has a share changed, has a time changed.

Both look at groups of requests (an operation of a service, a call from one service to another), learn
from quiet stretches how much the group varies by itself, and return evidence in nats together with an
amount: extra requests, extra seconds. Amounts add up along the call graph where rates do not (an
operation seen by few requests has an impressive rate and a small amount). An amount is *credible* where
it exceeds twice its own noise.

What is compared are sums, group by group and stretch by stretch (`Sums`, `Counts`): rows are added up once,
and what the quiet profile remembers of earlier hours is set beside them in the same shape.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

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
class _Stretches:
    """A row a group and a column a stretch of time; ``late`` tells which stretches are of the incident."""

    late: Flags

    def beside(self, other: Self) -> Self:
        """The stretches of both, those of the other first."""
        kept = {}
        for field in fields(self):
            pair = getattr(other, field.name), getattr(self, field.name)
            kept[field.name] = np.concatenate(pair, axis=pair[0].ndim - 1)
        return type(self)(**kept)


@dataclass(frozen=True, eq=False)
class Sums(_Stretches):
    """Times: how many, the sums of their logarithms and of seconds, and of the squares of both."""

    n: Floats
    log: Floats
    log_squares: Floats
    total: Floats
    squares: Floats


@dataclass(frozen=True, eq=False)
class Counts(_Stretches):
    """Requests: how many there were, and how many of them held something."""

    n: Floats
    held: Floats

    def take(self, rows: Flags | Ints) -> Self:
        """Some of the groups."""
        return type(self)(self.late, self.n[rows], self.held[rows])


@dataclass(frozen=True, eq=False)
class Change:
    """One row a group: evidence, credible amount, counts and levels in quiet time and now."""

    evidence: Floats
    amount: Floats
    n_quiet: Floats
    n_now: Floats
    before: Floats
    now: Floats


def sums(seconds: Floats, rows: Groups, offset: float) -> Sums:
    """Add up times; their logarithms are taken in units above ``offset`` seconds."""
    log_time = np.log(seconds + offset)
    late, cell = _cells(rows)
    shape = rows.size, len(late)

    def added(values: Floats | None) -> Floats:
        return np.bincount(cell, values, minlength=shape[0] * shape[1]).astype(np.float64).reshape(shape)

    return Sums(late, added(None), *(added(v) for v in (log_time, log_time**2, seconds, seconds**2)))


def counts(held: Flags, rows: Groups) -> Counts:
    """Count requests, and those that hold something."""
    late, cell = _cells(rows)
    shape = rows.size, len(late)
    n, k = (np.bincount(cell, w, minlength=shape[0] * shape[1]).reshape(shape) for w in (None, held))
    return Counts(late, n.astype(np.float64), k.astype(np.float64))


def times(seconds: Floats, rows: Groups, offset: float) -> Change:
    """Compare times on a log scale (in units above ``offset`` seconds); amounts are in seconds."""
    return slower(sums(seconds, rows, offset))


def shares(held: Flags, rows: Groups) -> Change:
    """Compare the shares of rows that hold something; amounts are in rows."""
    return commoner(counts(held, rows))


def slower(table: Sums) -> Change:
    """Compare times that have been added up; amounts are in seconds."""
    quiet = ~table.late
    n_quiet, n_now = (table.n[:, which].sum(axis=1) for which in (quiet, table.late))
    log_before, within = _moments(table.log[:, quiet], table.log_squares[:, quiet], n_quiet)
    log_now, _ = _moments(table.log[:, table.late], table.log_squares[:, table.late], n_now)
    between, freedom = _moderated(*_between(table.n[:, quiet], table.log[:, quiet], within))
    noise = between + within / np.maximum(n_now, 1.0) + within / np.maximum(n_quiet, 1.0) + _FLOOR
    evidence = bayes_factors.student_t((log_now - log_before) / np.sqrt(noise), freedom)
    before, spread = _moments(table.total[:, quiet], table.squares[:, quiet], n_quiet)
    now, _ = _moments(table.total[:, table.late], table.squares[:, table.late], n_now)
    spread = np.maximum(spread, before**2 * _LEAST_SPREAD)
    return _change(evidence, n_now * (now - before), spread, (n_quiet, n_now), (before, now))


def commoner(table: Counts, *, alike: bool = False) -> Change:
    """Compare shares that have been counted; amounts are in requests.

    ``alike`` says that what happens in bursts in one group may do so in any other.
    """
    quiet = ~table.late
    n_quiet, n_now = (table.n[:, which].sum(axis=1) for which in (quiet, table.late))
    k_quiet, k_now = (table.held[:, which].sum(axis=1) for which in (quiet, table.late))
    before_now = table.held[:, quiet], table.n[:, quiet]
    spread = bayes_factors.common_spread(*before_now) if alike else 1.0
    clustering = bayes_factors.concentration(*before_now, spread)
    evidence = bayes_factors.beta_binomial(k_quiet, n_quiet, k_now, n_now, np.minimum(clustering, _MOST))
    before, now = k_quiet / np.maximum(n_quiet, 1.0), k_now / np.maximum(n_now, 1.0)
    usual = (k_quiet + 0.5) / (n_quiet + 1.0)
    excess = np.abs(k_now - n_now * before)
    return _change(evidence, excess, usual * (1 - usual), (n_quiet, n_now), (before, now))


def tallied(held: Ints, of: Ints, cells: Groups) -> Change:
    """Compare shares that have been counted: one row a group and stretch, ``held`` of ``of`` requests."""
    late, cell = _cells(cells)
    shape = cells.size, len(late)
    n, k = (np.bincount(cell, w, minlength=shape[0] * shape[1]).reshape(shape) for w in (of, held))
    return commoner(Counts(late, n.astype(np.float64), k.astype(np.float64)))


def _cells(rows: Groups) -> tuple[Flags, Ints]:
    """The stretches that rows lie in, and the place of each row in a table of groups x stretches."""
    first, slot = grouped(rows.stretch, rows.late)
    return rows.late[first], rows.group * len(first) + slot


def _moments(sums: Floats, squares: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of each group's values, from their sums."""
    mean = sums.sum(axis=1) / np.maximum(n, 1.0)
    return mean, np.maximum(squares.sum(axis=1) / np.maximum(n, 1.0) - mean**2, 0.0)


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


def _moderated(between: Floats, stretches: Floats) -> tuple[Floats, Floats]:
    """Each group's variance between stretches, drawn towards that of all groups; and its degrees of freedom.

    A group with few stretches can be calm or wild by chance; its likes tell what is usual (Smyth, "Linear
    models and empirical Bayes methods for assessing differential expression", 2004). They weigh as much as
    the fewest stretches that speak for themselves, and never more than there were stretches to see.
    """
    own = np.where(stretches >= _FEW, stretches - 1.0, 0.0)
    if not own.any():
        return between, np.full(len(between), 2.0)
    others = min(float(_FEW), float(own.max()))
    usual = float((own * between).sum() / own.sum())
    freedom = own + others
    return (own * between + others * usual) / freedom, np.maximum(freedom, 2.0)


def _between(n: Floats, log: Floats, within: Floats) -> tuple[Floats, Floats]:
    """Variance between quiet stretches beyond sampling error, and how many stretches there are."""
    full = n >= _FEW
    means = np.where(full, log / np.maximum(n, 1.0), 0.0)
    stretches = full.sum(axis=1).astype(np.float64)
    centre = means.sum(axis=1) / np.maximum(stretches, 1.0)
    away = np.where(full, means - centre[:, None], 0.0)
    spread = (away**2).sum(axis=1) / np.maximum(stretches - 1.0, 1.0)
    sampling = np.where(full, within[:, None] / np.maximum(n, 1.0), 0.0).sum(axis=1)
    beyond = np.maximum(spread - sampling / np.maximum(stretches, 1.0), 0.0)
    return np.where(stretches >= _FEW, beyond, _UNLEARNED), stretches
