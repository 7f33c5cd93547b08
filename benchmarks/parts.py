"""Figures for parts of a set: by the fault, the system, what the alert says hurts, or groups of faults.

A set is often two sets in one. Whoever looks excellent on one half and finds nothing in the other has a mean
that says neither.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from benchmarks.grade import Grade
from causal.errors import NotFound

Key = Callable[[Grade], str]

OTHERS = "others"
_LONGEST = 32
_GROUP = re.compile(r"(?:(?P<set>[^:=]+):)?(?P<name>[^=]+)=(?P<faults>.+)")


def by_fault(grade: Grade) -> str:
    """The truth's name for the fault."""
    return " + ".join(sorted({cause.fault for cause in grade.causes})) or "unnamed"


def by_system(grade: Grade) -> str:
    """The system that the alert is about."""
    return grade.system or "unnamed"


def by_signal(grade: Grade) -> str:
    """What the alert says that hurts."""
    return grade.signal or "unknown"


KEYS: Mapping[str, Key] = {"fault": by_fault, "system": by_system, "signal": by_signal}


def keys(by: str, groups: Sequence[str]) -> dict[str, Key]:
    """Read what parts are asked for; NotFound says what is not known or not understood."""
    names = [name.strip() for name in by.split(",") if name.strip()]
    unknown = [name for name in names if name not in KEYS]
    if unknown:
        raise NotFound(f"there is no key {', '.join(unknown)}; known are {', '.join(KEYS)}")
    found = {name: KEYS[name] for name in names}
    return found | ({"group": of_faults(groups)} if groups else {})


def of_faults(groups: Iterable[str]) -> Key:
    """Make a key of groups ``[SET:]NAME=FAULT,FAULT``; what is in no group is left out."""
    label: dict[tuple[str | None, str], str] = {}
    for told in groups:
        found = _GROUP.fullmatch(told)
        if not found:
            raise NotFound(f"{told!r} is no group of faults; write [SET:]NAME=FAULT,FAULT")
        label.update({(found["set"], fault.strip()): found["name"] for fault in found["faults"].split(",")})

    def key(grade: Grade) -> str:
        fault = by_fault(grade)
        return label.get((grade.set_name, fault), label.get((None, fault), ""))

    return key


def grouped(grades: Iterable[Grade], key: Key) -> dict[str, list[Grade]]:
    """Group by a key; cases without one are left out, and groups of one case stand together as "others".

    Some sets tell the fault in a sentence of its own for each case: there is no use in a group for each.
    """
    found: defaultdict[str, list[Grade]] = defaultdict(list)
    for grade in grades:
        if label := key(grade):
            found[label].append(grade)
    single = [label for label, members in found.items() if len(members) == 1]
    if len(single) > 1:
        found[OTHERS] = [member for label in single for member in found.pop(label)]
    return dict(sorted(found.items(), key=lambda item: (item[0] == OTHERS, item[0])))


def right_by_part(engines: Mapping[str, Sequence[Grade]], key: Key) -> Iterator[list[str]]:
    """Rows of cells: the parts with their cases, then for each engine how many it has right first."""
    parts = {engine: grouped(grades, key) for engine, grades in engines.items()}
    labels = next(iter(parts.values()))
    if len(labels) < 2:  # noqa: PLR2004  a set that is all of one kind has no parts
        return
    yield ["right first, of", *(f"{_short(label)} {len(members)}" for label, members in labels.items())]
    for engine, found in parts.items():
        yield [engine, *(str(sum(grade.right for grade in found[label])) for label in labels)]


def _short(label: str) -> str:
    """Keep a label to a column's width; of a fault told in a sentence, its end tells it from others."""
    return label if len(label) <= _LONGEST else f"...{label[3 - _LONGEST :]}"
