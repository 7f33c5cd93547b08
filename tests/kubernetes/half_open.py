"""A network that goes half-open: what the client says still arrives, and nothing comes back any more."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

SWALLOWED = 2  # of a step's connections: the first one looks, the second one acts


@dataclass
class _Relay:
    """Connections to one server; the answers of one of them are swallowed after the client's last word."""

    server: tuple[str, int]
    words: int
    listener: socket.socket
    accepted: int = 0
    open: list[socket.socket] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def accept(self) -> None:
        with suppress(OSError):  # the listener is closed at the end
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.server)
                self.accepted += 1
                self.open += [client, server]
                last_word = threading.Event()
                words = self.words if self.accepted == SWALLOWED else 0
                self.run(lambda c=client, s=server, w=words, e=last_word: _speak(c, s, w, e))
                self.run(lambda c=client, s=server, e=last_word: _answer(s, c, e))

    def run(self, what: object) -> None:
        thread = threading.Thread(target=what)  # type: ignore[arg-type]
        self.threads.append(thread)
        thread.start()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for each in self.open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        for each in self.open:
            each.close()


def _speak(client: socket.socket, server: socket.socket, words: int, last_word: threading.Event) -> None:
    """Carry what the client says; ``words`` times until nothing is to come back, never if none."""
    said = 0
    with suppress(OSError):
        while data := client.recv(65536):
            said += 1
            if said == words:
                last_word.set()
            server.sendall(data)


def _answer(server: socket.socket, client: socket.socket, last_word: threading.Event) -> None:
    with suppress(OSError):
        while data := server.recv(65536):
            if not last_word.is_set():
                client.sendall(data)


@contextmanager
def half_open(url: str, *, encrypted: bool) -> Iterator[str]:
    """Yield an address that leads to ``url``, but for the answer to the second connection's request.

    With TLS 1.3 the request is the client's second word (RFC 8446, section 2), else its first.
    """
    split = urlsplit(url)
    listener = socket.create_server(("127.0.0.1", 0))
    relay = _Relay((str(split.hostname), int(split.port or 0)), 2 if encrypted else 1, listener)
    relay.run(relay.accept)
    try:
        yield f"{split.scheme}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        relay.close()
