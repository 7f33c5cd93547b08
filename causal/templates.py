"""Log templates: what is left of a line when everything that varies by itself is taken out.

Values that are plainly values (identifiers, addresses, numbers that stand alone, lists in brackets, what
follows an equals sign) are masked first, and a run of them is one: how many there are is data, too. Drain
then merges lines of equal length that agree in half of their words (He, Zhu, Zheng, Lyu, "Drain: an online
log parsing approach with fixed depth tree", ICWS 2017; the miner is drain3). Three things that a miner by
itself loses are kept: a code location (``Pricing#46``, ``pricing.py:46``) tells lines apart however alike
they are; digits that hang on letters are names, not numbers; and a gap that only a few different words ever
fill is no variable but a category (``status red``, ``status green``), so it is split again.

Templates are a value: mined in quiet time, carried along, and matched against the lines of an incident. What
matches none of them becomes a template of its own (`Templates.beside`) instead of a blur on an old one. Lines
are mined sorted and each once: the same lines give the same templates, in whatever order they came.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from drain3.drain import Drain  # type: ignore[import-untyped]

from causal.telemetry import MISSING, Ints

GAP = "<*>"
_SHOWN, _WORDS = 320, 24
_ALIKE = 0.5
_BRANCHES = 1000
_CATEGORY, _CATEGORIES = 5, 2
_SURPRISE, _OFTEN = 0.1, 100
_MASK = re.compile(
    r"(?<=\[)[\w'\"][^\s,\[\]]*(?:, ?[^\s,\[\]]+)+(?=\])|"
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{18,}|\b[0-9a-f]{12,}\b|(?<![#\w.])\d+(?:[.:\-]\d+)*(?![\w])|(?<==)[^\s,)\]]+",
    re.IGNORECASE,
)
_LOCATION = re.compile(r"[A-Za-z_$][\w$./-]*[#:]\d+\b")
Words = tuple[str, ...]


@dataclass(frozen=True)
class Templates:
    """A vocabulary of lines: each pattern is the words of a template, `GAP` standing for whatever varies."""

    patterns: tuple[Words, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The templates as text, in the order of their codes."""
        return tuple(" ".join(pattern) for pattern in self.patterns)

    def match(self, lines: Iterable[Words]) -> Ints:
        """The code of each line's template, -1 where none fits; of several, that with the fewest gaps."""
        asked = list(lines)
        codes = {line: self._code(line) for line in set(asked)}
        return np.array([codes[line] for line in asked], dtype=np.int64)

    def beside(self, lines: Mapping[Words, int] | Iterable[Words]) -> Templates:
        """These templates, with their codes, and after them those of the lines that none of them fits."""
        strange = {line: times for line, times in Counter(lines).items() if self._code(line) == MISSING}
        known = dict.fromkeys(self.patterns, _OFTEN)
        return Templates((*self.patterns, *_mined(known | strange, strange.keys()))) if strange else self

    def _code(self, line: Words) -> int:
        for gaps, known in self._shapes.get(len(line), ()):
            code = known.get(tuple(GAP if place in gaps else word for place, word in enumerate(line)))
            if code is not None:
                return code
        return MISSING

    @cached_property
    def _shapes(self) -> Mapping[int, Sequence[tuple[frozenset[int], Mapping[Words, int]]]]:
        """Per length, the places that templates leave open, the fewest first, with the templates that do."""
        lengths: defaultdict[int, dict[frozenset[int], dict[Words, int]]] = defaultdict(dict)
        for code, pattern in enumerate(self.patterns):
            gaps = frozenset(place for place, word in enumerate(pattern) if word == GAP)
            lengths[len(pattern)].setdefault(gaps, {}).setdefault(pattern, code)
        return {
            length: sorted(by_gaps.items(), key=lambda item: (len(item[0]), sorted(item[0])))
            for length, by_gaps in lengths.items()
        }


def words(body: str) -> Words:
    """The first words of a line, plain values masked; a word that the cut runs through is left out."""
    masked = _MASK.sub(GAP, _cut(body)).split()
    single = [word for last, word in pairwise(["", *masked]) if GAP not in last or GAP not in word]
    return tuple(single[:_WORDS])


def _cut(body: str) -> str:
    return body if len(body) <= _SHOWN else body[:_SHOWN].rpartition(" ")[0] or body[:_SHOWN]


def distinct(bodies: Sequence[str]) -> tuple[Ints, list[Words]]:
    """Read many bodies: the line that each one is, by its number, and the lines.

    What is masked does not depend on which digits a body holds, only on where: bodies of one shape that agree
    in the digits that stay are the same line, and one of them is read.
    """
    bodies = [_cut(body) for body in bodies]
    shapes: dict[str, int] = {}
    shape = np.array([shapes.setdefault(one, len(shapes)) for one in _shaped(bodies)], dtype=np.int64)
    _, first = np.unique(shape, return_index=True)
    staying = [_staying(bodies[row]) for row in first.tolist()]
    numbers: dict[Words, int] = {}
    plain = [
        MISSING if places else numbers.setdefault(words(bodies[row]), len(numbers))
        for row, places in zip(first.tolist(), staying, strict=True)
    ]
    codes = np.array(plain, dtype=np.int64)[shape]
    known: dict[tuple[int, str], int] = {}
    for row in np.flatnonzero(codes == MISSING).tolist():
        body, kind = bodies[row], int(shape[row])
        mark = kind, "".join([body[place] for place in staying[kind]])
        if mark not in known:
            known[mark] = numbers.setdefault(words(body), len(numbers))
        codes[row] = known[mark]
    return codes, list(numbers)


def _shaped(bodies: Sequence[str]) -> list[str]:
    """The bodies with all digits alike; as one long text, unless that cannot be told apart again."""
    text = _alike("\0".join(bodies))
    shaped = text.split("\0") if bodies else []
    return shaped if len(shaped) == len(bodies) else [_alike(body) for body in bodies]


def _alike(text: str) -> str:
    """A text with noughts for digits; nine replacements are quicker than a translation beyond ASCII."""
    for digit in "123456789":
        text = text.replace(digit, "0")
    return text


def _staying(body: str) -> tuple[int, ...]:
    """The places of the digits that no mask covers."""
    shown = _cut(body)
    masked = {place for mask in _MASK.finditer(shown) for place in range(*mask.span())}
    return tuple(place for place, sign in enumerate(shown) if sign.isdigit() and place not in masked)


def mine(lines: Mapping[Words, int] | Iterable[Words]) -> Templates:
    """The templates of some lines, given with how often each came, or as they came; each line fits one."""
    return Templates().beside(lines)


def _mined(counts: Mapping[Words, int], wanted: AbstractSet[Words]) -> list[Words]:
    """The templates of the wanted among some lines."""
    by_place: defaultdict[Words, list[Words]] = defaultdict(list)
    for line in sorted(counts):
        by_place[_location(line)].append(line)
    merged = (lines for group in by_place.values() for lines in _merged(group))
    return sorted({pattern for lines in merged for pattern in _split(lines, counts, wanted)})


def _location(line: Words) -> Words:
    """The code locations that a line names."""
    return tuple(word for word in line if _LOCATION.fullmatch(word))


def _merged(lines: Sequence[Words]) -> Iterable[list[Words]]:
    """Lines that Drain takes for one template, together."""
    drain = Drain(sim_th=_ALIKE, max_children=_BRANCHES, param_str=GAP)
    clusters: defaultdict[int, list[Words]] = defaultdict(list)
    for line in lines:
        cluster, _ = drain.add_log_message(" ".join(line))
        clusters[cluster.cluster_id].append(line)
    return clusters.values()


def _split(
    lines: Sequence[Words], counts: Mapping[Words, int], wanted: AbstractSet[Words]
) -> Iterator[Words]:
    """The templates of the wanted among merged lines: where all differ is a gap, but for categories."""
    varied = [place for place, column in enumerate(zip(*lines, strict=True)) if len(set(column)) > 1]
    categories = [place for place in varied if _is_category(place, lines, counts)][:_CATEGORIES]
    gaps = set(varied).difference(categories)
    for line in wanted & set(lines):
        yield tuple(GAP if place in gaps else word for place, word in enumerate(line))


def _is_category(place: int, lines: Sequence[Words], counts: Mapping[Words, int]) -> bool:
    """Whether few words stand here, and the next line would hardly bring another one.

    The chance of a word never seen is the share of those that were seen once (Good, "The population
    frequencies of species", Biometrika 1953).
    """
    seen: Counter[str] = Counter()
    for line in lines:
        seen[line[place]] += counts[line]
    once = sum(times == 1 for times in seen.values())
    return len(seen) <= _CATEGORY and once <= _SURPRISE * seen.total()
