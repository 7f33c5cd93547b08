"""A fleet of incidents of our own: ``python -m benchmarks.fleet --out DIR``.

Real shops in generated topologies are broken in every way they know, and what follows is recorded in the case
format, grouped by topology, so that nothing needs to be fitted on anybody's benchmark and shops never seen
can be held out. What exists is kept: a run that was stopped goes on where it was.
"""

import csv
import json
import queue
import random
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.mischief import KINDS, Mischief, choose, kind_of
from benchmarks.recording import Attempt, NotHealed, Recorder, Stage, Stopped, recording
from benchmarks.topologies import generate
from causal.errors import AitiaError
from demo.errors import ShopError
from demo.topology import Topology

_RUNNING = "_running"
_REPORT = "report.jsonl"
_STARTS = 3


@dataclass(frozen=True)
class Job:
    """A case to be recorded."""

    case: str
    fault: Mischief


@dataclass
class Fleet:
    """All recordings of one run, shared by the threads that make them."""

    out: Path
    seed: int
    limit: int | None
    stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _began: float = field(default_factory=time.monotonic)
    _recorded: int = 0

    def say(self, text: str) -> None:
        """A line of progress."""
        print(f"{time.monotonic() - self._began:7.1f} s  {text}", flush=True)

    def attempts(self) -> list[Attempt]:
        """Every attempt so far, of this run and those before."""
        path = self.out / _REPORT
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [Attempt.model_validate_json(line) for line in lines]

    def note(self, attempt: Attempt) -> None:
        """Keep what came of an attempt; stops the fleet when there are enough."""
        with self._lock:
            with (self.out / _REPORT).open("a", encoding="utf-8") as file:
                file.write(attempt.model_dump_json() + "\n")
            self._recorded += attempt.outcome == "recorded"
            if self.limit is not None and self._recorded >= self.limit:
                self.stop.set()
            _write_index(self.out, attempt.topology, self.attempts())
        self.say(_line(attempt))

    def jobs(self, topology: Topology, kinds: Sequence[str]) -> list[Job]:
        """The cases of a topology that are still to be recorded."""
        done = {(a.topology, a.case) for a in self.attempts() if a.outcome != "failed"}
        jobs = [
            Job(f"case_{number:03}", fault)
            for number, fault in enumerate(choose(topology, self.seed), start=1)
        ]
        return [job for job in jobs if kind_of(job.fault) in kinds and (topology.name, job.case) not in done]

    def record(self, topology: Topology, kinds: Sequence[str]) -> None:
        """Record what is missing of one topology; a shop that does not get well is opened anew."""
        for _ in range(_STARTS):
            jobs = self.jobs(topology, kinds)
            if not jobs or self.stop.is_set():
                return
            self.say(f"{topology.name}: {len(topology.services)} services, {len(jobs)} faults to come")
            try:
                self._record_in_one_shop(topology, jobs)
            except NotHealed as reason:
                self.say(f"{topology.name}: {reason}; opening it anew")

    def _record_in_one_shop(self, topology: Topology, jobs: Sequence[Job]) -> None:
        folder = self.out / topology.name
        _write_topology(folder, topology)
        stage = Stage(topology, folder, self.out.resolve() / _RUNNING / topology.name, self.stop)
        with recording(stage) as recorder:
            for job in jobs:
                self.note(self._attempt(recorder, job))

    def _attempt(self, recorder: Recorder, job: Job) -> Attempt:
        dice = random.Random(f"{self.seed}/{recorder.stage.topology.name}/{job.case}")
        self.say(f"{recorder.stage.topology.name}/{job.case}: quiet, then {kind_of(job.fault)}")
        return recorder.record(job.case, job.fault, dice)


def run(fleet: Fleet, topologies: Sequence[Topology], kinds: Sequence[str], shops: int) -> None:
    """Record all topologies, so many shops at once, until done or stopped."""
    waiting: queue.SimpleQueue[Topology] = queue.SimpleQueue()
    for topology in topologies:
        waiting.put(topology)

    def work() -> None:
        while not fleet.stop.is_set() and not waiting.empty():
            topology = waiting.get()
            try:
                fleet.record(topology, kinds)
            except Stopped:
                return
            except (AitiaError, ShopError, OSError) as error:
                fleet.say(f"{topology.name}: {error}")

    threads = [threading.Thread(target=work) for _ in range(shops)]
    for thread in threads:
        thread.start()
        time.sleep(3.0)  # two shops that start at once would both be slow
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(0.5)
    except KeyboardInterrupt:
        fleet.say("stopping; what is recorded stays")
        fleet.stop.set()
        for thread in threads:
            thread.join()


def _line(attempt: Attempt) -> str:
    head = f"{attempt.topology}/{attempt.case}: {attempt.fault} in {attempt.service}"
    cried = f", {len(attempt.quiet.alarms)} false alarms before" if attempt.quiet.alarms else ""
    if attempt.outcome != "recorded":
        return f"{head}: {attempt.outcome} {attempt.says}{cried}".rstrip()
    return f"{head}: alarm after {attempt.alarm_after} s ({attempt.symptom}, {attempt.signal}){cried}"


def _write_topology(folder: Path, topology: Topology) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(topology.model_dump(mode="json"), indent=1)
    (folder / "topology.json").write_text(text + "\n", encoding="utf-8")


def _write_index(out: Path, topology: str, attempts: Sequence[Attempt]) -> None:
    """``index.csv`` of a topology: one line a case, with its answer; for people and graders."""
    latest = {a.case: a for a in attempts if a.topology == topology}
    columns = ["case", "service", "fault", "symptom", "signal", "alarm_after", "onset_error", "decoy"]
    with (out / topology / "index.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        rows.writeheader()
        rows.writerows(a.model_dump() for _, a in sorted(latest.items()) if a.outcome == "recorded")


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
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    out.mkdir(parents=True, exist_ok=True)
    fleet = Fleet(out, seed, limit)
    run(fleet, generate(seed, topologies), kinds, shops)


if __name__ == "__main__":
    typer.run(main)
