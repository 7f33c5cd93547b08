"""Group-by on columns of integers.

Codes are small numbers, so most keys of groups fit a table that is a few times as long as the column: then
groups are counted, not sorted. What must be sorted is sorted as one integer, the row in its lower bits:
stable, and several times as fast as sorting row numbers by a key.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from causal.telemetry import Flags, Ints

_ROOMY = 4
_BITS = 63


def grouped(*columns: NDArray[np.integer] | Flags) -> tuple[Ints, Ints]:
    """Number the distinct rows of integer columns: (first row of each group, group of each row)."""
    key, size = np.zeros(len(columns[0]), dtype=np.int64), 1
    for column in columns:
        codes, span = _offsets(column)
        if size * span >= 1 << _BITS:
            key, size = _ranks(key)
            codes, span = _ranks(codes)
        key, size = key * span + codes, size * span
    if size <= _ROOMY * len(key) + 1:
        return _counted(key, size)
    order = by_key(key)
    return _numbered(key, order)


def by_key(key: Ints) -> Ints:
    """The rows in order of a key of non-negative integers; rows of equal keys stay in their order."""
    bits = max(len(key) - 1, 0).bit_length()
    if not len(key) or int(key.max()) >> (_BITS - bits):
        return np.argsort(key, kind="stable")
    packed = (key << bits) | np.arange(len(key), dtype=np.int64)
    packed.sort()
    return packed & ((1 << bits) - 1)


def _offsets(column: NDArray[np.integer] | Flags) -> tuple[Ints, int]:
    """A column counted from its smallest value on, and how many values that can be."""
    if not len(column):
        return np.zeros(0, dtype=np.int64), 1
    values = column.astype(np.int64)
    least, most = int(values.min()), int(values.max())
    return (values - least, most - least + 1) if most - least < 1 << _BITS - 1 else _ranks(values)


def _ranks(values: Ints) -> tuple[Ints, int]:
    known, rank = np.unique(values, return_inverse=True)
    return rank.astype(np.int64), max(len(known), 1)


def _counted(key: Ints, size: int) -> tuple[Ints, Ints]:
    first = np.full(size, -1, dtype=np.int64)
    first[key[::-1]] = np.arange(len(key) - 1, -1, -1)
    taken = first >= 0
    number = np.cumsum(taken) - 1
    return first[taken], number[key]


def _numbered(key: Ints, order: Ints) -> tuple[Ints, Ints]:
    values = key[order]
    begins = np.ones(len(values), dtype=np.bool_)
    begins[1:] = values[1:] != values[:-1]
    group = np.empty(len(values), dtype=np.int64)
    group[order] = np.cumsum(begins) - 1
    return order[begins], group
