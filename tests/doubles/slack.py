"""A Slack on the loopback interface that refuses what the real one refuses, at the same limits.

It speaks HTTP, so that the vendor's own client is what is tested: `auth.test`, `chat.postMessage` and
`chat.update`, ephemeral replies, forms and files, with their tokens, content types, error codes, sizes and
rate limits as documented on docs.slack.dev (and the undocumented total of a message's blocks). Its clock
stands still unless a test moves it.
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
from urllib.parse import parse_qs, urlsplit

from tests.doubles.serving import Asked
from tests.doubles.slack_forms import problems_of_view
from tests.doubles.slack_limits import problems_of_blocks, size
from tests.doubles.slack_socket import SlackSocket

TOKEN = "xoxb-0000-made-up"
CHANNEL, CHANNEL_ID = "#incidents", "C0INCIDENTS"
MAX_TEXT, MAX_UPDATED_TEXT, MAX_ALL_BLOCKS = 40_000, 4_000, 13_200
MAX_ALT_TEXT, MAX_FILE = 1_000, 1_000_000_000
TRIGGER_LIVES = 3.0

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
class Shared:
    """A file in a thread."""

    name: str
    length: int
    content: bytes = b""
    title: str = ""
    channel: str = ""
    thread_ts: str | None = None


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
    scopes: str = "chat:write,files:write,commands"
    messages: list[Message] = field(default_factory=list)
    calls: list[tuple[str, Json]] = field(default_factory=list)
    failures: deque[tuple[int, str]] = field(default_factory=deque)
    users: dict[str, set[str]] = field(default_factory=dict)
    whispers: list[tuple[str, str, str]] = field(default_factory=list)
    views: list[Json] = field(default_factory=list)
    replies_by_address: list[tuple[str, Json]] = field(default_factory=list)
    files: dict[str, Shared] = field(default_factory=dict)
    socket: SlackSocket | None = None
    _triggers: dict[str, float] = field(default_factory=dict)
    _last: dict[str, float] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @property
    def roots(self) -> list[Message]:
        return [message for message in self.messages if message.thread_ts is None]

    @property
    def replies(self) -> list[Message]:
        return [message for message in self.messages if message.thread_ts is not None]

    def trigger(self) -> str:
        """A trigger id, as a press or a command carries one: it opens one form, within three seconds."""
        made = f"{len(self._triggers)}.738474920.{self.clock.now:.0f}"
        self._triggers[made] = self.clock.now + TRIGGER_LIVES
        return made

    def press(self, message: Message, action: str, user: str) -> Json:
        """What Slack sends when somebody presses a button of a message."""
        elements = [each for block in message.blocks for each in block.get("elements", [])]
        button = next(each for each in elements if each.get("action_id") == action)
        pressed = {"type": "button", "action_id": action, "value": button["value"], "action_ts": "1.0"}
        return {
            "type": "block_actions",
            "user": {"id": user, "username": user.lower(), "team_id": "T0"},
            "team": {"id": "T0", "domain": "made-up"},
            "container": {"type": "message", "message_ts": message.ts, "channel_id": message.channel},
            "trigger_id": self.trigger(),
            "channel": {"id": message.channel, "name": "incidents"},
            "message": {"ts": message.ts, "text": message.text},
            "actions": [pressed],
        }

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
        if method == "conversations.info":
            return self._channel_info(body)
        if method == "chat.postMessage":
            return self._post(body)
        if method == "chat.update":
            return self._update(body)
        if method == "chat.postEphemeral":
            return self._whisper(body)
        if method == "views.open":
            return self._open(body)
        if method == "files.getUploadURLExternal":
            return self._upload_url(body)
        if method == "files.completeUploadExternal":
            return self._share(body)
        raise Refusal("unknown_method")

    def _channel_info(self, body: Json) -> Json:
        if "channels:read" not in self.scopes:
            raise Refusal("missing_scope")
        channel = self.channels.get(body.get("channel", ""), body.get("channel", ""))
        if channel not in self.channels.values():
            raise Refusal("channel_not_found")
        return {"channel": {"id": channel, "is_member": channel in self.member_of}}

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

    def _whisper(self, body: Json) -> Json:
        channel, user = self._channel(body), body.get("user", "")
        _check_content(body, MAX_TEXT)
        if user not in self.users.get(channel, set()):
            raise Refusal("user_not_in_channel")
        self.whispers.append((channel, user, body.get("text", "")))
        return {"message_ts": f"{self.clock.now:.0f}.{len(self.whispers):06d}"}

    def _open(self, body: Json) -> Json:
        lives_until = self._triggers.get(body.get("trigger_id", ""))
        if lives_until is None:
            raise Refusal("invalid_trigger_id")
        if lives_until == 0.0:
            raise Refusal("exchanged_trigger_id")
        if self.clock.now > lives_until:
            raise Refusal("expired_trigger_id")
        view = body.get("view", {})
        view = json.loads(view) if isinstance(view, str) else view
        if problems := problems_of_view(view):
            raise Refusal("invalid_arguments", *(f"[ERROR] {problem}" for problem in problems))
        self._triggers[body["trigger_id"]] = 0.0
        self.views.append(view)
        return {"view": {"id": f"V{len(self.views)}", **view}}

    def _upload_url(self, body: Json) -> Json:
        self._check_scope("files:write")
        length = int(body.get("length") or 0)
        if not body.get("filename") or not 0 < length <= MAX_FILE:
            raise Refusal("invalid_arguments")
        if size(str(body.get("alt_txt", ""))) > MAX_ALT_TEXT:
            raise Refusal("alt_txt_too_large")
        name = f"F{len(self.files) + 1:04d}"
        self.files[name] = Shared(body["filename"], length)
        return {"upload_url": f"{self.url.removesuffix('/api/')}/upload/{name}", "file_id": name}

    def elsewhere(self, path: str, authorization: str, raw: bytes) -> tuple[int, bytes, str] | None:
        """Answer what is no method of the Web API: files, replies to commands, and Socket Mode."""
        name = urlsplit(path).path.rsplit("/", 1)[-1]
        if path.startswith("/commands/"):
            self.replies_by_address.append((path, json.loads(raw)))
            return 200, b"ok", "text/plain"
        if path.startswith("/upload/"):
            return self.take_upload(name, raw), b"OK", "text/plain"
        if name == "apps.connections.open" and self.socket is not None:
            told = self.socket.answer(Asked("POST", path, {}, {"authorization": authorization}, raw))
            return told.status, json.dumps(told.body).encode(), "application/json; charset=utf-8"
        return None

    def take_upload(self, name: str, raw: bytes) -> int:
        """Take the bytes of a file; gives the status."""
        file = self.files.get(name)
        if file is None or file.content or len(raw) != file.length:
            return 400
        file.content = raw
        return 200

    def _share(self, body: Json) -> Json:
        self._check_scope("files:write")
        told = body.get("files", "[]")
        wanted = json.loads(told) if isinstance(told, str) else told
        if not wanted or any(not self.files.get(each["id"], Shared("", 0)).content for each in wanted):
            raise Refusal("file_not_found")
        channel = self._channel({"channel": body.get("channel_id", "")})
        if channel != body.get("channel_id"):
            raise Refusal("invalid_channel")
        for each in wanted:
            file = self.files[each["id"]]
            file.title, file.channel, file.thread_ts = each.get("title", ""), channel, body.get("thread_ts")
        return {"files": [{"id": each["id"], "title": each.get("title", "")} for each in wanted]}

    def _check_scope(self, scope: str) -> None:
        if scope not in self.scopes.split(","):
            raise Refusal("missing_scope")

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
    if size(text) > longest:
        raise Refusal("msg_too_long")
    problems = list(problems_of_blocks(blocks))
    if problems:
        raise Refusal("invalid_blocks", *(f"[ERROR] {problem}" for problem in problems))
    if size(json.dumps(blocks, ensure_ascii=False, separators=(",", ":"))) > MAX_ALL_BLOCKS:
        raise Refusal("msg_blocks_too_long")


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
            method = urlsplit(self.path).path.rsplit("/", 1)[-1]
            if other := double.elsewhere(self.path, self.headers.get("Authorization", ""), raw):
                self._send(*other)
                return
            try:
                body = _read(self.headers.get("Content-Type", ""), raw) | _query(self.path)
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
            self.send_header("X-OAuth-Scopes", double.scopes)
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


def _query(path: str) -> Json:
    """Arguments may stand in the address too, which is how the client calls the methods for files."""
    return {name: values[-1] for name, values in parse_qs(urlsplit(path).query).items()}


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
