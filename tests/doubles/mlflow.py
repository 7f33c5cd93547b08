"""An MLflow model registry on the loopback interface: the part of its REST API 2.0 that moves aliases.

Statuses, error codes and words are those that MLflow 3 answers with; the tests against the real server are
the same ones, which holds the two together.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Json = dict[str, Any]
ROOT = "/api/2.0/mlflow/"


class Refusal(Exception):
    """An error with its code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


@dataclass(frozen=True)
class Failure:
    """What goes wrong with the next move of an alias: an answer, or none; before or after it is made."""

    status: int = 0
    after_the_effect: bool = False
    hang: bool = False


@dataclass
class Model:
    """A registered model."""

    tags: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    versions: dict[str, Json] = field(default_factory=dict)


@dataclass
class MlflowDouble:
    """All registered models; who may ask; and what is to go wrong."""

    url: str = ""
    models: dict[str, Model] = field(default_factory=dict)
    token: str = ""
    page: int = 1000
    failures: deque[Failure] = field(default_factory=deque)
    released: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str, asked: Json, authorization: str) -> tuple[int, Json]:
        """Answer one request."""
        known: dict[str, Callable[[Json], Json]] = {
            "registered-models/create": self._create,
            "registered-models/get": self._get,
            "registered-models/set-tag": self._set_tag,
            "registered-models/alias": self._set_alias,
            "model-versions/create": self._create_version,
            "model-versions/get": lambda asked: {"model_version": self._version(asked)},
            "model-versions/set-tag": self._set_version_tag,
            "model-versions/search": self._search,
        }
        with self._lock:
            try:
                if self.token and authorization != self.token:
                    return 403, {"error_code": "PERMISSION_DENIED", "message": "Permission denied"}
                return 200, known[path](asked)
            except Refusal as refusal:
                return refusal.status, {"error_code": refusal.code, "message": str(refusal)}

    def _model(self, asked: Json) -> Model:
        if asked["name"] not in self.models:
            message = f"Registered Model with name={asked['name']} not found"
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", message)
        return self.models[asked["name"]]

    def _version(self, asked: Json) -> Json:
        found = self._model(asked).versions.get(str(asked["version"]))
        if found is None:
            message = f"Model Version (name={asked['name']}, version={asked['version']}) not found"
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", message)
        return found

    def _create(self, asked: Json) -> Json:
        self.models[asked["name"]] = Model()
        return self._get(asked)

    def _get(self, asked: Json) -> Json:
        model = self._model(asked)
        found: Json = {"name": asked["name"]}
        if model.tags:  # what is empty is left out, as protobuf's JSON does
            found["tags"] = [{"key": key, "value": value} for key, value in model.tags.items()]
        if model.aliases:
            found["aliases"] = [{"alias": key, "version": value} for key, value in model.aliases.items()]
        return {"registered_model": found}

    def _set_tag(self, asked: Json) -> Json:
        self._model(asked).tags[asked["key"]] = asked["value"]
        return {}

    def _set_alias(self, asked: Json) -> Json:
        self._version(asked)
        self._model(asked).aliases[asked["alias"]] = str(asked["version"])
        return {}

    def _create_version(self, asked: Json) -> Json:
        versions = self._model(asked).versions
        number = str(len(versions) + 1)
        versions[number] = {"name": asked["name"], "version": number, "status": "READY"}
        return {"model_version": versions[number]}

    def _set_version_tag(self, asked: Json) -> Json:
        self._version(asked).setdefault("tags", []).append({"key": asked["key"], "value": asked["value"]})
        return {}

    def _search(self, asked: Json) -> Json:
        name = asked["filter"].removeprefix("name='").removesuffix("'")
        found = list(self._model({"name": name}).versions.values())
        first = int(asked.get("page_token", 0))
        page: Json = {"model_versions": found[first : first + self.page]}
        if first + self.page < len(found):
            page["next_page_token"] = str(first + self.page)
        return page


def _handler(double: MlflowDouble) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def serve(self) -> None:
            split = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked = json.loads(body) if body else dict(parse_qsl(split.query))
            path = split.path.removeprefix(ROOT)
            authorization = self.headers.get("Authorization", "")
            moves = self.command == "POST" and path == "registered-models/alias"
            failure = double.failures.popleft() if double.failures and moves else None
            if failure is None or failure.after_the_effect:
                status, answer = double.answer(path, asked, authorization)
            if failure is not None:
                if failure.hang:
                    double.released.wait(30)
                    return
                status, answer = failure.status, {"error_code": "INTERNAL_ERROR", "message": "made up"}
            self.say(status, answer)

        do_GET = do_POST = serve  # noqa: N815

        def say(self, status: int, answer: Json) -> None:
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    return Handler


@contextmanager
def running_double() -> Iterator[MlflowDouble]:
    """A registry that answers for as long as this lasts."""
    double = MlflowDouble()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(double))
    double.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield double
    finally:
        double.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
