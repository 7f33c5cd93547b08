"""Log records of an OTLP request as rows.

The body is the record's text (a structured body is written as JSON), cut to a bound; what an event or an
exception adds to it follows. Severity is one of trace, debug, info, warn, error, fatal, by the record's
number where it has one, else by its text. A record's own time counts, else the time it was observed.
"""

from typing import Any

import pyarrow as pa

from integrations.arrow import LOGS, table_of
from integrations.otlp_spans import sender
from integrations.otlp_values import Rejections, as_json, chosen, hexadecimal, is_sensible, plain, text

__all__ = ["log_rows"]

_BODY = 4096  # characters
_SEVERITIES = ("trace", "debug", "info", "warn", "error", "fatal")
_STEPS = 4  # OTLP numbers each severity four times: INFO, INFO2, INFO3, INFO4
_ALIASES = {"warning": "warn", "critical": "fatal", "err": "error", "information": "info", "severe": "error"}


def log_rows(request: Any, rejected: Rejections) -> pa.Table:
    """The sound log records of an export request; the others are counted."""
    rows: list[tuple[Any, ...]] = []
    for resource_logs in request.resource_logs or ():
        service, instance, _ = sender(resource_logs.resource)
        for scope in resource_logs.scope_logs or ():
            for record in scope.log_records or ():
                try:
                    rows.append(_row(record, service, instance))
                except ValueError as error:
                    rejected.add(f"log record: {error}")
    return table_of(LOGS, rows)


def _row(record: Any, service: str, instance: str | None) -> tuple[Any, ...]:
    moment = record.time_unix_nano or record.observed_time_unix_nano
    if not is_sensible(moment):
        raise ValueError("a time that cannot be (unset, or centuries off)")
    return (
        moment,
        service,
        instance,
        _severity(record),
        _id_or_none(record.trace_id, 16),
        _id_or_none(record.span_id, 8),
        _body(record),
    )


def _id_or_none(identity: bytes | str, size: int) -> str | None:
    # A log record is worth keeping without the trace that it may belong to.
    try:
        return hexadecimal(identity, size)
    except ValueError:
        return None


def _severity(record: Any) -> str | None:
    number = record.severity_number
    if isinstance(number, int) and 0 < number <= _STEPS * len(_SEVERITIES):
        return _SEVERITIES[(number - 1) // _STEPS]
    said = text(record.severity_text, 16).lower()
    return _ALIASES.get(said, said) or None


def _body(record: Any) -> str:
    content = plain_body(record.body)
    extra = chosen(record.attributes)
    if record.event_name:
        content = " ".join(part for part in (text(record.event_name), as_json(extra), content) if part)
    elif "exception.type" in extra:
        content += f" [{extra['exception.type']}: {extra.get('exception.message', '')}]"
    return text(content, _BODY)


def plain_body(body: Any) -> str:
    """A record's body as text."""
    if body is not None and body.WhichOneof("value") == "string_value":
        return text(body.string_value, _BODY)
    content = plain(body)
    if content is None:
        return ""
    return as_json(content) if isinstance(content, list | dict) else str(content)
