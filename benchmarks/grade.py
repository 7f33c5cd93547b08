"""How right the engine is on recorded incidents: ``aitia bench ROOT...``.

A case is a folder with ``alert.json`` and ``truth.json``; the folder above it is its set. The engine is given
everything but the truth. A hypothesis is right when it names a service (or the pod, where the truth has one)
that was truly to blame; the kind of fault is judged apart, where the truth's name for it is known here.
"""

import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict

from causal.diagnose import diagnose
from causal.errors import AitiaError
from causal.evidence import Alert, Diagnosis, Fault, Hypothesis
from causal.telemetry import Telemetry
from integrations.cases import load_case

Engine = Callable[[Alert, Telemetry], Diagnosis]

DEFAULT_ROOT = Path("fleet")
HOW_TO_RECORD = "name a folder of recorded incidents, or record some with `make fleet`"
SURE, VERY_SURE = 0.7, 0.95
KINDS: dict[str, frozenset[Fault]] = {
    "bad_config_pool_size": frozenset({Fault.CONFIG_CHANGE}),
    "bad_config_timeout": frozenset({Fault.CONFIG_CHANGE}),
    "bad_config_wrong_upstream": frozenset({Fault.CONFIG_CHANGE}),
    "bad_prompt": frozenset({Fault.PROMPT_CHANGE}),
    "cpu_hog": frozenset({Fault.CPU}),
    "dead": frozenset({Fault.UNAVAILABLE}),
    "errors": frozenset({Fault.ERRORS}),
    "latency": frozenset({Fault.LATENCY}),
    "memory_leak": frozenset({Fault.MEMORY}),
    "slow_peer_exhausts_pool": frozenset({Fault.LATENCY, Fault.POOL_EXHAUSTED}),
}


class Told(BaseModel):
    """A frozen record of what was measured."""

    model_config = ConfigDict(frozen=True)


class Cause(Told):
    """One entry of ``truth.json``."""

    service: str
    pod: str | None = None
    fault: str = ""

    def is_named_by(self, hypothesis: Hypothesis) -> bool:
        """Whether a hypothesis blames this very service or pod."""
        blamed = {hypothesis.service, hypothesis.entity.name}
        return self.service in blamed or (self.pod is not None and self.pod in blamed)


class Guess(Told):
    """One hypothesis, as far as grading needs it."""

    service: str
    fault: Fault
    probability: float
    right: bool


class Grade(Told):
    """What the engine made of one case; ``problem`` is why it could not."""

    case: str
    causes: tuple[Cause, ...]
    guesses: tuple[Guess, ...] = ()
    seconds: float = 0.0
    problem: str = ""

    @property
    def rank(self) -> int | None:
        """The place (from 1) of the first right hypothesis."""
        return next((place for place, guess in enumerate(self.guesses, 1) if guess.right), None)

    @property
    def right(self) -> bool:
        return self.rank == 1

    @property
    def probability(self) -> float:
        """What the engine gave its first hypothesis; 0 if it had none."""
        return self.guesses[0].probability if self.guesses else 0.0

    @property
    def kind_right(self) -> bool | None:
        """Whether the first hypothesis, being right, names the kind of fault too; None where unknown."""
        known = [KINDS[cause.fault] for cause in self.causes if cause.fault in KINDS]
        if not known or not self.right:
            return None
        return any(self.guesses[0].fault in kinds for kinds in known)


class Summary(Told):
    """A set of cases in figures; shares are None where there is nothing to divide by."""

    name: str
    n: int
    top1: float
    top3: float
    kinds: float | None
    mean_p: float
    brier: float
    sure: tuple[int, float | None]
    very_sure: tuple[int, float | None]
    median_seconds: float
    max_seconds: float
    problems: int


def sets_under(roots: Iterable[Path]) -> dict[str, list[Path]]:
    """The graded cases under some folders, by their set; what begins with an underscore holds none."""
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for root in roots:
        for truth in sorted(root.rglob("truth.json")):
            case = truth.parent
            hidden = any(part.startswith("_") for part in case.relative_to(root).parts)
            if not hidden and (case / "alert.json").exists():
                found[case.parent.name].append(case)
    return dict(found)


def grade_case(case: Path, engine: Engine = diagnose) -> Grade:
    """Have one case diagnosed and compare with its truth; the seconds are those of the engine alone."""
    truth = json.loads((case / "truth.json").read_text(encoding="utf-8"))
    causes = tuple(Cause.model_validate(cause) for cause in truth["root_causes"])
    try:
        alert, telemetry = load_case(case)
    except AitiaError as error:
        return Grade(case=case.name, causes=causes, problem=str(error))
    began = time.perf_counter()
    verdict = engine(alert, telemetry)
    seconds = time.perf_counter() - began
    guesses = tuple(_guess(hypothesis, causes) for hypothesis in verdict.hypotheses)
    return Grade(case=case.name, causes=causes, guesses=guesses, seconds=seconds)


def summarize(name: str, grades: Sequence[Grade]) -> Summary:
    """The figures of a set; there must be cases in it."""
    n, kinds = len(grades), [g.kind_right for g in grades if g.kind_right is not None]
    return Summary(
        name=name,
        n=n,
        top1=sum(g.right for g in grades) / n,
        top3=sum(g.rank is not None and g.rank <= 3 for g in grades) / n,  # noqa: PLR2004  the name says it
        kinds=sum(kinds) / len(kinds) if kinds else None,
        mean_p=statistics.fmean(g.probability for g in grades),
        brier=statistics.fmean((g.probability - g.right) ** 2 for g in grades),
        sure=_among(grades, SURE),
        very_sure=_among(grades, VERY_SURE),
        median_seconds=statistics.median(g.seconds for g in grades),
        max_seconds=max(g.seconds for g in grades),
        problems=sum(bool(g.problem) for g in grades),
    )


def _among(grades: Sequence[Grade], least: float) -> tuple[int, float | None]:
    """How many first hypotheses have at least this probability, and the share of them that is right."""
    chosen = [g.right for g in grades if g.probability >= least]
    return len(chosen), sum(chosen) / len(chosen) if chosen else None


def _guess(hypothesis: Hypothesis, causes: Sequence[Cause]) -> Guess:
    return Guess(
        service=hypothesis.service,
        fault=hypothesis.fault,
        probability=hypothesis.probability,
        right=any(cause.is_named_by(hypothesis) for cause in causes),
    )


def _table(summaries: Sequence[Summary]) -> Iterator[str]:
    yield (
        f"{'set':22} {'n':>4} {'top-1':>6} {'top-3':>6} {'kind':>5} {'mean p':>6} {'Brier':>6} "
        f"{'p>=0.7':>11} {'p>=0.95':>11} {'median s':>8} {'max s':>6}"
    )
    for s in summaries:
        yield (
            f"{s.name:22} {s.n:4} {s.top1:6.3f} {s.top3:6.3f} {_share(s.kinds):>5} {s.mean_p:6.3f} "
            f"{s.brier:6.3f} {_part(s.sure):>11} {_part(s.very_sure):>11} {s.median_seconds:8.2f} "
            f"{s.max_seconds:6.2f}" + (f"  {s.problems} unreadable" if s.problems else "")
        )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _part(part: tuple[int, float | None]) -> str:
    return f"{_share(part[1])} of {part[0]}"


def _line(name: str, grade: Grade) -> str:
    truth = ", ".join(f"{cause.service} ({cause.fault})" for cause in grade.causes)
    told = "; ".join(f"{g.service} {g.probability:.2f} ({g.fault})" for g in grade.guesses[:3])
    return f"{name}/{grade.case}: truth {truth}; said {grade.problem or told or 'nothing'}"


def _as_json(graded: dict[str, list[Grade]]) -> str:
    told: list[dict[str, Any]] = [
        {
            **summarize(name, grades).model_dump(mode="json"),
            "cases": [grade.model_dump(mode="json") | {"rank": grade.rank} for grade in grades],
        }
        for name, grades in graded.items()
    ]
    return json.dumps(told, indent=1)


app = typer.Typer(help="Measure the engine on recorded incidents.")


@app.callback(invoke_without_command=True)
def main(
    roots: Annotated[
        list[Path] | None,
        typer.Argument(metavar="ROOT...", help="folders with sets of cases; default fleet/"),
    ] = None,
    *,
    wrong: Annotated[bool, typer.Option("--wrong", help="a line for each case that is wrong")] = False,
    every: Annotated[bool, typer.Option("--all", help="a line for each case")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    """Grade the engine. Exit code 2 if there is nothing to grade."""
    sets = sets_under(roots or [DEFAULT_ROOT])
    if not sets:
        where = ", ".join(str(root) for root in roots or [DEFAULT_ROOT])
        typer.echo(f"aitia: no cases with alert.json and truth.json in {where}; {HOW_TO_RECORD}", err=True)
        raise typer.Exit(2)
    grade_case(next(iter(sets.values()))[0])  # the first one also pays for loading the libraries
    graded = {name: [grade_case(case) for case in cases] for name, cases in sets.items()}
    if as_json:
        typer.echo(_as_json(graded))
        return
    told = [(name, grade) for name, grades in graded.items() for grade in grades]
    for name, grade in told:
        if every or (wrong and not grade.right):
            typer.echo(_line(name, grade))
    summaries = [summarize(name, grades) for name, grades in graded.items()]
    if len(graded) > 1:
        summaries.append(summarize("all", [grade for _, grade in told]))
    typer.echo("\n".join(_table(summaries)))


if __name__ == "__main__":
    app()
