"""What will happen to each incident, decided before the first one from a seed alone.

The same seed, the same incidents and blows: what differs between two runs is only how the threads of the
machine take turns.
"""

import random
from dataclasses import dataclass
from enum import StrEnum


class Blow(StrEnum):
    """What is done to the house, or to a network between it and something else."""

    WORKER_KILLED = "worker killed"
    DOOR_KILLED = "door killed"
    TEMPORAL_KILLED = "Temporal killed"
    TEMPORAL_RESTARTED = "Temporal restarted"
    DATABASE_STOPPED = "database stopped"
    DATABASE_CRASHED = "database crashed"
    DATABASE_CUT = "database cut off"
    DATABASE_SLOW = "database slow"
    DATABASE_SILENT = "database half-open"
    TARGET_CUT = "target cut off"
    TARGET_SLOW = "target slow"
    TARGET_SILENT = "target half-open"
    TARGET_LATE = "target answers late"


class Point(StrEnum):
    """From when on a blow's delay counts."""

    ALERTED = "alerted"
    ASKED = "asked"
    APPROVED = "approved"
    VERIFYING = "verifying"


class Scenario(StrEnum):
    """How it goes on after the fix."""

    MENDS = "mends"
    DOES_NOT_HELP = "does not help"


_WEIGHTS: dict[Blow, int] = {
    Blow.WORKER_KILLED: 8,
    Blow.DOOR_KILLED: 2,
    Blow.TEMPORAL_KILLED: 3,
    Blow.TEMPORAL_RESTARTED: 2,
    Blow.DATABASE_STOPPED: 3,
    Blow.DATABASE_CRASHED: 2,
    Blow.DATABASE_CUT: 2,
    Blow.DATABASE_SLOW: 2,
    Blow.DATABASE_SILENT: 2,
    Blow.TARGET_CUT: 5,
    Blow.TARGET_SLOW: 4,
    Blow.TARGET_SILENT: 5,
    Blow.TARGET_LATE: 6,
}
_AT_THE_TARGET = {Blow.TARGET_CUT, Blow.TARGET_SLOW, Blow.TARGET_SILENT, Blow.TARGET_LATE}
_DELAYS: dict[Point, tuple[float, float]] = {
    Point.ALERTED: (0.0, 20.0),
    Point.ASKED: (0.0, 3.0),
    Point.APPROVED: (0.0, 2.5),
    Point.VERIFYING: (0.0, 15.0),
}
_LASTING = (2.0, 12.0)
_REST = (5.0, 20.0)
_DOES_NOT_HELP = 0.3
_FORGETFUL = 0.4
_TWO_BLOWS = 0.25


@dataclass(frozen=True)
class Struck:
    """A blow, ``delay`` seconds after a point of the incident, and ``lasting`` so long if it has an end."""

    blow: Blow
    point: Point
    delay: float
    lasting: float


@dataclass(frozen=True)
class Case:
    """One incident to be.

    ``stall`` is the number of the shop it happens in; ``rest`` how long (s) that is left alone before. The
    target of a ``forgetful`` one does not recognise a request that is repeated, and its connection says so.
    """

    number: int
    stall: int
    rest: float
    scenario: Scenario
    forgetful: bool
    setting: str
    blows: tuple[Struck, ...]


def lanes(incidents: int, stalls: int, seed: int) -> tuple[tuple[Case, ...], ...]:
    """For each stall its incidents, one after the other; incident *n* is the same in runs of any length."""
    cases = [_case(number, number % stalls, random.Random(f"{seed}/{number}")) for number in range(incidents)]
    return tuple(tuple(cases[stall::stalls]) for stall in range(stalls))


def _case(number: int, stall: int, dice: random.Random) -> Case:
    return Case(
        number=number,
        stall=stall,
        rest=round(dice.uniform(*_REST), 2),
        scenario=Scenario.DOES_NOT_HELP if dice.random() < _DOES_NOT_HELP else Scenario.MENDS,
        forgetful=dice.random() < _FORGETFUL,
        setting=dice.choice(("timeout", "wrong_upstream")),
        blows=tuple(_struck(dice) for _ in range(1 + (dice.random() < _TWO_BLOWS))),
    )


def _struck(dice: random.Random) -> Struck:
    blow = dice.choices(tuple(_WEIGHTS), tuple(_WEIGHTS.values()))[0]
    # The target is spoken to between the yes and the verification alone.
    point = Point.APPROVED if blow in _AT_THE_TARGET else dice.choice(tuple(Point))
    delay = 0.0 if blow in _AT_THE_TARGET else dice.uniform(*_DELAYS[point])
    return Struck(blow, point, round(delay, 2), round(dice.uniform(*_LASTING), 2))
