"""A PagerDuty on the loopback interface that refuses what the real one refuses.

Events API v2 (`/v2/enqueue`, `/v2/change/enqueue`), the REST calls that are used here, and webhooks of
version 3 as PagerDuty delivers them: signed, repeated with the same ids, cut off after three failures.
Limits, status codes and error bodies as documented on developer.pagerduty.com. Its clock stands still unless
a test moves it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.doubles.slack import Clock

ROUTING_KEY = "R0UT1NGK3Y0000000000000000000001"
TOKEN = "u+made-up-rest-token"
EMAIL = "oncall@example.org"
MAX_SUMMARY, MAX_DEDUP_KEY, MAX_EVENT, MAX_NOTES = 1024, 255, 512 * 1024, 2000
EVENTS_A_MINUTE, CALLS_A_MINUTE = 120, 960
SEVERITIES = {"critical", "error", "warning", "info"}

Json = dict[str, Any]
SERVICE: Json = {"id": "PSERVICE1", "type": "service_reference", "summary": "shop"}
MAX_PAGE = 100


class Refusal(Exception):
    """PagerDuty says no: a status and a body."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(str(status))
        self.status = status
        self.body = body


@dataclass
class PagerIncident:
    """An incident as PagerDuty keeps it."""

    id: str
    key: str
    title: str
    status: str = "triggered"
    payload: Json = field(default_factory=dict)
    links: list[Json] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    triggers: int = 1


@dataclass
class PagerDutyDouble:
    """One service of one account: its incidents, and what was asked."""

    url: str = ""
    clock: Clock = field(default_factory=Clock)
    incidents: list[PagerIncident] = field(default_factory=list)
    changes: list[Json] = field(default_factory=list)
    users: dict[str, str] = field(default_factory=lambda: {"PUSER1": EMAIL})
    dropped: list[Json] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    secret: str = "whsec-made-up"
    deliveries_dropped: int = 0
    _events: list[float] = field(default_factory=list)
    _requests: list[float] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    @property
    def disabled(self) -> bool:
        """Whether three deliveries in a row were dropped: the subscription is off for a day."""
        return self.deliveries_dropped >= 3

    def answer(self, method: str, path: str, headers: Any, raw: bytes) -> tuple[int, Json, Json]:
        """Answer one request: status, body and headers."""
        with self._lock:
            self.calls.append((method, path))
            try:
                return self._do(method, path, headers, raw)
            except Refusal as refusal:
                slow = {"Retry-After": "1"} if refusal.status == 429 else {}
                return refusal.status, refusal.body, slow

    def deliver(
        self, url: str, event_type: str, data: Json, *, token: str = "", agent: str = "PUSER1", times: int = 1
    ) -> list[int]:
        """Deliver one webhook event, so often with the same ids; gives the status codes."""
        told = {
            "id": uuid.uuid4().hex,
            "event_type": event_type,
            "resource_type": "incident",
            "occurred_at": "2026-11-23T10:00:00.000Z",
            "agent": {"id": agent, "type": "user_reference"},
            "client": None,
            "data": data,
        }
        body = json.dumps({"event": told}).encode()
        digest = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "X-PagerDuty-Signature": f"v1={digest}",
            "X-Webhook-Id": uuid.uuid4().hex,
            "User-Agent": "PagerDuty-Webhook/V3.0",
        } | ({"Authorization": f"Bearer {token}"} if token else {})
        codes = [httpx.post(url, content=body, headers=headers, timeout=5).status_code for _ in range(times)]
        for code in codes:
            lost = 400 <= code < 500 and code != 429
            self.deliveries_dropped = self.deliveries_dropped + 1 if lost else 0
        return codes

    def _do(self, method: str, path: str, headers: Any, raw: bytes) -> tuple[int, Json, Json]:
        if self.failures:
            raise Refusal(self.failures.pop(0), {})
        address = urlsplit(path)
        if address.path == "/v2/enqueue":
            return 202, self._enqueue(method, headers, raw), {}
        if address.path == "/v2/change/enqueue":
            return 202, self._change(method, headers, raw), {}
        limits = self._check_rest(headers)
        return (*self._rest(method, address.path, parse_qs(address.query), headers, raw), limits)

    def _enqueue(self, method: str, headers: Any, raw: bytes) -> Json:
        body = self._event(method, headers, raw)
        problems = list(_problems(body))
        if problems:
            raise _invalid(problems)
        key = body.get("dedup_key") or uuid.uuid4().hex
        action = body["event_action"]
        known = next((each for each in self.incidents if each.key == key and each.status != "resolved"), None)
        if action == "trigger" and known:
            known.triggers += 1
        elif action == "trigger":
            self._open(key, body)
        elif known is None:
            self.dropped.append(body)
        else:
            known.status = {"acknowledge": "acknowledged", "resolve": "resolved"}[action]
        return {"status": "success", "message": "Event processed", "dedup_key": key}

    def _open(self, key: str, body: Json) -> None:
        number = len(self.incidents) + 1
        self.incidents.append(
            PagerIncident(
                id=f"PINC{number:04d}",
                key=key,
                title=body["payload"]["summary"],
                payload=body["payload"],
                links=body.get("links", []),
            )
        )

    def _change(self, method: str, headers: Any, raw: bytes) -> Json:
        body = self._event(method, headers, raw)
        if str(body["routing_key"]).startswith("R0RULESET"):
            raise _invalid(["change events are not supported for rulesets"])
        if not body.get("payload", {}).get("summary"):
            raise _invalid(["'payload.summary' is missing or blank"])
        self.changes.append(body)
        return {"status": "success", "message": "Change event processed"}

    def _event(self, method: str, headers: Any, raw: bytes) -> Json:
        if method != "POST":
            raise Refusal(405, {})
        if len(raw) > MAX_EVENT:
            raise _invalid(["event is larger than 512 KB"])
        body = _object(headers, raw)
        key = body.get("routing_key", "")
        if not isinstance(key, str) or len(key) != 32:
            raise _invalid(["Length of 'routing_key' is incorrect (should be 32 characters)"])
        if key != ROUTING_KEY:
            raise _invalid(["invalid routing key"])
        self._events = self._count(self._events, EVENTS_A_MINUTE)
        return body

    def _count(self, seen: list[float], most: int) -> list[float]:
        recent = [at for at in seen if at > self.clock.now - 60.0]
        if len(recent) >= most:
            raise Refusal(429, {"error": {"message": "Rate Limit Exceeded", "code": 2020}})
        return [*recent, self.clock.now]

    def _check_rest(self, headers: Any) -> Json:
        if headers.get("Authorization") != f"Token token={TOKEN}":
            raise Refusal(401, {"error": {"message": "Unauthorized", "code": 2006}})
        if "application/vnd.pagerduty+json;version=2" not in str(headers.get("Accept")):
            raise Refusal(406, {"error": {"message": "Not Acceptable", "code": 2008}})
        self._requests = self._count(self._requests, CALLS_A_MINUTE)
        left = CALLS_A_MINUTE - len(self._requests)
        return {
            "ratelimit-limit": str(CALLS_A_MINUTE),
            "ratelimit-remaining": str(left),
            "ratelimit-reset": "60",
        }

    def _rest(
        self, method: str, path: str, query: dict[str, list[str]], headers: Any, raw: bytes
    ) -> tuple[int, Json]:
        if (method, path) == ("GET", "/abilities"):
            return 200, {"abilities": ["manage_api_keys"]}
        if (method, path) == ("GET", "/incidents"):
            keys = query.get("incident_key", [])
            found = [each for each in self.incidents if not keys or each.key in keys]
            return 200, {"incidents": [_told(each) for each in found], "limit": 25, "offset": 0}
        if (method, path) == ("GET", "/change_events"):
            return 200, self._change_events({name: values[-1] for name, values in query.items()})
        if user := re.fullmatch(r"/users/(\w+)", path):
            return self._user(method, user[1])
        match = re.fullmatch(r"/incidents/(\w+)(/\w+)?", path)
        if match is None:
            raise _missing()
        incident = next((each for each in self.incidents if each.id == match[1]), None)
        if incident is None:
            raise _missing()
        return self._of_incident(method, match[2] or "", incident, headers, raw)

    def _user(self, method: str, user: str) -> tuple[int, Json]:
        if method != "GET" or user not in self.users:
            raise _missing()
        return 200, {"user": {"id": user, "type": "user", "name": user, "email": self.users[user]}}

    def _change_events(self, query: dict[str, str]) -> Json:
        limit, offset = int(query.get("limit", 25)), int(query.get("offset", 0))
        if not 0 < limit <= MAX_PAGE or not {"since", "until"} <= {*query}:
            raise _wrong(2001, "limit must be 1 to 100, and since and until are needed here")
        since, until = (datetime.fromisoformat(query[name]) for name in ("since", "until"))
        found = [
            {"id": f"PCHANGE{number}", "type": "change_event", "services": [SERVICE], **each["payload"]}
            for number, each in enumerate(self.changes, start=1)
            if since <= datetime.fromisoformat(each["payload"]["timestamp"]) <= until
        ]
        more = len(found) > offset + limit
        shown = found[offset : offset + limit]
        return {"change_events": shown, "limit": limit, "offset": offset, "total": None, "more": more}

    def _of_incident(
        self, method: str, what: str, incident: PagerIncident, headers: Any, raw: bytes
    ) -> tuple[int, Json]:
        if (method, what) == ("GET", ""):
            return 200, {"incident": _told(incident)}
        if headers.get("From") != EMAIL:
            raise _wrong(2001, "Requester User Not Found")
        body = _object(headers, raw)
        if (method, what) == ("POST", "/notes"):
            return self._noted(incident, body)
        if (method, what) == ("PUT", ""):
            return self._changed(incident, body)
        raise _missing()

    def _noted(self, incident: PagerIncident, body: Json) -> tuple[int, Json]:
        content = body.get("note", {}).get("content")
        if not isinstance(content, str) or not content:
            raise _wrong(2001, "Note content cannot be blank.")
        if len(incident.notes) >= MAX_NOTES:
            raise _wrong(2001, f"An incident may have at most {MAX_NOTES} notes.")
        incident.notes.append(content)
        return 201, {"note": {"id": f"PNOTE{len(incident.notes)}", "content": content}}

    def _changed(self, incident: PagerIncident, body: Json) -> tuple[int, Json]:
        asked = body.get("incident", {})
        if asked.get("type") not in {"incident", "incident_reference"}:
            raise _wrong(2001, "Incident type must be incident_reference.")
        if incident.status == "resolved":
            raise _wrong(1001, "Incident Already Resolved")
        incident.status = asked.get("status", incident.status)
        return 200, {"incident": _told(incident)}


def _told(incident: PagerIncident) -> Json:
    return {
        "id": incident.id,
        "type": "incident",
        "incident_key": incident.key,
        "title": incident.title,
        "status": incident.status,
        "html_url": f"https://example.pagerduty.com/incidents/{incident.id}",
        "service": SERVICE,
    }


def _problems(body: Json) -> Iterator[str]:
    action = body.get("event_action")
    if action not in {"trigger", "acknowledge", "resolve"}:
        yield "'event_action' must be one of: trigger, acknowledge, resolve"
    if len(str(body.get("dedup_key", ""))) > MAX_DEDUP_KEY:
        yield f"'dedup_key' is longer than {MAX_DEDUP_KEY} characters"
    if action != "trigger":
        if not body.get("dedup_key"):
            yield "'dedup_key' is missing or blank"
        return
    yield from _payload_problems(body.get("payload"))
    for link in body.get("links", []):
        if not str(link.get("href", "")).startswith(("http://", "https://")):
            yield "'links.href' must be an address"


def _payload_problems(payload: Any) -> Iterator[str]:
    if not isinstance(payload, dict):
        yield "'payload' is missing or blank"
        return
    for name in ("summary", "source", "severity"):
        if not payload.get(name):
            yield f"'payload.{name}' is missing or blank"
    if len(str(payload.get("summary", ""))) > MAX_SUMMARY:
        yield f"'payload.summary' is longer than {MAX_SUMMARY} characters"
    if payload.get("severity") not in SEVERITIES:
        yield "'payload.severity' is invalid (must be one of the following: critical, warning, error, info)"


def _object(headers: Any, raw: bytes) -> Json:
    if not str(headers.get("Content-Type", "")).startswith("application/json"):
        raise Refusal(415, {"status": "invalid event", "message": "Unsupported Media Type", "errors": []})
    try:
        body = json.loads(raw)
    except ValueError:
        raise Refusal(400, {"status": "invalid event", "message": "Not JSON", "errors": []}) from None
    if not isinstance(body, dict):
        raise _invalid(["Event object is not an object"])
    return body


def _invalid(errors: list[str]) -> Refusal:
    return Refusal(400, {"status": "invalid event", "message": "Event object is invalid", "errors": errors})


def _wrong(code: int, *errors: str) -> Refusal:
    body = {"error": {"message": "Invalid Input Provided", "code": code, "errors": list(errors)}}
    return Refusal(400, body)


def _missing() -> Refusal:
    return Refusal(404, {"error": {"message": "Not Found", "code": 2100}})


def _handler(double: PagerDutyDouble) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve("GET")

        def do_POST(self) -> None:
            self._serve("POST")

        def do_PUT(self) -> None:
            self._serve("PUT")

        def _serve(self, method: str) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            status, body, more = double.answer(method, self.path, self.headers, raw)
            answer = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            for name, value in more.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing: the tests read `calls`."""

    return Handler


@contextmanager
def pagerduty() -> Iterator[PagerDutyDouble]:
    """Run a PagerDuty on a free port for as long as the block lasts."""
    double = PagerDutyDouble()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(double))
    server.daemon_threads = True
    double.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
