"""The quiet profile as a file: one Parquet table, replaced whole, so that it is there whole or not at all.

The table has a row a measure, context, feature and minute (`causal.telemetry.Past`), in one canonical order.
Its metadata says in which version of the format it was written; a newer one is refused by name, not
misread.
"""

import json
import os
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from causal.errors import MalformedCase, Unavailable
from causal.telemetry import Column, Past

__all__ = ["NAME", "digest", "in_order", "read_profile", "write_profile"]

NAME = "quiet_profile.parquet"
FORMAT = 1
_KEY = b"aitia.quiet_profile"
_NUMBERS = ("start", "n", "log", "log_squares", "total", "squares", "offset")
_NAMES = ("measure", "context", "feature")
_SCHEMA = pa.schema([*((name, pa.string()) for name in _NAMES), *((name, pa.float64()) for name in _NUMBERS)])
_ORDER: Sequence[tuple[str, str]] = [(n, "ascending") for n in ("start", "measure", "context", "feature")]


def write_profile(folder: Path, past: Past) -> None:
    """Write what is remembered beside its place, make it durable, and put it there."""
    told = json.dumps({"format": FORMAT, "minutes": len(np.unique(past.start))})
    table = _table(past).sort_by(list(_ORDER)).replace_schema_metadata({_KEY: told.encode()})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".new-", delete=False) as file:
            beside = Path(file.name)
            try:
                pq.write_table(table, file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())
                beside.rename(folder / NAME)
            finally:
                beside.unlink(missing_ok=True)
    except OSError as error:
        raise Unavailable(f"the quiet profile in {folder} cannot be written: {error.strerror}") from error


def read_profile(folder: Path) -> Past:
    """Read what is remembered; nothing where there is no such file."""
    path = folder / NAME
    if not path.exists():
        return Past.none()
    try:
        file = pq.ParquetFile(path)
        _check(file.schema_arrow, path)
        return _past(file.read(_SCHEMA.names).cast(_SCHEMA), path)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise MalformedCase(f"not a readable quiet profile: {str(error)[:200]}", where=str(path)) from error


def in_order(past: Past) -> Past:
    """The same rows in canonical order, so that the same content has the same digest."""
    return _past(_table(past).sort_by(list(_ORDER)), Path(NAME))


def digest(past: Past) -> str:
    """SHA-256 (hex) of what is remembered, in whatever order its rows are."""
    table = _table(past).sort_by(list(_ORDER))
    return sha256(json.dumps(table.to_pydict(), sort_keys=True).encode()).hexdigest()


def _check(schema: pa.Schema, path: Path) -> None:
    told = (schema.metadata or {}).get(_KEY)
    version = json.loads(told).get("format") if told else None
    if version != FORMAT:
        raise MalformedCase(
            f"format {version} is not the format {FORMAT} that is known here", where=str(path)
        )
    lacking = set(_SCHEMA.names) - set(schema.names)
    if lacking:
        raise MalformedCase(f"columns are missing: {', '.join(sorted(lacking))}", where=str(path))


def _table(past: Past) -> pa.Table:
    columns: dict[str, Any] = {name: pa.array(getattr(past, name).values(), pa.string()) for name in _NAMES}
    return pa.table(columns | {name: getattr(past, name) for name in _NUMBERS}, schema=_SCHEMA)


def _past(table: pa.Table, path: Path) -> Past:
    columns: dict[str, Any] = {name: table[name].to_numpy() for name in _NUMBERS}
    if any(not np.isfinite(values).all() for values in columns.values()):
        raise MalformedCase("a number is not finite", where=str(path))
    if pc.any(pc.or_(pc.is_null(table["measure"]), pc.is_null(table["context"]))).as_py():
        raise MalformedCase("a row has no measure or no context", where=str(path))
    return Past(**columns | {name: Column.of(table[name].to_pylist()) for name in _NAMES})
