"""A case as published methods are handed it: three Parquet tables and a few words, and no truth.

They split time at one moment and know nothing of a reference from another day. So quiet rows from elsewhere
are moved, all by the same time, to lie just before what the case has of its own.
"""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from causal.evidence import Alert
from causal.telemetry import Flags, Ints, Telemetry
from integrations.arrow import nanoseconds, times, to_arrow

_SECOND = 1_000_000_000


def hand_over(alert: Alert, telemetry: Telemetry, folder: Path) -> None:
    """Write an incident into a folder; times become nanoseconds in a column ``at``."""
    folder.mkdir(parents=True, exist_ok=True)
    quiet, unwell = to_arrow(telemetry.quiet), to_arrow(telemetry.incident)
    for name in ("traces", "metrics", "logs"):
        before, now = getattr(quiet, name), getattr(unwell, name)
        moved = pa.array(_moved(times(before), telemetry))
        rows = pa.concat_tables([before.append_column("at", moved), _timed(now)])
        if rows.num_rows:
            pq.write_table(rows, folder / f"{name}.parquet", compression="lz4")
    (folder / "case.json").write_text(json.dumps(_words(alert, telemetry)), encoding="utf-8")


def _timed(table: pa.Table) -> pa.Table:
    return table.append_column("at", pa.array(times(table)))


def _words(alert: Alert, telemetry: Telemetry) -> dict[str, object]:
    return {
        "begins": nanoseconds(telemetry.window.start),
        "split": nanoseconds(telemetry.window.start if alert.began_at is None else alert.began_at),
        "symptom": alert.symptom.service,
        "signal": alert.symptom.signal,
        "calls": [list(call) for call in telemetry.calls],
    }


def _moved(moments: Ints, telemetry: Telemetry) -> Ints:
    """Move what lies outside the case's own quiet window; all, if that is not before the incident."""
    split, baseline = nanoseconds(telemetry.window.start), telemetry.baseline
    own: Flags = (moments >= nanoseconds(baseline.start)) & (moments <= nanoseconds(baseline.end))
    own &= moments < split
    if own.all():
        return moments
    first = int(moments[own].min()) if own.any() else split
    by = first - _SECOND - int(moments[~own].max())
    return np.where(own, moments, moments + by)
