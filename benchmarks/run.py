"""Every engine on every case in one run: ours, the trivial shortcuts beside it, and published methods.

A case is read once, then all look at the same rows. Published methods are handed it as files, in a folder
that is thrown away afterwards.
"""

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.cases import Case, Incident
from benchmarks.figures import most_frequent
from benchmarks.grade import Engine, Grade, grade_engine, grade_order, grade_ranking, guesses_of, ungraded
from benchmarks.peers.catalogue import Peer
from benchmarks.peers.environments import python_of
from benchmarks.peers.handover import hand_over
from benchmarks.peers.running import Room
from benchmarks.shortcuts import SHORTCUTS
from benchmarks.truth import Cause
from causal.diagnose import diagnose
from causal.errors import AitiaError, Unavailable

OURS = "aitia"
MOST_FREQUENT = "most frequent answer"
"""The one shortcut that is told the answers: it always says what is most often to blame in the set."""

Grades = dict[str, list[Grade]]
"""The grades of one set, by engine; ours are first."""


@dataclass
class Bench:
    """What came of a run: grades by set and engine, and the peers that could not be asked, with why."""

    sets: dict[str, Grades] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    unfit: dict[str, dict[str, str]] = field(default_factory=dict)

    def pooled(self, names: Iterable[str]) -> Grades:
        """Some sets together, for the engines that were asked about all of them."""
        found: defaultdict[str, list[Grade]] = defaultdict(list)
        for name in names:
            for engine, graded in self.sets[name].items():
                found[engine] += graded
        whole = len(found[OURS])
        return {engine: grades for engine, grades in found.items() if len(grades) == whole}


@dataclass(frozen=True)
class Judges:
    """Who is asked."""

    engine: Engine = diagnose
    shortcuts: bool = True
    peers: Sequence[Peer] = ()


def run(
    sets: Mapping[str, Sequence[Case]], judges: Judges, tell: Callable[[str], None] = lambda _: None
) -> Bench:
    """Ask everyone about every case; ``tell`` is told which one is being worked on."""
    bench = Bench()
    _warm_up(next(iter(sets.values()))[0], judges.engine)
    with ExitStack() as stack:
        rooms = _rooms(judges.peers, stack, bench, tell)
        for name, cases in sets.items():
            graded: defaultdict[str, list[Grade]] = defaultdict(list)
            lacking: defaultdict[str, int] = defaultdict(int)
            for case in cases:
                tell(str(case))
                for engine, grade in _graded(case, judges, rooms, lacking):
                    graded[engine].append(grade)
            bench.unfit[name] = _unfit(rooms, lacking, len(cases))
            bench.sets[name] = _in_order(graded, judges, set(bench.unfit[name]))
    return bench


def _warm_up(case: Case, engine: Engine) -> None:
    """Let an uncounted first case pay for loading the libraries."""
    try:
        grade_engine(case, (), case.read(), engine)
    except AitiaError:
        return


def _rooms(
    peers: Sequence[Peer], stack: ExitStack, bench: Bench, tell: Callable[[str], None]
) -> dict[Peer, Room]:
    """Open a process for each environment that can be had."""
    rooms: dict[str, Room] = {}
    found: dict[Peer, Room] = {}
    for peer in peers:
        name = peer.environment.name
        try:
            if name not in rooms:
                tell(f"environment {name}")
                rooms[name] = stack.enter_context(Room(python_of(peer.environment)))
            found[peer] = rooms[name]
        except Unavailable as error:
            bench.absent[peer.name] = str(error)
    return found


def _graded(
    case: Case, judges: Judges, rooms: Mapping[Peer, Room], lacking: dict[str, int]
) -> Iterator[tuple[str, Grade]]:
    causes = case.truth().root_causes
    try:
        incident = case.read()
    except AitiaError as error:
        for engine in [OURS, *(SHORTCUTS if judges.shortcuts else ()), *(peer.name for peer in rooms)]:
            yield engine, ungraded(case, causes, str(error))
        return
    yield OURS, grade_engine(case, causes, incident, judges.engine)
    for name, ranking in SHORTCUTS.items() if judges.shortcuts else ():
        yield name, grade_ranking(case, causes, incident, ranking)
    yield from _asked(case, causes, incident, rooms, lacking)


def _asked(
    case: Case,
    causes: tuple[Cause, ...],
    incident: Incident,
    rooms: Mapping[Peer, Room],
    lacking: dict[str, int],
) -> Iterator[tuple[str, Grade]]:
    with _handed_over(incident, any_peers=bool(rooms)) as folder:
        for peer, room in rooms.items():
            if peer.lacks(incident[1]):
                lacking[peer.name] += 1
                yield peer.name, ungraded(case, causes, f"it needs {peer.needs}", incident)
                continue
            answer = room.ask(peer.name, folder)
            if answer.problem:
                yield peer.name, ungraded(case, causes, answer.problem, incident)
            else:
                yield peer.name, grade_order(case, causes, incident, answer.services, answer.seconds)


@contextmanager
def _handed_over(incident: Incident, *, any_peers: bool) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="aitia-bench-") as place:
        folder = Path(place)
        if any_peers:
            hand_over(*incident, folder)
        yield folder


def _unfit(rooms: Mapping[Peer, Room], lacking: Mapping[str, int], n: int) -> dict[str, str]:
    """The peers that a set has nothing for in any of its cases: they are not asked, and it is said so."""
    return {peer.name: f"needs {peer.needs}" for peer in rooms if lacking.get(peer.name) == n}


def _in_order(graded: Grades, judges: Judges, unfit: set[str]) -> Grades:
    """Our own engine first, then shortcuts, then peers; who has nothing to go on in any case is left out."""
    shortcuts = {name: graded[name] for name in SHORTCUTS if any(g.guesses for g in graded.get(name, ()))}
    told = {MOST_FREQUENT: _always(graded[OURS])} if judges.shortcuts else {}
    peers = {peer.name: graded[peer.name] for peer in judges.peers if peer.name in graded}
    kept = {name: grades for name, grades in peers.items() if name not in unfit}
    return {OURS: graded[OURS], **told, **shortcuts, **kept}


def _always(ours: Sequence[Grade]) -> list[Grade]:
    """Answer every case with the same order: services by how often they are to blame in these cases."""
    order = most_frequent(ours)
    nothing = {"problem": "", "engine": "", "seconds": 0.0, "peak_bytes": None}
    return [g.model_copy(update={"guesses": guesses_of(order, g.causes), **nothing}) for g in ours]
