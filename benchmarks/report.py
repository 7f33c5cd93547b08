"""What a run came to, told three ways: as text, as values for programs, as sections of a page."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks import calibration, table
from benchmarks.calibration import Calibration
from benchmarks.figures import DEPTH, summarize
from benchmarks.grade import Grade
from benchmarks.parts import Key, grouped, right_by_part
from benchmarks.run import OURS, Bench, Grades


@dataclass(frozen=True)
class Report:
    """A run, the parts of its sets that are asked for, and the sets of each folder, by its name."""

    bench: Bench
    keys: Mapping[str, Key] = field(default_factory=dict)
    together: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def blocks(self) -> dict[str, Grades]:
        """Each set, then all sets of each folder that has several."""
        pooled = {
            f"all of {folder}": self.bench.pooled(names)
            for folder, names in self.together.items()
            if len(names) > 1
        }
        return {**self.bench.sets, **pooled}

    def calibrations(self) -> dict[str, Calibration]:
        """What probabilities are worth, in each block; the pooled ones first."""
        judged = {name: calibration.calibration(grades[OURS]) for name, grades in self.blocks().items()}
        return dict(sorted(judged.items(), key=lambda item: item[0] in self.bench.sets))

    def lines(self, *, wrong: bool = False, every: bool = False, calibrated: bool = False) -> Iterator[str]:
        """Tell it on a terminal."""
        for grade in self.ours():
            if every or (wrong and not grade.right):
                yield case_line(grade)
        for name, grades in self.blocks().items():
            yield from ("", *table.text(table.figures(name, grades)))
            yield from self.notes(name)
            for key in self.keys.values() if name in self.bench.sets else ():
                if rows := list(right_by_part(grades, key)):
                    yield from ("", *("  " + line for line in table.text(rows)))
        if calibrated:
            for name, judged in self.calibrations().items():
                yield from ("", *calibration.told(name, judged))

    def notes(self, name: str) -> Iterator[str]:
        """Say which published methods were not asked about a set, and why."""
        for peer, why in self.bench.unfit.get(name, {}).items():
            yield f"{peer}: {why}, and no case here has them"
        if name in self.bench.sets:
            for peer, why in self.bench.absent.items():
                yield f"{peer}: not installed: {why}"

    def ours(self) -> Iterator[Grade]:
        """The grades of our engine, set by set."""
        for grades in self.bench.sets.values():
            yield from grades[OURS]

    def values(self) -> dict[str, Any]:
        """Tell it to programs."""
        judged = self.calibrations()
        return {
            "sets": [self._values(name, grades, judged[name]) for name, grades in self.bench.sets.items()],
            "together": [
                self._values(name, grades, judged[name], cases=False)
                for name, grades in self.blocks().items()
                if name not in self.bench.sets
            ],
            "not_installed": self.bench.absent,
        }

    def _values(
        self, name: str, grades: Grades, judged: Calibration, *, cases: bool = True
    ) -> dict[str, Any]:
        told: dict[str, Any] = {
            **figures(name, OURS, grades[OURS]),
            "others": [figures(name, engine, held) for engine, held in grades.items() if engine != OURS],
            "parts": {
                label: [figures(part, OURS, held) for part, held in grouped(grades[OURS], key).items()]
                for label, key in self.keys.items()
            },
            "unfit": self.bench.unfit.get(name, {}),
            "calibration": judged.model_dump(mode="json"),
        }
        if cases:
            told["cases"] = [grade.model_dump(mode="json") | {"rank": grade.rank} for grade in grades[OURS]]
        return told


def figures(name: str, engine: str, grades: Sequence[Grade]) -> dict[str, Any]:
    """The figures of some cases as values: shares, and their 95 % intervals."""
    summary = summarize(name, grades, engine)
    shares = {f"top{k}": summary.top(k) for k in range(1, DEPTH + 1)}
    return {
        **summary.model_dump(mode="json"),
        **{label: share.value for label, share in shares.items()},
        **{f"{label}_interval": share.interval for label, share in shares.items()},
    }


def case_line(grade: Grade) -> str:
    """Tell what was true and what was said of a case, on one line."""
    truth = ", ".join(f"{cause.service} ({cause.fault})" for cause in grade.causes)
    return f"{grade.set_name}/{grade.case}: truth {truth}; said {grade.problem or said(grade) or 'nothing'}"


def said(grade: Grade) -> str:
    """The first three guesses."""
    return "; ".join(f"{g.service} {g.probability or 0.0:.2f} ({g.fault})" for g in grade.guesses[:3])
