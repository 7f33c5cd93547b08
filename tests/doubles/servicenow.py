"""A ServiceNow on the loopback interface: the incident table, with the traps that the real one has.

The Table API as documented: basic or bearer, versions 1 and 2 with their different empty answers, the query
whose unknown parts are ignored, journal fields, mandatory fields of a resolution, rate rules.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.doubles.serving import Answered, Asked, serving

Json = dict[str, Any]
USER, PASSWORD = "aitia", "made-up"
COLUMNS = frozenset(
    [
        "sys_id",
        "number",
        "short_description",
        "description",
        "correlation_id",
        "correlation_display",
        "state",
        "impact",
        "urgency",
        "priority",
        "close_code",
        "close_notes",
        "assignment_group",
        "work_notes",
        "comments",
    ]
)
RESOLVED = {"6", "7"}


@dataclass
class ServiceNowDouble:
    """One instance: its incident records, and who asked what."""

    url: str = ""
    records: list[Json] = field(default_factory=list)
    notes: dict[str, list[str]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    may_write: bool = True
    calls_left: int = 1_000
    asleep: bool = False

    def answer(self, asked: Asked) -> Answered:
        self.asked.append(asked)
        if self.asleep:
            return Answered(200, b"<html>Your instance is hibernating</html>", {"Content-Type": "text/html"})
        known = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if asked.headers.get("authorization") != known:
            return _error(401, "User Not Authenticated", "Required to provide Auth information")
        if self.calls_left <= 0:
            headers = {"X-RateLimit-Limit": "1000", "X-RateLimit-Rule": "hourly", "X-RateLimit-Reset": "60"}
            return Answered(429, {"error": {"message": "Rate limit exceeded"}}, headers)
        self.calls_left -= 1
        for version in ("/v1", "/v2", ""):
            if asked.path.startswith(f"/api/now{version}/table/incident"):
                rest = asked.path.removeprefix(f"/api/now{version}/table/incident").strip("/")
                return self._table(asked, rest, old=version == "/v1")
        return _error(400, "Invalid table", "")

    def _table(self, asked: Asked, sys_id: str, *, old: bool) -> Answered:
        if asked.method == "GET" and not sys_id:
            rows = [_shown(row, asked) for row in self._matching(asked)]
            if not rows and old:
                return _error(404, "No Record found", "Records matching query not found")
            return Answered(200, {"result": rows}, {"X-Total-Count": str(len(rows))})
        if not self.may_write and asked.method != "GET":
            return _error(403, "Operation Failed", "ACL Exception Insert Failed due to security constraints")
        if asked.method == "POST":
            return self._insert(asked)
        record = next((row for row in self.records if row["sys_id"] == sys_id), None)
        if record is None:
            return _error(
                404, "No Record found", "Record doesn't exist or ACL restricts the record retrieval"
            )
        if asked.method in {"PATCH", "PUT"}:
            return self._update(record, json.loads(asked.body), asked)
        return Answered(200, {"result": _shown(record, asked)})

    def _matching(self, asked: Asked) -> list[Json]:
        """Rows for a query; what it does not understand of it is ignored, as by default on an instance."""
        rows = self.records
        for part in asked.query.get("sysparm_query", "").split("^"):
            name, is_equal, value = part.partition("=")
            if is_equal and name in COLUMNS:
                rows = [row for row in rows if row.get(name, "") == value]
        return rows[: int(asked.query.get("sysparm_limit", "10000"))]

    def _insert(self, asked: Asked) -> Answered:
        body = json.loads(asked.body)
        record = {name: str(value) for name, value in body.items() if name in COLUMNS}
        record |= {"sys_id": uuid.uuid4().hex, "number": f"INC{len(self.records) + 10_001:07d}"}
        self._journal(record, record.pop("work_notes", ""))
        self.records.append(record)
        location = {"Location": f"{self.url}/api/now/table/incident/{record['sys_id']}"}
        return Answered(201, {"result": _shown(record, asked)}, location)

    def _update(self, record: Json, body: Json, asked: Asked) -> Answered:
        after = record | {name: str(value) for name, value in body.items() if name in COLUMNS}
        if after.get("state") in RESOLVED and not (after.get("close_code") and after.get("close_notes")):
            detail = "Data Policy Exception: Resolution code, Resolution notes are mandatory"
            return _error(403, "Operation Failed", detail)
        self._journal(record, after.pop("work_notes", ""))
        record.update(after)
        return Answered(200, {"result": _shown(record, asked)})

    def _journal(self, record: Json, note: str) -> None:
        if note:
            self.notes.setdefault(record["sys_id"], []).append(note)


def _shown(record: Json, asked: Asked) -> Json:
    fields = asked.query.get("sysparm_fields", "")
    return {name: record.get(name, "") for name in fields.split(",")} if fields else record


def _error(status: int, message: str, detail: str) -> Answered:
    return Answered(status, {"error": {"message": message, "detail": detail}, "status": "failure"})


@contextmanager
def servicenow() -> Iterator[ServiceNowDouble]:
    """Run an instance on a free port for as long as the block lasts."""
    double = ServiceNowDouble()
    with serving(double.answer) as url:
        double.url = url
        yield double
