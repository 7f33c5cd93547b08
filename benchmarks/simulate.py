"""Thousands of incidents with known causes: ``python -m benchmarks.simulate OUT --cases 200 --seed 1``.

The simulation is a package of its own (`benchmarks.simulation`); this is its door: `simulated` gives a case
in memory, the command writes case folders that any engine can be graded on. What exists is kept, so a run
that was stopped goes on where it was; the same seed and number give the same bytes.
"""

import json
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Annotated, Any

import pyarrow.parquet as pq
import typer

from benchmarks.simulation.cases import SIZES, Simulated, simulate
from benchmarks.simulation.outside import KINDS
from causal.errors import MalformedCase
from causal.evidence import Alert
from causal.telemetry import Telemetry
from integrations.arrow import concat
from integrations.case_files import AlertFile

_LEAST = 2

__all__ = ["KINDS", "simulated", "write_case"]


def simulated(
    seed: int, number: int, sizes: tuple[int, int] = SIZES, kinds: Sequence[str] = tuple(KINDS)
) -> tuple[Alert, Telemetry, dict[str, Any]]:
    """The case of a seed and a number, in memory: what an engine may see, and the truth."""
    case = simulate(seed, number, sizes, kinds)
    return case.alert, case.rows.telemetry(case.calls, case.changes), case.truth


def write_case(folder: Path, case: Simulated) -> None:
    """Write a case as a folder of the case format; the truth comes last, so that it marks a whole case."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = concat(case.rows.apart())
    for name in ("traces", "metrics", "logs"):
        table = getattr(tables, name)
        if table.num_rows:
            pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
    if case.calls:
        text = "source,target\n" + "".join(f"{a},{b}\n" for a, b in case.calls)
        (folder / "graph.csv").write_text(text, encoding="utf-8")
    if case.changes:
        _json(folder / "changes.json", [change.model_dump(mode="json") for change in case.changes])
    _json(folder / "alert.json", _alert_file(folder.name, case).model_dump(mode="json", exclude_none=True))
    _json(folder / "truth.json", case.truth)


def _alert_file(name: str, case: Simulated) -> AlertFile:
    alert, rows = case.alert, case.rows
    return AlertFile(
        case_id=name,
        system=alert.system,
        fault_start_unix=alert.began_at,
        alert_time_unix=alert.raised_at,
        baseline=(rows.baseline.start, rows.baseline.end),
        incident=(rows.incident.start, rows.incident.end),
        symptom=alert.symptom,
        fingerprint=alert.fingerprint,
        source=alert.source,
        summary=alert.summary,
    )


def _json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _make(folder: Path, seed: int, number: int, sizes: tuple[int, int], kinds: Sequence[str]) -> str:
    """Write one case unless it is there; a line about it."""
    place = folder / f"case_{number:04}"
    if (place / "truth.json").exists():
        return f"{place.name}: is there"
    began = time.perf_counter()
    try:
        case = simulate(seed, number, sizes, kinds)
    except MalformedCase as reason:
        return f"{place.name}: {reason}"
    write_case(place, case)
    causes = case.truth["root_causes"]
    fault = causes[0]["fault"] if causes else "nothing"
    spans = case.rows.tables["traces"].num_rows
    return f"{place.name}: {fault}, {spans} spans, {time.perf_counter() - began:.1f} s"


app = typer.Typer(help="Simulate incidents with known causes.")


@app.command()
def main(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="where the case folders go")],
    *,
    cases: Annotated[int, typer.Option(help="how many")] = 200,
    seed: Annotated[int, typer.Option(help="the same seed gives the same cases")] = 1,
    services: Annotated[str, typer.Option(help="how many services a system has, from-to")] = "5-60",
    jobs: Annotated[int, typer.Option(help="so many at a time")] = 1,
    kinds: Annotated[list[str] | None, typer.Option(help="only these kinds of fault")] = None,
    first: Annotated[int, typer.Option(help="the number of the first case")] = 0,
) -> None:
    """Write case folders. Exit code 2 for a kind of fault or a range that does not exist."""
    low, _, high = services.partition("-")
    unknown = sorted(set(kinds or ()) - set(KINDS))
    numbers_given = low.isdecimal() and (high or low).isdecimal()
    if unknown or not numbers_given or not _LEAST <= int(low) <= int(high or low):
        told = f"no such kind: {', '.join(unknown)}" if unknown else f"{services!r} is no range like 5-60"
        typer.echo(f"aitia: {told}; kinds are {', '.join(KINDS)}", err=True)
        raise typer.Exit(2)
    sizes, chosen = (int(low), int(high or low)), tuple(kinds or KINDS)
    with ProcessPoolExecutor(jobs) as workers:
        tasks = [workers.submit(_make, out, seed, first + at, sizes, chosen) for at in range(cases)]
        try:
            for done, task in enumerate(as_completed(tasks), start=1):
                typer.echo(f"{done:5}/{cases}  {task.result()}")
        finally:
            workers.shutdown(wait=False, cancel_futures=True)  # also when somebody has had enough


if __name__ == "__main__":
    app()
