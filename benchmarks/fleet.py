"""A fleet of incidents of our own: ``python -m benchmarks.fleet --out DIR``.

Real shops in generated topologies are broken in every way they know, and what follows is recorded in the case
format, grouped by topology, so that nothing needs to be fitted on anybody's benchmark and shops never seen
can be held out. What exists is kept: a run that was stopped goes on where it was.
"""

import fcntl
import queue
import random
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.fleet_report import Attempt, add_to_report, figures, line, read_report, write_topology
from benchmarks.mischief import KINDS, Mischief, choose, kind_of
from benchmarks.recording import NotHealed, Recorder, Stage, Stopped, recording
from benchmarks.topologies import generate
from causal.errors import AitiaError
from demo.errors import ShopError
from demo.topology import Topology

_RUNNING = "_running"
_STARTS = 3
_APART = 3.0


@dataclass(frozen=True)
class Job:
    """A case to be recorded."""

    case: str
    fault: Mischief


@dataclass
class Fleet:
    """All recordings of one run, shared by the threads that make them."""

    out: Path
    seed: int = 1
    kinds: Sequence[str] = tuple(KINDS)
    limit: int | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _began: float = field(default_factory=time.monotonic)
    _recorded: int = 0

    def say(self, text: str) -> None:
        """A line of progress."""
        print(f"{time.monotonic() - self._began:7.1f} s  {text}", flush=True)

    def note(self, attempt: Attempt) -> None:
        """Keep what came of an attempt; stops the fleet when there are enough."""
        with self._lock:
            add_to_report(self.out, attempt)
            self._recorded += attempt.outcome == "recorded"
            if self.limit is not None and self._recorded >= self.limit:
                self.stop.set()
        self.say(line(attempt))

    def jobs(self, topology: Topology) -> list[Job]:
        """The cases of a topology that are still to be recorded; a case keeps its number in any selection."""
        report = read_report(self.out)
        done = {(attempt.topology, attempt.case) for attempt in report if attempt.outcome != "disturbed"}
        faults = enumerate(choose(topology, self.seed), start=1)
        jobs = [Job(f"case_{n:03}", fault) for n, fault in faults if kind_of(fault) in self.kinds]
        return [job for job in jobs if (topology.name, job.case) not in done]

    def record(self, topology: Topology) -> None:
        """Record what is missing of one topology; a shop that does not get well is opened anew."""
        for _ in range(_STARTS):
            jobs = self.jobs(topology)
            if not jobs or self.stop.is_set():
                return
            self.say(f"{topology.name}: {len(topology.services)} services, {len(jobs)} faults to come")
            try:
                self._in_one_shop(topology, jobs)
            except (NotHealed, ShopError) as reason:
                self.say(f"{topology.name}: {reason}; opening it anew")

    def _in_one_shop(self, topology: Topology, jobs: Sequence[Job]) -> None:
        folder = self.out / topology.name
        write_topology(folder, topology)
        stage = Stage(topology, folder, self.out.resolve() / _RUNNING / topology.name, self.stop)
        with recording(stage) as recorder:
            for job in jobs:
                self._attempt(recorder, job)

    def _attempt(self, recorder: Recorder, job: Job) -> None:
        name = recorder.stage.topology.name
        self.say(f"{name}/{job.case}: quiet, then {kind_of(job.fault)} in {job.fault.service}")
        broken = recorder.break_down(job.fault, random.Random(f"{self.seed}/{name}/{job.case}"))
        attempt, alert = recorder.record(job.case, broken)
        self.note(attempt)
        recorder.heal(broken, alert)


def run(fleet: Fleet, topologies: Sequence[Topology], shops: int) -> None:
    """Record all topologies, so many shops at once, until done or stopped (also by Ctrl-C)."""
    waiting: queue.SimpleQueue[Topology] = queue.SimpleQueue()
    for topology in topologies:
        waiting.put(topology)
    threads = [threading.Thread(target=_work, args=(fleet, waiting)) for _ in range(shops)]
    try:
        for thread in threads:
            thread.start()
            time.sleep(_APART)  # shops that start at once are all slow
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        fleet.say("stopping; what is recorded stays")
    finally:
        fleet.stop.set()
        for thread in threads:
            if thread.ident is not None:
                thread.join()


def _work(fleet: Fleet, waiting: "queue.SimpleQueue[Topology]") -> None:
    """Record one topology after the other."""
    while not fleet.stop.is_set():
        try:
            topology = waiting.get_nowait()
        except queue.Empty:
            return
        try:
            fleet.record(topology)
        except Stopped:
            return
        except (AitiaError, OSError) as error:
            fleet.say(f"{topology.name}: {error}")


def main(
    out: Annotated[Path, typer.Option(help="where the incidents go; what is there is kept")],
    *,
    topologies: Annotated[int, typer.Option(min=1, help="how many shops")] = 7,
    seed: Annotated[int, typer.Option(help="the same seed, the same shops and faults")] = 1,
    faults: Annotated[str, typer.Option(help="only these kinds, with commas between")] = ",".join(KINDS),
    limit: Annotated[int | None, typer.Option(min=1, help="stop after so many new incidents")] = None,
    shops: Annotated[int, typer.Option(min=1, max=4, help="shops that are up at once")] = 1,
) -> None:
    """Record incidents with known causes."""
    kinds = [kind.strip() for kind in faults.split(",")]
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise typer.BadParameter(f"no such fault: {', '.join(unknown)} (there are {', '.join(KINDS)})")
    for sign in (signal.SIGINT, signal.SIGTERM):  # a shell's background job would ignore the first
        signal.signal(sign, signal.default_int_handler)
    out.mkdir(parents=True, exist_ok=True)
    with _alone(out):
        run(Fleet(out, seed, kinds, limit), generate(seed, topologies), shops)
    typer.echo(figures(read_report(out)))


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold the folder: two fleets in one would put down each other's shops."""
    with (out / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise typer.BadParameter(f"another fleet is being recorded in {out}") from None
        yield


if __name__ == "__main__":
    typer.run(main)
