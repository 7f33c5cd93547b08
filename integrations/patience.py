"""A connection to PostgreSQL that does not wait for ever.

The server's own time-outs end a wait for a lock; keepalive and user time-out of TCP notice a machine that is
gone. Neither helps where something in between (a balancer, a pooler, a tunnel) takes what is sent and brings
nothing back: the network is well, the answer just never comes. Only whoever asks can end that.
"""

from collections.abc import Generator
from time import monotonic
from typing import Any

import psycopg
from psycopg.abc import PQGen


class PatientConnection(psycopg.Connection[Any]):
    """Gives up on an answer after ``patience`` seconds and then is closed: who knows what became of it."""

    patience: float = 45.0

    def wait(self, gen: PQGen[Any], *arguments: Any, **options: Any) -> Any:
        """Wait as the driver does; raises OperationalError where no answer came in time."""
        return super().wait(self._in_time(gen), *arguments, **options)

    def _in_time(self, gen: PQGen[Any]) -> Generator[Any, Any, Any]:
        deadline = monotonic() + self.patience
        try:
            awaited = next(gen)
            while True:
                ready = yield awaited  # nothing is ready where the driver only looks in between
                if not ready and monotonic() > deadline:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"no answer within {self.patience:g} seconds")
                awaited = gen.send(ready)
        except StopIteration as done:
            return done.value
