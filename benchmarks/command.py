"""``aitia bench``: how right the engine is on recorded incidents, and how sure it may be.

What is measured is in `run`, `figures` and `calibration`, how it is told in `report` and `results`. Exit
codes: 0, every case could be graded; 1, one could not be read, or the engine failed on it; 2, wrong usage, or
nothing to grade.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks import parts, readers, results
from benchmarks.cases import Case
from benchmarks.peers.catalogue import EVERY, PEERS, chosen
from benchmarks.report import Report
from benchmarks.run import Judges, run
from causal.errors import NotFound

DEFAULT_ROOT = Path("fleet")
HOW_TO_RECORD = "name a folder of recorded incidents, or record some with `make fleet`"

app = typer.Typer(help="Measure the engine on recorded incidents.")


@app.callback(invoke_without_command=True, context_settings={"allow_interspersed_args": True})
def main(
    roots: Annotated[
        list[Path] | None, typer.Argument(metavar="DIR...", help="the same as --root", show_default=False)
    ] = None,
    *,
    root: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="a folder with sets of cases; default fleet/")
    ] = None,
    layout: Annotated[
        str, typer.Option(help=f"how it is laid out: {', '.join([readers.AUTO, *readers.LAYOUTS])}")
    ] = readers.AUTO,
    compare: Annotated[
        str,
        typer.Option(metavar="NAME,...", help=f"published methods beside us: {', '.join([*PEERS, EVERY])}"),
    ] = "",
    by: Annotated[str, typer.Option(metavar="KEY,...", help=f"in parts by {', '.join(parts.KEYS)}")] = "",
    group: Annotated[
        list[str] | None, typer.Option(metavar="[SET:]NAME=FAULT,...", help="in parts by groups of faults")
    ] = None,
    shortcuts: Annotated[bool, typer.Option(help="trivial answers beside us")] = True,
    calibration: Annotated[bool, typer.Option("--calibration", help="how far probabilities hold")] = False,
    picture: Annotated[Path | None, typer.Option(metavar="SVG", help="draw how far they hold")] = None,
    page: Annotated[
        Path | None, typer.Option("--results", metavar="FILE", help="write all of it into a page")
    ] = None,
    wrong: Annotated[bool, typer.Option("--wrong", help="a line for each case that is wrong")] = False,
    every: Annotated[bool, typer.Option("--all", help="a line for each case")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    """Grade the engine, with trivial shortcuts and, if asked, published methods beside it.

    Exit code 1 if a case could not be read or the engine failed on it, 2 if there is nothing to grade.
    """
    with _usage():
        found = _found([*(roots or ()), *(root or ())] or [DEFAULT_ROOT], layout)
        judges = Judges(shortcuts=shortcuts, peers=chosen(compare))
        keys = parts.keys(by, group or ())
    report = _report(found, judges, keys)
    if picture:
        _draw(report, picture)
    if page:
        results.write(page, report, _command(found, compare, by, group or (), picture), picture)
    if as_json:
        typer.echo(json.dumps(report.values(), indent=1))
    else:
        typer.echo("\n".join(report.lines(wrong=wrong, every=every, calibrated=calibration)).lstrip("\n"))
    if any(grade.problem for grade in report.ours()):
        raise typer.Exit(1)


@contextmanager
def _usage() -> Iterator[None]:
    """Turn what was asked for and is not there into exit code 2."""
    try:
        yield
    except NotFound as error:
        typer.echo(f"aitia: {error}", err=True)
        raise typer.Exit(2) from error


def _found(places: Sequence[Path], layout: str) -> dict[str, dict[str, list[Case]]]:
    """The sets of each folder, by the folder's name."""
    found = {place.resolve().name or str(place): readers.find([place], layout) for place in places}
    if not any(found.values()):
        where = ", ".join(map(str, places))
        raise NotFound(f"no cases with alert.json and truth.json in {where}; {HOW_TO_RECORD}")
    return found


def _report(
    found: Mapping[str, Mapping[str, list[Case]]], judges: Judges, keys: Mapping[str, parts.Key]
) -> Report:
    sets: dict[str, list[Case]] = {}
    for of_folder in found.values():
        for name, cases in of_folder.items():
            sets.setdefault(name, []).extend(cases)
    with _progress(sum(map(len, sets.values()))) as tell:
        bench = run(sets, judges, tell)
    return Report(bench, keys, {folder: list(names) for folder, names in found.items()})


@contextmanager
def _progress(total: int) -> Iterator[Callable[[str], None]]:
    """A bar on the terminal, if there is one; it goes away."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total)

        def tell(what: str) -> None:
            progress.update(task, description=what, advance=1.0 if "/" in what else 0.0)

        yield tell


def _draw(report: Report, picture: Path) -> None:
    from benchmarks.plot import calibration_picture

    calibration_picture(report.calibrations(), picture)


def _command(
    found: Mapping[str, object], compare: str, by: str, groups: Sequence[str], picture: Path | None
) -> str:
    """The command that wrote a page, with folders by their names alone: they lie elsewhere elsewhere."""
    words = ["aitia bench", *(f"--root {name}" for name in found)]
    words += [f"--compare {compare}"] if compare else []
    words += [f"--by {by}"] if by else []
    words += [f'--group "{group}"' for group in groups]
    words += [f"--picture {picture}"] if picture else []
    return " ".join([*words, "--results benchmarks/RESULTS.md"])
