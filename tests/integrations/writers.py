"""Other processes that use a database: `python -m tests.integrations.writers TASK URL NAME COUNT`.

Each says ``ready`` once it has loaded, waits for a line on its standard input so that all begin together,
opens the database, and answers with one line of JSON.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Engine

from causal.errors import Conflict
from causal.evidence import Alert
from integrations.database import connect, open_database
from integrations.ports import AuditEntry, Intent
from integrations.store import SqlAuditLog, SqlIncidents, SqlJournal, SqlLocks
from integrations.store.schema import upgrade


def together(task: str, url: str, processes: int, count: int) -> list[Any]:
    """Run a task in several processes at once and return what each of them answers."""
    started = [_start(task, url, f"writer-{number}", count) for number in range(processes)]
    for writer in started:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    return [json.loads(answer) for answer in _answers(started)]


def _start(*words: str | int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.integrations.writers", *map(str, words)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _answers(started: list[subprocess.Popen[str]]) -> Iterator[str]:
    for writer in started:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in started:
        answer, _ = writer.communicate(timeout=60)
        assert writer.returncode == 0
        yield answer


def _append(engine: Engine, name: str, count: int) -> list[int]:
    log = SqlAuditLog(engine)
    entries = (AuditEntry(actor=name, event="tried", summary=f"row {number}") for number in range(count))
    return [log.append(entry).seq for entry in entries]


def _open(engine: Engine, name: str, count: int) -> list[bool]:
    incidents = SqlIncidents(engine)
    alerts = (Alert(fingerprint=f"{number:08}", source=name, raised_at=100.0) for number in range(count))
    return [incidents.open_or_join(alert, frozenset(), 60.0).is_new for alert in alerts]


def _begin(engine: Engine, name: str, count: int) -> list[bool]:
    journal = SqlJournal(engine)
    intents = [
        Intent(key=f"i/p/{number}", incident="i", plan=name, step="s", action="a", started_at=1.0)
        for number in range(count)
    ]
    return [journal.begin(intent) == intent for intent in intents]


def _acquire(engine: Engine, name: str, count: int) -> list[int]:
    locks = SqlLocks(engine)
    return [_fence(locks, f"target-{number}", name) for number in range(count)]


def _fence(locks: SqlLocks, target: str, owner: str) -> int:
    try:
        return locks.acquire(frozenset({target}), owner, now=1.0, lease=60.0)
    except Conflict:
        return 0


def _turns(engine: Engine, name: str, count: int) -> list[int]:
    fences: list[int] = []
    while len(fences) < count:
        fence = _fence(locks := SqlLocks(engine), "the one", name)
        locks.release(name)
        fences += [fence] if fence else []
    return fences


_TASKS: dict[str, Callable[[Engine, str, int], object]] = {
    "append": _append,
    "open": _open,
    "begin": _begin,
    "acquire": _acquire,
    "turns": _turns,
    "upgrade": lambda engine, _name, _count: upgrade(engine),
}


def _main(task: str, url: str, name: str, count: str) -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    engine = connect(url) if task == "upgrade" else open_database(url)
    sys.stdout.write(json.dumps(_TASKS[task](engine, name, int(count))))
    engine.dispose()


if __name__ == "__main__":
    _main(*sys.argv[1:])
