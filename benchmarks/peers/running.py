"""Asking published methods: one process for each environment, a question and an answer a line.

A method that takes too long is cut off with its process, and a new one takes the next question.
"""

import json
import os
import select
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from benchmarks.truth import Told

INSIDE = Path(__file__).with_name("inside.py")
LIMIT = 120.0
_START = 120.0
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Answer(Told):
    """A method's order of services, the best guess first, or why there is none."""

    services: tuple[str, ...] = ()
    seconds: float = 0.0
    problem: str = ""


class Room:
    """A process that published methods run in; it is started when it is first asked."""

    def __init__(self, python: Path, limit: float = LIMIT, inside: Sequence[str] = (str(INSIDE),)) -> None:
        self._words = [str(python), "-W", "ignore", *inside]
        self._limit = limit
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def ask(self, method: str, case: Path) -> Answer:
        """Have a method rank the services of a case that was handed over."""
        try:
            process = self._process or self._start()
            _say(process, {"method": method, "case": str(case)})
            answer = self._heard(process, self._limit)
        except OSError as error:
            answer = Answer(problem=f"the process ended: {error}")
        if answer.problem.startswith(("no answer", "the process")):
            self._stop()
        return answer

    def _start(self) -> subprocess.Popen[str]:
        self._process = subprocess.Popen(
            self._words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | _ONE_THREAD,
        )
        ready = self._heard(self._process, _START)
        if ready.problem:
            raise OSError(ready.problem)
        return self._process

    def _heard(self, process: subprocess.Popen[str], seconds: float) -> Answer:
        output = process.stdout
        if output is None or not select.select([output], [], [], seconds)[0]:
            return Answer(problem=f"no answer within {seconds:.0f} s")
        line = output.readline()
        return Answer.model_validate_json(line) if line else Answer(problem="the process ended")

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.communicate()
        self._process = None


def _say(process: subprocess.Popen[str], question: dict[str, Any]) -> None:
    if process.stdin is None:
        raise OSError("nobody listens")
    process.stdin.write(json.dumps(question) + "\n")
    process.stdin.flush()
