"""A host's cores, shared by processes as a fair scheduler shares them.

Each process may use at most its quota; what is over is shared evenly among those who could use more (max-min
fairness), and within a process its running requests get equal parts (processor sharing: Kleinrock, Queueing
Systems II, ch. 4). A request's progress is kept as virtual time: all requests of a process advance alike, so
that a change of speed moves one number and not every request.
"""

import heapq
from dataclasses import dataclass, field

from simpy import Environment, Event

_NEVER = float("inf")
_TINY = 1e-12


@dataclass
class Process:
    """One process on a host; ``hogs`` are threads that compute without end; paused, it runs nothing else."""

    quota: float
    hogs: float = 0.0
    paused: bool = False
    used: float = 0.0
    virtual: float = 0.0
    speed: float = 0.0
    given: float = 0.0
    jobs: list[tuple[float, int, Event]] = field(default_factory=list)

    @property
    def wants(self) -> float:
        """Cores it could use now."""
        return min(self.quota, len(self.jobs) * (not self.paused) + self.hogs)


class Host:
    """Cores under processes."""

    def __init__(self, env: Environment, cores: float) -> None:
        self.env = env
        self.cores = cores
        self.processes: list[Process] = []
        self.used = 0.0
        self._active: list[Process] = []
        self._since = 0.0
        self._turn = 0
        self._due = _NEVER
        self._number = 0

    def join(self, quota: float) -> Process:
        """Start a process."""
        process = Process(quota)
        self.processes.append(process)
        return process

    def burst(self, process: Process, seconds: float) -> Event:
        """Compute for so many core-seconds; the event comes when that is done."""
        self.settle()
        self._number += 1
        done = self.env.event()
        heapq.heappush(process.jobs, (process.virtual + seconds, self._number, done))
        self._share()
        return done

    def change(self, process: Process, hogs: float | None = None, *, paused: bool | None = None) -> None:
        """Give a process other hogs, or pause it or let it go on."""
        self.settle()
        process.hogs = process.hogs if hogs is None else hogs
        process.paused = process.paused if paused is None else paused
        self._share()

    def stop(self, process: Process) -> None:
        """Drop all work of a process; nobody is told."""
        self.settle()
        process.jobs.clear()
        process.hogs, process.paused = 0.0, False
        self._share()

    def settle(self) -> None:
        """Bring progress and use up to now."""
        passed = self.env.now - self._since
        self._since = self.env.now
        if passed > 0.0:
            for process in self._active:
                process.virtual += process.speed * passed
                process.used += process.given * passed
                self.used += process.given * passed

    def _share(self) -> None:
        self._active = [process for process in self.processes if process.jobs or process.hogs]
        left, over = self.cores, sorted(self._active, key=lambda process: process.wants)
        for place, process in enumerate(over):
            process.given = min(process.wants, left / (len(over) - place))
            left -= process.given
            running = len(process.jobs) * (not process.paused) + process.hogs
            process.speed = 0.0 if process.paused else process.given / max(running, _TINY)
        self._wake()

    def _wake(self) -> None:
        """See to it that the next job to finish is noticed."""
        due = min((self._ends(process) for process in self._active), default=_NEVER)
        if due in (self._due, _NEVER):
            self._due = due
            return
        self._due, self._turn = due, self._turn + 1
        turn = self._turn
        self.env.timeout(max(due - self.env.now, 0.0)).callbacks.append(lambda _: self._finish(turn))

    def _ends(self, process: Process) -> float:
        if not process.jobs or process.speed <= _TINY:
            return _NEVER
        return self.env.now + max(process.jobs[0][0] - process.virtual, 0.0) / process.speed

    def _finish(self, turn: int) -> None:
        if turn != self._turn:
            return
        self._due = _NEVER
        self.settle()
        for process in self._active:
            while process.jobs and process.jobs[0][0] - process.virtual <= process.speed * 1e-9 + _TINY:
                heapq.heappop(process.jobs)[2].succeed()
        self._share()
