"""Which known errors a service shows in the incident, in how many of its requests, and how new that is.

Three places are read: its own log lines; its failed spans in which the failure begins (an error that is only
passed on is looked for where it comes from); and the failed calls that others make to it, for the entries
whose ``called`` says something about the one who was called.

An entry is news if its share of the requests has changed (the beta-binomial of all shares), or if no quiet
stretch ever showed it: with n of those, the next shows it by itself with a chance of 1/(n + 2) (Laplace's
rule of succession), so it weighs ln(n + 2).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import log

import numpy as np

from causal import compare
from causal.attributes import read
from causal.columns import grouped
from causal.evidence import Evidence, Fault
from causal.forest import NANOSECOND, failed
from causal.signatures import Catalogue, Signature, readable, shipped
from causal.telemetry import MISSING, Codes, Flags, Ints, Spans
from causal.view import View

_TYPES = ("error.type", "exception.type")
_CODES = ("db.response.status_code", "rpc.grpc.status_code", "rpc.response.status_code")
_WORDS = ("exception.message", "otel.status_description", "error.message")
_MOST = 2000
_SHOWN, _BEFORE = 120, 30
_NEWS = 1.0
_DIGITS = str.maketrans("", "", "0123456789")
Shows = tuple[tuple[Signature, str], ...]


@dataclass(frozen=True)
class Sighting:
    """A known error at a service: in ``now`` of ``of`` requests (or lines), in quiet time in ``before``.

    ``failing`` is how many of the incident's requests failed there at all. ``called`` is whether callers
    showed it.
    """

    signature: Signature
    service: str
    evidence: float
    now: int
    of: int
    failing: int
    before: float
    unit: str
    quote: str
    called: bool = False

    @property
    def fault(self) -> Fault:
        """The kind of fault that it names."""
        known = self.signature.called if self.called else None
        return known or self.signature.fault

    @property
    def share(self) -> float:
        """Of the requests that failed, or of all where none did, those that show it."""
        return min(1.0, self.now / max(self.failing or self.of, 1))

    def told(self) -> Evidence:
        """What is said of it in a hypothesis."""
        new = f"in quiet time {self.before:.1%}" if self.before > 0 else "new"
        whose = f"callers of {self.service}" if self.called else self.service
        return Evidence(
            says=(
                f"{whose}: signature {self.signature.name}: '{self.quote}' in {self.now} of {self.of} "
                f"{self.unit}, {new}; {self.signature.means}"
            ),
            signal="signature",
            log_bayes_factor=self.evidence,
        )


def sightings(view: View, service: str, catalogue: Catalogue | None = None) -> tuple[Sighting, ...]:
    """The known errors that are news at a service, the strongest evidence first."""
    known = catalogue or shipped()
    places = (_logged(view, service, known), _failing(view, service, known), _refused(view, service, known))
    found: dict[tuple[str, bool], Sighting] = {}
    for sighting in (each for place in places if place is not None for each in place.sightings(service)):
        key = sighting.signature.name, sighting.called
        if sighting.evidence >= _NEWS and (key not in found or sighting.evidence > found[key].evidence):
            found[key] = sighting
    return tuple(sorted(found.values(), key=lambda s: (-s.evidence, s.signature.name, s.called)))


@dataclass(frozen=True, eq=False)
class _Place:
    """Where errors are looked for: units (requests, calls, lines) with their window and stretch of time.

    Of each row that may show an error, ``at`` is its unit, and ``kind`` tells what it says: ``shows`` has the
    entries of each kind, with the words that they were recognised by.
    """

    word: str
    late: Flags
    stretch: Ints
    at: Ints
    kind: Ints
    shows: Mapping[int, Shows]
    called: bool = False

    def sightings(self, service: str) -> Iterator[Sighting]:
        """Each entry that the incident shows here."""
        entries = {entry.name: entry for shown in self.shows.values() for entry, _ in shown}
        failing = len(np.unique(self.at[self.late[self.at]]))
        for name, entry in sorted(entries.items()):
            kinds = [kind for kind, shown in self.shows.items() if any(e.name == name for e, _ in shown)]
            rows = np.flatnonzero(np.isin(self.kind, kinds))
            held = np.zeros(len(self.late), dtype=np.bool_)
            held[self.at[rows]] = True
            if held[self.late].any():
                yield Sighting(
                    signature=entry,
                    service=service,
                    evidence=self._news(held),
                    now=int(held[self.late].sum()),
                    of=int(self.late.sum()),
                    failing=failing,
                    before=float(held[~self.late].sum()) / max(int((~self.late).sum()), 1),
                    unit=self.word,
                    quote=self._quote(name, self.kind[rows[self.late[self.at[rows]]]]),
                    called=self.called,
                )

    def _news(self, held: Flags) -> float:
        """How surprising so many are after quiet time; without quiet time, hardly."""
        if self.late.all():
            return _NEWS
        one = np.zeros(len(held), dtype=np.int64)
        change = compare.shares(held, compare.Groups(one, 1, self.late, self.stretch))
        risen = float(change.evidence[0]) if change.now[0] > change.before[0] else 0.0
        never = 0.0 if held[~self.late].any() else log(len(np.unique(self.stretch[~self.late])) + 2.0)
        return max(risen, never)

    def _quote(self, name: str, kinds: Ints) -> str:
        """The words of the commonest text that shows an entry."""
        said: Counter[str] = Counter()
        for kind, n in Counter(kinds.tolist()).items():
            said.update({words: n for entry, words in self.shows[kind] if entry.name == name})
        best = min(said, key=lambda words: (-said[words], words))
        entry = next(entry for shown in self.shows.values() for entry, _ in shown if entry.name == name)
        return _shortened(best, entry)


def _shortened(words: str, entry: Signature) -> str:
    """The part of a text that shows an entry."""
    line = readable(words)
    begin = entry.start(line.lower()) if len(line) > _SHOWN else 0
    begin = line.rfind(" ", 0, begin - _BEFORE) + 1 if begin > _BEFORE else 0
    shown = line[begin : begin + _SHOWN].rstrip()
    return ("…" if begin else "") + shown + ("…" if begin + _SHOWN < len(line) else "")


def _logged(view: View, service: str, known: Catalogue) -> _Place | None:
    """The log lines of a service; the unit is the request, where lines tell theirs."""
    logs = view.logs
    rows = np.flatnonzero(logs.service.codes == logs.service.code(service))
    if not len(rows):
        return None
    trace = logs.trace.codes[rows].astype(np.int64)
    alone = trace == MISSING
    trace[alone] = -2 - np.arange(alone.sum())
    _, first, at = np.unique(trace, return_index=True, return_inverse=True)
    return _Place(
        word="lines" if alone.all() else "requests",
        late=view.logs_late[rows[first]],
        stretch=(logs.time_ns[rows[first]] * NANOSECOND // view.length).astype(np.int64),
        at=at.reshape(-1).astype(np.int64),
        kind=logs.body.codes[rows].astype(np.int64),
        shows=_of_lines(logs.body.names, logs.body.codes[rows], known),
    )


def _failing(view: View, service: str, known: Catalogue) -> _Place | None:
    """The requests of a service in which a failure begins."""
    mine = view.spans.service.codes == view.spans.service.code(service)
    rows = np.flatnonzero(_sources(view) & mine & ~_calls(view))
    return _of_spans(view, rows, view.requests[mine[view.requests]], view.forest.segment, known)


def _refused(view: View, service: str, known: Catalogue) -> _Place | None:
    """The calls to a service that fail on the way or at its door."""
    code = view.spans.service.code(service)
    to_it = _calls(view) & (view.peer == code) & (view.spans.service.codes != code)
    rows, alone = np.flatnonzero(_sources(view) & to_it), np.arange(len(view.spans), dtype=np.int64)
    return _of_spans(view, rows, np.flatnonzero(to_it), alone, known, called=True)


def _sources(view: View) -> Flags:
    """Failed spans without a failed child."""
    wrong = failed(view.spans)
    source: Flags = wrong.copy()
    source[view.forest.parent[wrong & (view.forest.parent >= 0)]] = False
    return source


def _calls(view: View) -> Flags:
    """Calls to services that are known; a call to anybody else is a service's own work."""
    calls: Flags = view.asking
    return calls


def _of_spans(
    view: View, rows: Ints, units: Ints, unit: Ints, known: Catalogue, *, called: bool = False
) -> _Place | None:
    """Failed spans (rows) among all units, each given by its row; ``unit`` tells that row for every span."""
    rows = rows[np.isin(unit[rows], units)]
    if not len(rows):
        return None
    code, attributes = view.spans.status_code.codes[rows], view.spans.attributes.codes[rows]
    first, kind = grouped(code, attributes)
    often = np.bincount(kind)
    chosen = sorted(
        range(len(first)), key=lambda k: (-often[k], _attributes(view.spans, int(rows[first[k]])))
    )
    shows = {kind: _of_span(view.spans, int(rows[first[kind]]), known) for kind in chosen[:_MOST]}
    if called:
        shows = {kind: tuple(pair for pair in shown if pair[0].called) for kind, shown in shows.items()}
    return _Place(
        word="calls" if called else "requests",
        late=view.late[units],
        stretch=view.stretch[units],
        at=np.searchsorted(units, unit[rows]).astype(np.int64),
        kind=kind,
        shows=shows,
        called=called,
    )


def _attributes(spans: Spans, row: int) -> str:
    code = spans.attributes.codes[row]
    return "" if code == MISSING else spans.attributes.names[code]


def _of_span(spans: Spans, row: int, known: Catalogue) -> Shows:
    """The entries that a failed span shows; words are quoted rather than types, and types than codes."""
    told, status = read(spans, row), spans.status_code.codes[row]
    shown: dict[str, tuple[Signature, str]] = {}
    for text in (str(told[name]) for name in _WORDS if name in told):
        shown |= {e.name: (e, text) for e in known.by_line(text) if e.name not in shown}
    for text in (str(told[name]) for name in _TYPES if name in told):
        shown |= {e.name: (e, text) for e in known.by_type(text) if e.name not in shown}
    codes = [str(told[name]) for name in _CODES if name in told]
    for text in (*codes, spans.status_code.names[status] if status != MISSING else ""):
        shown |= {e.name: (e, f"status {text}") for e in known.by_code(text) if e.name not in shown}
    return tuple(shown.values())


def _of_lines(bodies: tuple[str, ...], codes: Codes, known: Catalogue) -> Mapping[int, Shows]:
    """What each distinct line shows; lines that differ in digits alone show the same."""
    entries: dict[str, tuple[Signature, ...]] = {}
    shows: dict[int, Shows] = {}
    for code in np.unique(codes[codes != MISSING]).tolist():
        text = bodies[code]
        bare = text.translate(_DIGITS)
        if bare not in entries:
            entries[bare] = known.by_line(text)
        if entries[bare]:
            shows[code] = tuple((entry, text) for entry in entries[bare])
    return shows
