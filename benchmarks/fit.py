"""Fit the calibration that ships with the engine: ``python -m benchmarks.fit ROOT... --out FILE``.

Labels come from incidents with a known cause that nobody else recorded: simulated ones and those of our own
shops. One line is fitted to all; what a site's own line may differ from it is measured by fitting each system
its own (an empirical-Bayes estimate of the variance between groups: DerSimonian and Laird, "Meta-analysis in
clinical trials", 1986, in two dimensions) and is what a site's labels have to overcome. Incidents without any
cause are labels too: whoever is blamed for them is blamed wrongly.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.cases import Case
from benchmarks.readers import find
from causal.calibrate import columns, fit
from causal.diagnose import ENGINE, diagnose
from causal.evidence import Calibration, Label
from causal.telemetry import Floats

VAGUE_MEAN, VAGUE = np.array([0.0, 1.0, 0.0, 0.0]), np.diag([4.0, 1.0, 1.0, 1.0])
"""Before any label: what is raw is believed, but hardly."""
_LEAST_GROUP = 5
_LEAST_SPREAD = 0.02
_EVEN = 0.5


def labels(cases: Iterable[Case]) -> Iterator[tuple[str, Label]]:
    """The system and the label of every case in which something is blamed."""
    for number, case in enumerate(cases, start=1):
        print(f"\r{number} incidents", end="", file=sys.stderr, flush=True)
        incident = case.read()
        verdict = diagnose(*incident)
        first = verdict.first
        if first is None:
            continue
        named = {first.service, first.entity.name}
        right = any(cause.is_among(named) for cause in case.truth().root_causes)
        yield (
            _system(case),
            Label(
                incident=str(case),
                raw_probability=first.raw_probability,
                unexplained=verdict.unexplained,
                right=right,
            ),
        )


def fitted(groups: Mapping[str, Sequence[Label]], provenance: str, version: int) -> Calibration:
    """The line through all labels, with as much doubt as lines differ from system to system."""
    every = [label for group in groups.values() for label in group]
    x, y = columns(every)
    line, covariance = fit(x, y, VAGUE_MEAN, VAGUE)
    spread = covariance + _between(groups, line)
    return Calibration(
        version=version,
        engine=ENGINE,
        weights=line.tolist(),
        covariance=spread.tolist(),
        at=x.mean(axis=0).tolist(),
        labels=len(every),
        provenance=provenance,
    )


def _between(groups: Mapping[str, Sequence[Label]], line: Floats) -> Floats:
    """How much the lines of systems differ beyond what their few labels explain."""
    away, noise = [], []
    for group in groups.values():
        if len(group) >= _LEAST_GROUP:
            own, covariance = fit(*columns(group), line, VAGUE)
            away.append(np.outer(own - line, own - line))
            noise.append(covariance)
    if not away:
        return np.diag([_EVEN, *[_LEAST_SPREAD] * 3])
    beyond = np.mean(away, axis=0) - np.mean(noise, axis=0)
    values, vectors = np.linalg.eigh(beyond)
    return np.asarray(vectors @ np.diag(np.maximum(values, _LEAST_SPREAD)) @ vectors.T, dtype=np.float64)


def _system(case: Case) -> str:
    """Cases of one recorded shop are one system; every simulated case is a system of its own kind."""
    return case.set_name


def main(
    roots: Annotated[list[Path], typer.Argument(help="folders of labelled incidents")],
    out: Annotated[Path, typer.Option(help="where the calibration goes")] = Path("causal/calibration.json"),
    version: Annotated[int, typer.Option(min=1, help="the number that this calibration has")] = 1,
) -> None:
    """Fit the shipped calibration on labelled incidents."""
    groups: defaultdict[str, list[Label]] = defaultdict(list)
    for system, label in labels(case for cases in find(roots).values() for case in cases):
        groups[system].append(label)
    n = sum(map(len, groups.values()))
    provenance = f"fitted on {n} incidents of our own with a known cause ({', '.join(map(_told, roots))})"
    line = fitted(groups, provenance, version)
    out.write_text(line.model_dump_json(indent=1) + "\n", encoding="utf-8")
    weights = " ".join(f"{weight:+.2f}" for weight in line.weights)
    typer.echo(f"\n{out}: weights {weights}; {provenance}")


def _told(root: Path) -> str:
    return root.resolve().name


if __name__ == "__main__":
    typer.run(main)
