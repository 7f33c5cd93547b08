"""What the metric agent remembers of quiet time: minute by minute, for hours, in one file.

A minute is learned once all its telemetry can be expected to have arrived, unless an incident is known to
touch it. Some incidents are found out about later: the minutes that they touched are left out whenever the
memory is asked, and forgotten.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from causal import quiet
from causal.errors import AitiaError
from causal.evidence import Window
from causal.telemetry import Past
from integrations.ports import TelemetryStore
from integrations.quiet_profile import read_profile, write_profile
from workers.rolling import LONGEST_REQUEST_SECONDS, SETTLED_AFTER_SECONDS

_log = logging.getLogger(__name__)


@dataclass
class QuietMemory:
    """The quiet profile of everything that is watched, kept in ``folder``. Safe to use from several threads.

    ``span`` is for how long (s) a minute is remembered.
    """

    store: TelemetryStore
    folder: Path
    span: float = 7200.0
    _past: Past | None = field(default=None, init=False, repr=False)
    _until: float = field(default=0.0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def tend(self, now: float, tainted: Sequence[Window]) -> None:
        """Learn the minutes that have settled since the last time."""
        with self._lock:
            past = self._remembered()
            latest = now - LONGEST_REQUEST_SECONDS - SETTLED_AFTER_SECONDS
            start = max(self._until, (now - self.span) // quiet.MINUTE * quiet.MINUTE)
            learnt = past
            while start + quiet.MINUTE <= latest:
                learnt = self._learn(learnt, start, tainted)
                start += quiet.MINUTE
            self._until = start
            if learnt is not past:
                self._past = quiet.between(quiet.without(learnt, tainted), now - self.span, now)
                write_profile(self.folder, self._past)

    def before(self, moment: float, tainted: Sequence[Window]) -> Past:
        """What is remembered of the quiet time before a moment."""
        with self._lock:
            return quiet.without(quiet.between(self._remembered(), moment - self.span, moment), tainted)

    def relearn(self, now: float, tainted: Sequence[Window]) -> tuple[Past, Past]:
        """Learn anew every minute that the store still holds; gives what was remembered before and after.

        Minutes that are older than the span, or that an incident touched, are forgotten; those that only the
        profile still knows are kept.
        """
        with self._lock:
            before = self._remembered()
        kept = quiet.between(quiet.without(before, tainted), now - self.span, now)
        starts, end = self._minutes(now)
        if starts and np.isin(starts[0], kept.start):
            starts = starts[1:]  # half of it may be gone
        anew = kept.take(~np.isin(kept.start, starts))
        for start in starts:
            anew = self._learn(anew, start, tainted)
        with self._lock:  # what was learned meanwhile is learned again
            self._past, self._until = anew, end
            write_profile(self.folder, anew)
        return before, anew

    def _minutes(self, now: float) -> tuple[list[float], float]:
        """The settled minutes of the span that the store has requests of, and the end of the last settled."""
        start = ((now - self.span) // quiet.MINUTE + 1.0) * quiet.MINUTE
        latest, held = now - LONGEST_REQUEST_SECONDS - SETTLED_AFTER_SECONDS, []
        while start + quiet.MINUTE <= latest:
            rows = self.store.read(Window(start=start, end=start + quiet.MINUTE))
            if len(quiet.minute_of(rows, start).spans):
                held.append(start)
            start += quiet.MINUTE
        return held, start

    def _learn(self, past: Past, start: float, tainted: Sequence[Window]) -> Past:
        minute = Window(start=start, end=start + quiet.MINUTE)
        if any(window.start < minute.end and minute.start < window.end for window in tainted):
            return past
        around = Window(start=start, end=minute.end + LONGEST_REQUEST_SECONDS)
        return quiet.learn(past, quiet.minute_of(self.store.read(around), start), start)

    def _remembered(self) -> Past:
        """What the file says, the first time; a file that cannot be read is begun anew, and that is said."""
        if self._past is None:
            try:
                self._past = read_profile(self.folder)
            except AitiaError as error:
                _log.warning("the quiet profile is begun anew: %s", error)
                self._past = Past.none()
            self._until = float(self._past.start.max(initial=-quiet.MINUTE)) + quiet.MINUTE
        return self._past
