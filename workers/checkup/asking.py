"""Asking all systems at once, each with a limit of time; the answers come in the order of the questions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from causal.errors import AitiaError, Malformed, Refused, Unavailable
from workers.checkup.report import Finding, Remark, System, finding, wrong

LIMIT_SECONDS = 15.0


@dataclass
class _Question:
    """A system that is being asked, in a thread of its own that nobody has to wait for."""

    system: System
    remarks: list[Remark] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def start(self) -> _Question:
        threading.Thread(target=self._ask, name=f"check {self.system.name}", daemon=True).start()
        return self

    def _ask(self) -> None:
        try:
            for remark in self.system.look():
                self.remarks.append(remark)
        except AitiaError as error:
            self.remarks.append(wrong(str(error), _what_to_do(error)))
        except Exception as error:  # noqa: BLE001  one system that can not be asked leaves the others
            self.remarks.append(wrong(f"could not be asked: {type(error).__name__}: {error}"))
        finally:
            self.done.set()


def ask_all(
    systems: Sequence[System],
    *,
    secrets: Iterable[str] = (),
    limit: float = LIMIT_SECONDS,
    waiting: Callable[[tuple[str, ...]], None] = lambda _: None,
) -> Iterator[Finding]:
    """Ask all at once, and give each answer when it and those before it are there.

    ``limit`` is how long (s) any of them may take; ``waiting`` is told who has not answered yet.
    """
    known = tuple(secrets)
    questions = [_Question(system).start() for system in systems]
    until = time.monotonic() + limit
    for question in questions:
        while not question.done.wait(max(0.0, min(0.2, until - time.monotonic()))):
            waiting(tuple(each.system.name for each in questions if not each.done.is_set()))
            if time.monotonic() >= until:
                break
        remarks = tuple(question.remarks)
        if not question.done.is_set():
            remarks += (
                wrong(f"no answer within {limit:g} s", "see whether it is up and reachable from here"),
            )
        yield finding(question.system.name, remarks, known)


def _what_to_do(error: AitiaError) -> str:
    if isinstance(error, Malformed):
        return "mend it where it says"
    if isinstance(error, Unavailable):
        return "see whether it is up and reachable from here"
    return "" if isinstance(error, Refused) else "see its page in docs/"
