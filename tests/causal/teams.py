"""Made-up teams of agents: single failed runs, and quiet and unwell stretches of many runs.

A run is a list of acts under one root, written as `Said` in the order of time. Everything is the same every
time: where runs differ from each other, they do so by their number.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from causal.evidence import Alert, Symptom, Window
from causal.telemetry import Batch, Column, Logs, Metrics, SpanKind, Spans, Status, Telemetry
from tests.causal.worlds import QUIET, T0, UNWELL

TEAM = "team"
QUESTION = "How many visitors did the Harbour Museum of Lisbon count in the spring of 1987?"
STEP = 1.0


@dataclass(frozen=True)
class Said:
    """One act: who, which operation, what came out; ``told`` are further attributes."""

    who: str
    text: str = ""
    what: str = "chat"
    failed: bool = False
    told: dict[str, Any] = field(default_factory=dict)

    def attributes(self) -> dict[str, Any]:
        """What the span says."""
        out = "gen_ai.tool.call.result" if self.what == "execute_tool" else "gen_ai.output.messages"
        said = {out: self.text} if self.text else {}
        return {"gen_ai.operation.name": self.what, "gen_ai.agent.name": self.who, **said, **self.told}


def chat(
    who: str,
    text: str = "",
    *,
    tokens: int = 40,
    model: str = "small-1",
    prompt: str = "v1",
    ended: str = "stop",
) -> Said:
    """A model's turn."""
    told: dict[str, Any] = {
        "gen_ai.request.model": model,
        "gen_ai.prompt.version": prompt,
        "gen_ai.usage.output_tokens": tokens,
        "gen_ai.response.finish_reasons": [ended],
    }
    return Said(who, text, told=told)


def tool(who: str, name: str, result: str = "", *, failed: bool = False, arguments: str = "{}") -> Said:
    """A tool's call by an agent."""
    told = {"gen_ai.tool.name": name, "gen_ai.tool.call.arguments": arguments}
    return Said(who, result, "execute_tool", failed, told)


def code(who: str, result: str, exit_code: int = 0) -> Said:
    """A terminal that ran the code of the turn before it."""
    told = {"gen_ai.tool.name": "terminal", "process.exit.code": exit_code}
    return Said(who, result, "execute_tool", exit_code != 0, told)


def recall(who: str, entry: str, content: str) -> Said:
    """A look into memory that returned one entry."""
    records = json.dumps([{"id": entry, "content": content}])
    return Said(who, "", "search_memory", told={"gen_ai.memory.records": records})


def remember(who: str, entry: str, content: str) -> Said:
    """An entry written to memory."""
    told = {
        "gen_ai.memory.record.id": entry,
        "gen_ai.memory.records": json.dumps([{"id": entry, "content": content}]),
    }
    return Said(who, "", "update_memory", told=told)


def judged(said: Said, *, good: bool, score: float | None = None) -> Said:
    """The same act with an evaluation."""
    value = (0.9 if good else 0.2) if score is None else score
    event = {
        "name": "gen_ai.evaluation.result",
        "gen_ai.evaluation.score.label": "pass" if good else "fail",
        "gen_ai.evaluation.score.value": value,
    }
    return Said(said.who, said.text, said.what, said.failed, said.told | {"events": [event]})


Run = Sequence[Said]


@dataclass(frozen=True)
class _Row:
    trace: str
    span: int
    parent: int
    start: float
    said: Said
    told: dict[str, Any]


def _rows(runs: Sequence[tuple[float, Run]], names: Callable[[str], str], indexed: int | None) -> list[_Row]:
    rows = []
    for number, (begins, run) in enumerate(runs):
        root = Said(TEAM, "", "invoke_agent", told={"gen_ai.input.messages": QUESTION})
        for place, said in enumerate([root, *run]):
            told = said.attributes() | {"gen_ai.agent.name": names(said.who)}
            if indexed is not None and place:
                told["step.index"] = indexed + place - 1
            above = -1 if place == 0 else number * 1000
            rows.append(
                _Row(f"run-{number}", number * 1000 + place, above, begins + place * STEP, said, told)
            )
    return rows


def spans(
    runs: Sequence[tuple[float, Run]], *, names: Callable[[str], str] = str, indexed: int | None = None
) -> Spans:
    """Runs (start, acts) as a table; ``names`` renames agents, ``indexed`` is the first ``step.index``."""
    rows = _rows(runs, names, indexed)
    none = Column(np.full(len(rows), -1, dtype=np.int32), ())
    return Spans(
        trace=Column.of(row.trace for row in rows),
        span=np.array([row.span for row in rows], dtype=np.int64),
        parent=np.array([row.parent for row in rows], dtype=np.int64),
        service=Column.of(names(row.said.who) for row in rows),
        instance=none,
        operation=Column.of(f"{row.said.what} {names(row.said.who)}" for row in rows),
        kind=np.full(len(rows), SpanKind.INTERNAL, dtype=np.int8),
        start_ns=np.array([int(row.start * 1e9) for row in rows], dtype=np.int64),
        duration_ns=np.full(len(rows), int(0.9 * STEP * 1e9), dtype=np.int64),
        status=np.array([Status.ERROR if row.said.failed else Status.UNSET for row in rows], dtype=np.int8),
        status_code=none,
        attributes=Column.of(json.dumps(row.told, sort_keys=True) for row in rows),
    )


def failed_run(run: Run, *, names: Callable[[str], str] = str, indexed: int | None = None) -> Telemetry:
    """One run and no quiet time."""
    table = spans([(T0 + QUIET, run)], names=names, indexed=indexed)
    return _telemetry(table, np.ones(len(table), dtype=np.bool_))


def stretches(calm: Callable[[int], Run], unwell: Callable[[int], Run], n: int = 30) -> Telemetry:
    """Runs (made from their numbers) in quiet time, four times as many as in the incident after it."""
    quiet = [(T0 + QUIET * k / (4 * n), calm(k)) for k in range(4 * n)]
    late = [(T0 + QUIET + UNWELL * k / n, unwell(k)) for k in range(n)]
    table = spans([*quiet, *late])
    first = len(spans(quiet))
    flags = np.zeros(len(table), dtype=np.bool_)
    flags[first:] = True
    return _telemetry(table, flags)


def _telemetry(table: Spans, late: Any) -> Telemetry:
    return Telemetry(
        baseline=Window(start=T0, end=T0 + QUIET),
        window=Window(start=T0 + QUIET, end=T0 + QUIET + UNWELL),
        quiet=Batch(table.take(~late), Metrics.none(), Logs.none()),
        incident=Batch(table.take(late), Metrics.none(), Logs.none()),
    )


def task_failed() -> Alert:
    """The alert that a team's task has failed."""
    return Alert(
        fingerprint="a" * 64,
        symptom=Symptom(service=TEAM, signal="task_failure"),
        raised_at=T0 + QUIET + UNWELL,
        began_at=T0 + QUIET,
    )
