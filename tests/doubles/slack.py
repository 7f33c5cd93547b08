"""A Slack on the loopback interface that refuses what the real one refuses, at the same limits.

It speaks HTTP, so that the vendor's own client is what is tested: `auth.test`, `chat.postMessage` and
`chat.update`, with their tokens, content types, error codes, sizes and rate limits as documented on
docs.slack.dev (and the undocumented total of a message's blocks). Its clock stands still unless a test moves
it.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs

TOKEN = "xoxb-0000-made-up"
CHANNEL, CHANNEL_ID = "#incidents", "C0INCIDENTS"
MAX_BLOCKS, MAX_SECTION, MAX_HEADER, MAX_CONTEXT = 50, 3000, 150, 10
MAX_FIELDS, MAX_FIELD, MAX_BLOCK_ID = 10, 2000, 255
MAX_TEXT, MAX_UPDATED_TEXT, MAX_ALL_BLOCKS = 40_000, 4_000, 13_200

Json = dict[str, Any]


class Refusal(Exception):
    """Slack says no, with a code."""

    def __init__(self, code: str, *messages: str) -> None:
        super().__init__(code)
        self.code = code
        self.messages = list(messages)


@dataclass
class Message:
    """One post as people see it now, and how often it was edited."""

    channel: str
    ts: str
    text: str
    blocks: list[Json]
    thread_ts: str | None = None
    edits: int = 0

    @property
    def shown(self) -> str:
        """All text that is seen: the blocks if there are any, else the fallback."""
        return "\n".join(_texts(self.blocks)) or self.text


@dataclass
class Clock:
    """A clock that only a test moves; `advance` can stand for a sleep."""

    now: float = 1_795_000_000.0
    slept: list[float] = field(default_factory=list)

    def time(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class SlackDouble:
    """The state of the workspace: one token, its channels, and what was posted."""

    url: str = ""
    clock: Clock = field(default_factory=Clock)
    channels: dict[str, str] = field(default_factory=lambda: {CHANNEL: CHANNEL_ID, "#archive": "C0ARCHIVE"})
    member_of: set[str] = field(default_factory=lambda: {CHANNEL_ID, "C0ARCHIVE"})
    archived: set[str] = field(default_factory=lambda: {"C0ARCHIVE"})
    seconds_per_message: float = 0.0
    retry_after: str = "1"
    messages: list[Message] = field(default_factory=list)
    calls: list[tuple[str, Json]] = field(default_factory=list)
    failures: deque[tuple[int, str]] = field(default_factory=deque)
    _last: dict[str, float] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @property
    def roots(self) -> list[Message]:
        return [message for message in self.messages if message.thread_ts is None]

    @property
    def replies(self) -> list[Message]:
        return [message for message in self.messages if message.thread_ts is not None]

    def answer(self, method: str, token: str, body: Json) -> tuple[int, Json]:
        """Answer one call as Slack does: with 200 even where it refuses, save for the rate limit."""
        with self._lock:
            self.calls.append((method, body))
            try:
                return 200, {"ok": True, **self._do(method, token, body)}
            except Refusal as refusal:
                status = 429 if refusal.code == "ratelimited" else 200
                details = {"response_metadata": {"messages": refusal.messages}} if refusal.messages else {}
                return status, {"ok": False, "error": refusal.code, **details}

    def _do(self, method: str, token: str, body: Json) -> Json:
        _check_token(token)
        if method == "auth.test":
            return {"url": self.url, "team": "Made-up team", "user": "aitia", "bot_id": "B0AITIA"}
        if method == "chat.postMessage":
            return self._post(body)
        if method == "chat.update":
            return self._update(body)
        raise Refusal("unknown_method")

    def _post(self, body: Json) -> Json:
        channel = self._channel(body)
        _check_content(body, MAX_TEXT)
        self._check_rate(channel)
        thread = body.get("thread_ts")
        if thread is not None and thread not in {message.ts for message in self.roots}:
            raise Refusal("message_not_found")
        ts = f"{self.clock.now:.0f}.{len(self.messages) + 100:06d}"
        self.messages.append(Message(channel, ts, body.get("text", ""), body.get("blocks", []), thread))
        return {"channel": channel, "ts": ts, "message": {"ts": ts, "text": body.get("text", "")}}

    def _update(self, body: Json) -> Json:
        channel = self._channel(body)
        _check_content(body, MAX_UPDATED_TEXT)
        for message in self.messages:
            if (message.channel, message.ts) == (channel, body.get("ts")):
                message.text = body.get("text", message.text)
                message.blocks = body.get("blocks", message.blocks)
                message.edits += 1
                return {"channel": channel, "ts": message.ts, "text": message.text}
        raise Refusal("message_not_found")

    def _channel(self, body: Json) -> str:
        asked = body.get("channel", "")
        channel = self.channels.get(asked, asked)
        if channel not in self.channels.values():
            raise Refusal("channel_not_found")
        if channel in self.archived:
            raise Refusal("is_archived")
        if channel not in self.member_of:
            raise Refusal("not_in_channel")
        return channel

    def _check_rate(self, channel: str) -> None:
        free_at = self._last.get(channel, float("-inf")) + self.seconds_per_message
        if self.clock.now < free_at:
            raise Refusal("ratelimited")
        self._last[channel] = self.clock.now


def _check_token(token: str) -> None:
    if not token:
        raise Refusal("not_authed")
    if token != TOKEN:
        raise Refusal("invalid_auth")


def _check_content(body: Json, longest: int) -> None:
    text, blocks = body.get("text", ""), body.get("blocks", [])
    if not text and not blocks:
        raise Refusal("no_text")
    if not isinstance(text, str) or not isinstance(blocks, list):
        raise Refusal("invalid_arguments")
    if _size(text) > longest:
        raise Refusal("msg_too_long")
    problems = list(_problems(blocks))
    if problems:
        raise Refusal("invalid_blocks", *(f"[ERROR] {problem}" for problem in problems))
    if _size(json.dumps(blocks, ensure_ascii=False, separators=(",", ":"))) > MAX_ALL_BLOCKS:
        raise Refusal("msg_blocks_too_long")


def _problems(blocks: list[Json]) -> Iterator[str]:
    if len(blocks) > MAX_BLOCKS:
        yield f"no more than {MAX_BLOCKS} items allowed [json-pointer:/blocks]"
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    if len(ids) > len(set(ids)) or any(_size(each) > MAX_BLOCK_ID for each in ids):
        yield "block_id must be unique and no longer than 255 [json-pointer:/blocks]"
    for index, block in enumerate(blocks):
        for problem in _block(block):
            yield f"{problem} [json-pointer:/blocks/{index}]"


def _block(block: Json) -> Iterator[str]:
    kind = block.get("type")
    if kind == "header":
        yield from _text(block.get("text"), MAX_HEADER, {"plain_text"})
    elif kind == "section":
        yield from _section(block)
    elif kind == "context":
        elements = block.get("elements", [])
        if not 1 <= len(elements) <= MAX_CONTEXT:
            yield f"must have 1 to {MAX_CONTEXT} elements"
        for element in elements:
            yield from _text(element, MAX_SECTION, {"mrkdwn", "plain_text"})
    elif kind != "divider":
        yield f"unsupported type: {kind}"


def _section(block: Json) -> Iterator[str]:
    fields = block.get("fields", [])
    if "text" in block or not fields:
        yield from _text(block.get("text"), MAX_SECTION, {"mrkdwn", "plain_text"})
    if len(fields) > MAX_FIELDS:
        yield f"no more than {MAX_FIELDS} items allowed"
    for each in fields:
        yield from _text(each, MAX_FIELD, {"mrkdwn", "plain_text"})


def _text(text: Any, longest: int, kinds: set[str]) -> Iterator[str]:
    if not isinstance(text, dict) or text.get("type") not in kinds or not isinstance(text.get("text"), str):
        yield f"must be a text object of {sorted(kinds)}"
    elif not text["text"]:
        yield "must be more than 0 characters"
    elif _size(text["text"]) > longest:
        yield f"must be less than {longest + 1} characters"


def _size(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value["text"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _handler(double: SlackDouble) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            if double.failures:
                status, text = double.failures.popleft()
                self._send(status, text.encode(), "text/html")
                return
            method = self.path.rsplit("/", 1)[-1]
            try:
                body = _read(self.headers.get("Content-Type", ""), raw)
                # A token in a form is accepted; one in a JSON body is not.
                token = self._bearer() or (body.get("token", "") if _is_form(self.headers) else "")
                status, answer = double.answer(method, token, body)
            except Refusal as refusal:
                status, answer = 200, {"ok": False, "error": refusal.code}
            self._send(status, json.dumps(answer).encode(), "application/json; charset=utf-8")

        def _bearer(self) -> str:
            return self.headers.get("Authorization", "").removeprefix("Bearer ").strip()

        def _send(self, status: int, raw: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(raw)))
            if status == 429:
                self.send_header("Retry-After", double.retry_after)
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing: the tests read `calls`."""

    return Handler


def _is_form(headers: Any) -> bool:
    return str(headers.get("Content-Type", "")).startswith("application/x-www-form-urlencoded")


def _read(kind: str, raw: bytes) -> Json:
    """Read a form or JSON; `auth.test` alone may come with nothing at all."""
    if not raw:
        return {}
    if kind.startswith("application/x-www-form-urlencoded"):
        return _form(raw)
    if not kind.startswith("application/json"):
        raise Refusal("invalid_post_type")
    return _json(raw)


def _form(raw: bytes) -> Json:
    form: Json = {name: values[-1] for name, values in parse_qs(raw.decode()).items()}
    if "blocks" in form:
        try:
            form["blocks"] = json.loads(form["blocks"])
        except ValueError:
            raise Refusal("invalid_blocks_format") from None
    return form


def _json(raw: bytes) -> Json:
    try:
        body = json.loads(raw)
    except ValueError:
        raise Refusal("invalid_json") from None
    if not isinstance(body, dict):
        raise Refusal("json_not_object")
    return body


@contextmanager
def slack() -> Iterator[SlackDouble]:
    """Run a Slack on a free port for as long as the block lasts."""
    double = SlackDouble()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(double))
    server.daemon_threads = True
    double.url = f"http://127.0.0.1:{server.server_address[1]}/api/"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
