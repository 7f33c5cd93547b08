"""A forge on the loopback interface: a GitHub, a GitLab or a Gitea, as strict as their documentation.

One state (branches, commits, pull requests) behind three REST APIs. It checks the token where each of them
wants it, the content type of a body, the fields that are required, and answers errors with the status and the
body that are documented: a bad token, a project that is not there, a reference or a pull request that exists
already, rate limits with and without Retry-After.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Literal
from urllib.parse import parse_qs, unquote

PROJECT = "acme/shop-config"
TOKEN = "glpat-made-up-0000"
Kind = Literal["github", "gitlab", "gitea"]
Files = Mapping[str, bytes]
Route = Callable[["ForgeDouble", "Call"], tuple[int, Any]]
_PREFIX = {"github": "", "gitlab": "/api/v4", "gitea": "/api/v1"}


class Refusal(Exception):
    """The forge says no."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(str(body))
        self.status, self.body, self.headers = status, body, dict(headers or {})


@dataclass(frozen=True)
class Call:
    """A request as it arrived: its path without the prefix, what the route's groups matched, its query."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any = None
    found: Mapping[str, str] = field(default_factory=dict)

    def need(self, *names: str) -> list[Any]:
        """The required fields of a body; a documented error names the first that is missing."""
        for name in names:
            if not isinstance(self.body, dict) or self.body.get(name) in (None, ""):
                raise Refusal(422, {"message": f'Invalid request.\n\n"{name}" wasn\'t supplied.'})
        return [self.body[name] for name in names]


@dataclass(frozen=True)
class Commit:
    """A commit: what all files are, and what came before."""

    files: Files
    message: str
    parents: tuple[str, ...] = ()


@dataclass
class PullRequest:
    """A pull request."""

    number: int
    title: str
    body: str
    branch: str
    base: str
    state: str = "open"


@dataclass
class ForgeDouble:
    """The state, and how to misbehave: ``lose`` drops the answer to a request after acting on it, once."""

    kind: Kind
    port: int = 0
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    trees: dict[str, dict[str, bytes]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    pulls: list[PullRequest] = field(default_factory=list)
    asked: list[Call] = field(default_factory=list)
    lose: str = ""
    limited: Mapping[str, str] | None = None
    lock: Lock = field(default_factory=Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{_PREFIX[self.kind]}"

    def files(self, branch: str) -> Files:
        return self.commits[self.branches[branch]].files

    def begin(self, branch: str, commit: str, files: Files) -> None:
        """Make a branch as a push would."""
        self.commits[commit] = Commit(files, "pushed")
        self.branches[branch] = commit

    def commit(self, files: Files, message: str, parents: tuple[str, ...]) -> str:
        name = hashlib.sha1(repr((sorted(files.items()), message, parents)).encode()).hexdigest()  # noqa: S324
        self.commits[name] = Commit(files, message, parents)
        return name

    def pull(self, number: str) -> PullRequest:
        if not 0 < int(number) <= len(self.pulls):
            raise Refusal(404, {"message": "Not Found"})
        return self.pulls[int(number) - 1]

    def open_pull(self, title: str, branch: str, base: str, body: str, exists: Refusal) -> PullRequest:
        if any(each.branch == branch and each.state == "open" for each in self.pulls):
            raise exists
        if branch not in self.branches or base not in self.branches:
            raise Refusal(
                422, {"message": "Validation Failed", "errors": [{"field": "head", "code": "invalid"}]}
            )
        self.pulls.append(PullRequest(len(self.pulls) + 1, title, body, branch, base))
        return self.pulls[-1]

    def answer(self, call: Call) -> tuple[int, Any]:
        """Answer as this kind of forge does."""
        _authorized(self, call)
        if self.limited is not None:
            limit = {"message": "You have exceeded a secondary rate limit."}
            raise Refusal(403 if self.kind == "github" else 429, limit, self.limited)
        if call.method in {"POST", "PUT", "PATCH"} and "application/json" not in call.headers["content-type"]:
            raise Refusal(400, {"message": "Problems parsing JSON"})
        for method, pattern, route in _ROUTES[self.kind]:
            match = re.fullmatch(pattern, call.path)
            if call.method == method and match:
                found = {name: unquote(text) for name, text in match.groupdict().items()}
                if found.pop("project") != PROJECT:
                    raise Refusal(404, {"message": "Not Found"})
                return route(self, Call(**{**call.__dict__, "found": found}))
        raise Refusal(404, {"message": "Not Found"})


def _authorized(forge: ForgeDouble, call: Call) -> None:
    header, value = {
        "github": ("authorization", f"Bearer {TOKEN}"),
        "gitlab": ("private-token", TOKEN),
        "gitea": ("authorization", f"token {TOKEN}"),
    }[forge.kind]
    if call.headers.get(header) != value:
        says = {"github": "Bad credentials", "gitlab": "401 Unauthorized", "gitea": "invalid token"}
        raise Refusal(401, {"message": says[forge.kind]})
    if not call.headers.get("user-agent"):
        raise Refusal(403, {"message": "Request forbidden by administrative rules."})


def blob_name(content: bytes) -> str:
    """The name that git gives a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()  # noqa: S324


# --- GitHub


def _hub_ref(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    branch = call.found["branch"]
    if branch not in forge.branches:
        raise Refusal(404, {"message": "Not Found"})
    return 200, {"ref": f"refs/heads/{branch}", "object": {"type": "commit", "sha": forge.branches[branch]}}


def _hub_commit(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    name = call.found["sha"]
    if name not in forge.commits:
        raise Refusal(404, {"message": "Not Found"})
    forge.trees[f"tree-{name}"] = dict(forge.commits[name].files)
    return 200, {"sha": name, "tree": {"sha": f"tree-{name}"}}


def _hub_blob(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    content, encoding = call.need("content", "encoding")
    data = base64.b64decode(content, validate=True) if encoding == "base64" else content.encode()
    forge.blobs[blob_name(data)] = data
    return 201, {"sha": blob_name(data)}


def _hub_tree(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    base, entries = call.need("base_tree", "tree")
    files = dict(forge.trees[base])
    for entry in entries:
        if entry["mode"] not in {"100644", "100755", "120000"} or entry["type"] != "blob":
            raise Refusal(422, {"message": "tree.mode is not valid"})
        if entry["sha"] is None:
            if files.pop(entry["path"], None) is None:
                raise Refusal(422, {"message": "GitRPC::BadObjectState"})
        else:
            files[entry["path"]] = forge.blobs[entry["sha"]]
    name = f"tree-{len(forge.trees)}"
    forge.trees[name] = files
    return 201, {"sha": name}


def _hub_make(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    message, tree, parents = call.need("message", "tree", "parents")
    return 201, {"sha": forge.commit(forge.trees[tree], message, tuple(parents))}


def _hub_make_ref(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    ref, name = call.need("ref", "sha")
    branch = ref.removeprefix("refs/heads/")
    if branch in forge.branches:
        raise Refusal(422, {"message": "Reference already exists"})
    if name not in forge.commits:
        raise Refusal(422, {"message": "Object does not exist"})
    forge.branches[branch] = name
    return 201, {"ref": ref, "object": {"sha": name}}


def _hub_delete_ref(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    if forge.branches.pop(call.found["branch"], None) is None:
        raise Refusal(422, {"message": "Reference does not exist"})
    return 204, None


def _hub_shown(pull: PullRequest) -> dict[str, Any]:
    return {
        "number": pull.number,
        "state": "open" if pull.state == "open" else "closed",
        "merged_at": "2026-01-01T00:00:00Z" if pull.state == "merged" else None,
        "merged": pull.state == "merged",
        "head": {"ref": pull.branch},
        "base": {"ref": pull.base},
        "html_url": f"https://forge.example/{PROJECT}/pull/{pull.number}",
    }


def _hub_open(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    title, branch, base = call.need("title", "head", "base")
    says = f"A pull request already exists for acme:{branch}."
    error = {"resource": "PullRequest", "code": "custom", "message": says}
    exists = Refusal(422, {"message": "Validation Failed", "errors": [error]})
    if forge.kind == "gitea":
        exists = Refusal(409, {"message": f"pull request already exists for these targets [head: {branch}]"})
    return 201, _hub_shown(forge.open_pull(title, branch, base, call.body.get("body", ""), exists))


def _hub_pulls(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    head = call.query.get("head", "").partition(":")[2]
    page, limit = int(call.query.get("page", "1")), int(call.query.get("limit", "30"))
    wanted = [each for each in reversed(forge.pulls) if not head or each.branch == head]
    return 200, [_hub_shown(each) for each in wanted[(page - 1) * limit : page * limit]]


def _hub_pull(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    return 200, _hub_shown(forge.pull(call.found["number"]))


def _hub_patch(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    pull, (state,) = forge.pull(call.found["number"]), call.need("state")
    if pull.state == "merged":
        raise Refusal(422, {"message": "Validation Failed"})
    pull.state = state
    return 200 if forge.kind == "github" else 201, _hub_shown(pull)


# --- GitLab


def _lab_branch(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    branch = call.found["branch"]
    if branch not in forge.branches:
        raise Refusal(404, {"message": "404 Branch Not Found"})
    return 200, {"name": branch, "commit": {"id": forge.branches[branch]}}


def _lab_commit(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    for name in ("branch", "commit_message", "actions"):
        if not call.body.get(name):
            raise Refusal(400, {"error": f"{name} is missing"})
    branch, start = call.body["branch"], call.body.get("start_sha")
    if branch in forge.branches and start:
        raise Refusal(400, {"message": f"A branch called '{branch}' already exists."})
    if start not in forge.commits:
        raise Refusal(400, {"message": "Cannot find start_sha"})
    files = dict(forge.commits[start].files)
    for action in call.body["actions"]:
        _lab_act(files, action)
    forge.branches[branch] = forge.commit(files, call.body["commit_message"], (start,))
    return 201, {"id": forge.branches[branch]}


def _lab_act(files: dict[str, bytes], action: Mapping[str, str]) -> None:
    path, there = action["file_path"], action["file_path"] in files
    if (action["action"] == "create") == there:
        says = "A file with this name already exists" if there else "A file with this name doesn't exist"
        raise Refusal(400, {"message": says})
    if action["action"] == "delete":
        del files[path]
    else:
        files[path] = base64.b64decode(action["content"], validate=True)


def _lab_shown(pull: PullRequest) -> dict[str, Any]:
    return {
        "iid": pull.number,
        "state": {"open": "opened"}.get(pull.state, pull.state),
        "source_branch": pull.branch,
        "target_branch": pull.base,
        "web_url": f"https://forge.example/{PROJECT}/-/merge_requests/{pull.number}",
    }


def _lab_open(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    for name in ("source_branch", "target_branch", "title"):
        if not call.body.get(name):
            raise Refusal(400, {"error": f"{name} is missing"})
    says = "Another open merge request already exists for this source branch: !1"
    branch, base = call.body["source_branch"], call.body["target_branch"]
    pull = forge.open_pull(
        call.body["title"], branch, base, call.body.get("description", ""), Refusal(409, {"message": [says]})
    )
    return 201, _lab_shown(pull)


def _lab_pulls(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    branch = call.query["source_branch"]
    return 200, [_lab_shown(each) for each in reversed(forge.pulls) if each.branch == branch]


def _lab_pull(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    return 200, _lab_shown(forge.pull(call.found["number"]))


def _lab_close(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    pull = forge.pull(call.found["number"])
    if call.body.get("state_event") != "close":
        raise Refusal(400, {"error": "state_event does not have a valid value"})
    pull.state = "closed"
    return 200, _lab_shown(pull)


def _delete_branch(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    if forge.branches.pop(call.found["branch"], None) is None:
        raise Refusal(404, {"message": "404 Branch Not Found"})
    return 204, None


# --- Gitea and Forgejo


def _tea_contents(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    (operations,) = call.need("files")
    base, branch = call.body.get("branch", "main"), call.body.get("new_branch")
    if branch in forge.branches:
        raise Refusal(422, {"message": f"branch already exists [name: {branch}]"})
    files = dict(forge.files(base))
    for each in operations:
        path, there = each["path"], files.get(each["path"])
        if each["operation"] == "create" and there is not None:
            raise Refusal(422, {"message": f"repository file already exists [path: {path}]"})
        if each["operation"] != "create" and (there is None or each.get("sha") != blob_name(there)):
            raise Refusal(422, {"message": f"sha does not match [given: {each.get('sha')}]"})
        if each["operation"] == "delete":
            del files[path]
        else:
            files[path] = base64.b64decode(each["content"], validate=True)
    forge.branches[branch] = forge.commit(files, call.body["message"], (forge.branches[base],))
    return 201, {"commit": {"sha": forge.branches[branch]}}


_R = r"/repos/(?P<project>[^/]+/[^/]+)"
_P = r"/projects/(?P<project>[^/]+)"
_PULLS: list[tuple[str, str, Route]] = [
    ("GET", rf"{_R}/pulls", _hub_pulls),
    ("POST", rf"{_R}/pulls", _hub_open),
    ("GET", rf"{_R}/pulls/(?P<number>\d+)", _hub_pull),
    ("PATCH", rf"{_R}/pulls/(?P<number>\d+)", _hub_patch),
]
_ROUTES: Mapping[Kind, list[tuple[str, str, Route]]] = {
    "github": [
        *_PULLS,
        ("GET", rf"{_R}/git/ref/heads/(?P<branch>.+)", _hub_ref),
        ("GET", rf"{_R}/git/commits/(?P<sha>[0-9a-f]+)", _hub_commit),
        ("POST", rf"{_R}/git/blobs", _hub_blob),
        ("POST", rf"{_R}/git/trees", _hub_tree),
        ("POST", rf"{_R}/git/commits", _hub_make),
        ("POST", rf"{_R}/git/refs", _hub_make_ref),
        ("DELETE", rf"{_R}/git/refs/heads/(?P<branch>.+)", _hub_delete_ref),
    ],
    "gitlab": [
        ("GET", rf"{_P}/repository/branches/(?P<branch>[^/]+)", _lab_branch),
        ("DELETE", rf"{_P}/repository/branches/(?P<branch>[^/]+)", _delete_branch),
        ("POST", rf"{_P}/repository/commits", _lab_commit),
        ("GET", rf"{_P}/merge_requests", _lab_pulls),
        ("POST", rf"{_P}/merge_requests", _lab_open),
        ("GET", rf"{_P}/merge_requests/(?P<number>\d+)", _lab_pull),
        ("PUT", rf"{_P}/merge_requests/(?P<number>\d+)", _lab_close),
    ],
    "gitea": [
        *_PULLS,
        ("GET", rf"{_R}/branches/(?P<branch>[^/]+)", _lab_branch),
        ("DELETE", rf"{_R}/branches/(?P<branch>[^/]+)", _delete_branch),
        ("POST", rf"{_R}/contents", _tea_contents),
    ],
}


def _handler(forge: ForgeDouble) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            raw, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            call = Call(
                self.command,
                raw.removeprefix(_PREFIX[forge.kind]),
                {name: values[0] for name, values in parse_qs(query).items()},
                {name.lower(): value for name, value in self.headers.items()},
                json.loads(body) if body else None,
            )
            with forge.lock:
                forge.asked.append(call)
                try:
                    status, value = forge.answer(call)
                    headers: Mapping[str, str] = {}
                except Refusal as refusal:
                    status, value, headers = refusal.status, refusal.body, refusal.headers
                lost = bool(forge.lose) and f"{call.method} {call.path}".startswith(forge.lose)
                forge.lose = "" if lost else forge.lose
            if lost:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.reply(status, value, headers)

        def reply(self, status: int, value: Any, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name, text)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.end_headers()
            if value is not None:
                self.wfile.write(json.dumps(value).encode())

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    return Handler


@contextmanager
def forge_double(kind: Kind) -> Iterator[ForgeDouble]:
    """A forge that answers for as long as this lasts."""
    forge = ForgeDouble(kind)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(forge))
    forge.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield forge
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
