"""A network in miniature between a client and a server on a Unix socket: it can fall silent and be cut."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread


@dataclass
class Relay:
    """Brings bytes to and fro; while ``silent`` it takes what is sent and brings nothing across."""

    behind: Path
    silent: Event = field(default_factory=Event)
    _front: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    _open: list[socket.socket] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self._front.getsockname()[1])

    def run(self) -> None:
        with suppress(OSError):  # the front is closed at the end
            while True:
                near, _ = self._front.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(str(self.behind))
                self._open += [near, far]
                for source, sink in ((near, far), (far, near)):
                    Thread(target=self._bring, args=(source, sink), daemon=True).start()

    def close(self) -> None:
        self._front.shutdown(socket.SHUT_RDWR)
        self._front.close()
        for end in self._open:
            end.close()

    def _bring(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while taken := source.recv(65536):
                if not self.silent.is_set():
                    sink.sendall(taken)
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def relayed(behind: Path) -> Iterator[Relay]:
    """Yield a relay on a free loopback port to a server on a Unix socket."""
    relay = Relay(behind)
    thread = Thread(target=relay.run, daemon=True)
    thread.start()
    yield relay
    relay.close()
    thread.join()
