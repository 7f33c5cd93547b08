"""Running totals turned into rates: growth per second between two exports of one stream.

A cumulative counter says only how much there has been since its process started. Kept as it is, it rises for
ever and looks like trouble for ever. So it is written down under a marked name, and turned into a rate when
it is read, where the export before it is at hand. A total that falls was restarted: what it shows is all
new.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from causal.telemetry import Floats, Ints
from integrations.arrow import METRICS

__all__ = ["COUNT", "LOOK_BACK", "MARK", "SUM", "TOTAL", "rates"]

# A control character, so that no honest metric's name begins with it.
MARK = "\x1f"
TOTAL, COUNT, SUM = MARK + "t", MARK + "c", MARK + "s"
LOOK_BACK = 120.0
"""Seconds before a window in which the export before its first one is looked for."""

_MARK = 2


def rates(metrics: pa.Table) -> pa.Table:
    """Replace marked totals by rates and means; a stream's first export has nothing before it and is gone."""
    kind = pc.utf8_slice_codeunits(metrics["metric"], 0, _MARK)
    marked = pc.is_in(kind, value_set=pa.array([TOTAL, COUNT, SUM]))
    if not pc.any(marked).as_py():
        return metrics
    totals = {mark: _growth(metrics.filter(pc.equal(kind, mark))) for mark in (TOTAL, COUNT, SUM)}
    rows, grown, seconds = totals[TOTAL]
    return pa.concat_tables(
        [
            metrics.filter(pc.invert(marked)),
            _with_values(rows, grown / seconds),
            _means(totals[COUNT], totals[SUM]),
        ]
    )


Growth = tuple[pa.Table, Floats, Floats]


def _growth(totals: pa.Table) -> Growth:
    """Each export but a stream's first, by how much it grew, and within how many seconds."""
    streams = _streams(totals)
    moments, values = _reals(totals["time_unix"]), _reals(totals["value"])
    order = np.lexsort((moments, streams))
    streams, moments, values = streams[order], moments[order], values[order]
    seconds, grown = np.diff(moments), np.diff(values)
    follows = (np.diff(streams) == 0) & (seconds > 0)
    grown = np.where(grown < 0, values[1:], grown)
    rows = totals.take(pa.array(order[1:][follows]))
    return rows, grown[follows], seconds[follows]


def _streams(totals: pa.Table) -> Ints:
    """A number for each stream: service, instance and metric."""
    numbers = np.zeros(totals.num_rows, dtype=np.int64)
    for name in ("service", "instance", "metric"):
        texts = pc.fill_null(totals[name], "").combine_chunks().dictionary_encode()
        codes = texts.indices.to_numpy(zero_copy_only=False)
        numbers = np.unique(numbers * (len(texts.dictionary) + 1) + codes, return_inverse=True)[1]
    return numbers.astype(np.int64)


def _means(counts: Growth, sums: Growth) -> pa.Table:
    """Sum over count, where both grew in the same export."""
    counted = _with_values(counts[0], counts[1])
    summed = _with_values(sums[0], sums[1])
    keys = ["time_unix", "service", "metric"]
    both = counted.append_column("who", pc.fill_null(counted["instance"], "")).join(
        summed.append_column("who", pc.fill_null(summed["instance"], "")).drop_columns("instance"),
        keys=[*keys, "who"],
        join_type="inner",
        right_suffix="_sum",
    )
    both = both.filter(pc.greater(both["value"], 0))
    means = pc.divide(both["value_sum"], both["value"])
    return (
        both.set_column(both.column_names.index("value"), "value", means).select(METRICS.names).cast(METRICS)
    )


def _with_values(rows: pa.Table, values: Floats) -> pa.Table:
    """The rows under their honest names, with new values."""
    named = pc.utf8_slice_codeunits(rows["metric"], _MARK)
    metric, value = METRICS.names.index("metric"), METRICS.names.index("value")
    return rows.set_column(metric, METRICS.field(metric), named).set_column(
        value, METRICS.field(value), pa.chunked_array([pa.array(values, pa.float64())])
    )


def _reals(values: pa.ChunkedArray) -> Floats:
    reals: Floats = np.asarray(values.to_numpy(), dtype=np.float64)
    return reals
