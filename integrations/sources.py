"""Telemetry from a path, whatever it is: a case folder, an OTLP file, a Jaeger export.

A file says nothing about what hurt or when, so that is derived, in the simplest honest way:

- the symptom is at the entry, the service with most requests that nobody in the file called; its signal is
  `errors` if one of its requests failed in the incident, else `unknown`;
- without ``fault_start`` the whole file is the incident and there is no baseline (and the engine will say
  that this is missing); with it, what came before is the baseline.
"""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np

from causal.errors import MalformedTelemetry, NotFound, TooLarge
from causal.evidence import Alert, Symptom, Window
from causal.telemetry import MISSING, Status, Telemetry
from integrations.arrow import ArrowBatch, concat, times
from integrations.cases import CaseRows, case_rows, load_case
from integrations.inflate import gunzip
from integrations.jaeger import decode_jaeger
from integrations.otlp import Decoded, decode_logs, decode_metrics, decode_traces

__all__ = ["read_any"]

_LARGEST = 2 * 1024 * 1024 * 1024
_GZIP = b"\x1f\x8b"
_SECOND = 1_000_000_000


def read_any(path: Path, *, fault_start: float | None = None) -> tuple[Alert, Telemetry]:
    """Read a case folder, an OTLP file (protobuf, JSON, or JSON lines; plain or gzipped) or a Jaeger export.

    ``fault_start`` (Unix seconds) divides a file into baseline and incident; a case folder has its own
    windows. NotFound: there is no such path. MalformedCase, MalformedTelemetry: it cannot be read.
    """
    if path.is_dir():
        return load_case(path)
    try:
        decoded = list(_decoded(_content(path)))
    except MalformedTelemetry as error:
        raise MalformedTelemetry(error.what, where=f"{path}: {error.where}") from error
    return _incident(path, concat(part.rows for part in decoded), fault_start, _said(decoded))


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST:
            raise TooLarge(f"{path} is larger than {_LARGEST} bytes")
        body = path.read_bytes()
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}") from error
    return gunzip(body, _LARGEST) if body.startswith(_GZIP) else body


def _decoded(body: bytes) -> Iterator[Decoded]:
    if not body.strip():
        raise MalformedTelemetry("the file is empty", where="line 1")
    if not body.lstrip().startswith(b"{"):
        yield _protobuf(body)
        return
    if _is_one_object(body):
        yield from _of_object(body)
        return
    for number, line in enumerate(body.splitlines(), start=1):
        if line.strip():
            yield from _of_line(line, number)


def _of_line(line: bytes, number: int) -> list[Decoded]:
    try:
        return list(_of_object(line))
    except MalformedTelemetry as error:
        raise MalformedTelemetry(error.what, where=f"line {number}") from error


class _Kinds(msgspec.Struct, rename="camel"):
    """What a JSON object holds, by its keys."""

    resource_spans: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    resource_metrics: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    resource_logs: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_kinds = msgspec.json.Decoder(_Kinds)
_DECODERS: dict[str, Callable[[bytes], Decoded]] = {
    "resource_spans": lambda body: decode_traces(body, "json"),
    "resource_metrics": lambda body: decode_metrics(body, "json"),
    "resource_logs": lambda body: decode_logs(body, "json"),
    "data": decode_jaeger,
    "result": decode_jaeger,
}


def _is_one_object(body: bytes) -> bool:
    """Whether the whole is one JSON object, and not one a line."""
    try:
        _kinds.decode(body)
    except (ValueError, RecursionError):
        return len(body.splitlines()) == 1
    return True


def _of_object(body: bytes) -> Iterator[Decoded]:
    try:
        kinds = _kinds.decode(body)
    except (ValueError, RecursionError) as error:
        raise MalformedTelemetry(str(error), where="JSON") from error
    names = [name for name in _DECODERS if getattr(kinds, name) is not msgspec.UNSET]
    if not names:
        raise MalformedTelemetry("neither OTLP nor a Jaeger export", where="JSON")
    for name in names:
        yield _DECODERS[name](body)


def _protobuf(body: bytes) -> Decoded:
    """Decode a request of unknown kind; the messages look alike, so the one that makes most sense is it."""
    found: list[Decoded] = []
    for decode in (decode_traces, decode_metrics, decode_logs):
        try:
            found.append(decode(body, "protobuf"))
        except MalformedTelemetry:
            continue
    best = max(found, key=lambda decoded: decoded.rows.rows, default=None)
    if best is None or not best.rows.rows:
        raise MalformedTelemetry("neither JSON nor an OTLP request with usable records", where="protobuf")
    return best


def _said(decoded: list[Decoded]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.error_message for part in decoded if part.error_message))


def _incident(
    path: Path, held: ArrowBatch, fault_start: float | None, gaps: tuple[str, ...]
) -> tuple[Alert, Telemetry]:
    if not held.rows:
        raise MalformedTelemetry(f"no usable records; {'; '.join(gaps) or 'it is empty'}", where=str(path))
    whole = _hull(held)
    began = whole.start if fault_start is None else fault_start
    if not whole.holds(began):
        raise MalformedTelemetry(
            f"the fault start {began} is not between {whole.start} and {whole.end}", where=str(path)
        )
    baseline, incident = Window(start=whole.start, end=began), Window(start=began, end=whole.end)
    rows = case_rows(held, baseline=baseline, incident=incident)
    alert = Alert(
        fingerprint=path.name,
        source="file",
        symptom=_symptom(rows),
        raised_at=whole.end,
        began_at=fault_start,
        summary=f"telemetry from {path.name}",
    )
    return alert, rows.telemetry(gaps=gaps)


def _hull(held: ArrowBatch) -> Window:
    """Find the whole seconds that hold everything, spans with their durations."""
    ends = times(held.traces) + np.asarray(held.traces["duration_ns"].to_numpy())
    moments = np.concatenate([times(held.traces), ends, times(held.metrics), times(held.logs)])
    return Window(start=int(moments.min()) // _SECOND, end=math.ceil(int(moments.max()) / _SECOND))


def _symptom(rows: CaseRows) -> Symptom:
    spans = rows.incident_rows.spans
    roots = spans.take(spans.parent == MISSING)
    if not len(roots):
        return Symptom()
    codes, counts = np.unique(roots.service.codes, return_counts=True)
    entry = int(codes[np.argmax(counts)])
    failed = (roots.service.codes == entry) & (roots.status == Status.ERROR)
    return Symptom(service=roots.service.names[entry], signal="errors" if failed.any() else "unknown")
