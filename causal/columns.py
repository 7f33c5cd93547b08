"""Group-by on columns of integers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from causal.telemetry import Ints


def grouped(*columns: NDArray[np.integer] | NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Number the distinct rows of integer columns: (first row of each group, group of each row)."""
    key = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        values, codes = np.unique(column, return_inverse=True)
        key = key * max(len(values), 1) + codes
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    return first.astype(np.int64), group.astype(np.int64)
