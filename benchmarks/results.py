"""``RESULTS.md``: figures that a command writes, between words that people write.

What is measured stands between two marks and is written anew; everything else stays as it is. So does the
last column of the table of wrong cases: why each of them is wrong, which nobody but a reader of its telemetry
can say.
"""

import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import table
from benchmarks.grade import Grade
from benchmarks.parts import by_fault, right_by_part
from benchmarks.report import Report, said

_BEGIN, _END = "<!-- measured: {} -->", "<!-- end of {} -->"
_WRONG_ROW = re.compile(r"^\| (?P<case>[^|]+/[^|]+?) \|.*\| (?P<reason>[^|]*?) \|$", re.MULTILINE)
_NOT_SAID = "not looked into yet"
_WORDS = 3

SECTIONS = ("run", "table", "parts", "calibration", "scale", "wrong")

SKELETON = """\
# Results

Everything between marks in this file is measured: `make results` writes it anew and keeps the rest.

<!-- measured: run -->
<!-- end of run -->

## How right

A hit is the exact name of a service (or pod) that was truly to blame, among the first k. In brackets Wilson's
95 % interval. A case without an answer is wrong; *failed* counts those. Seconds are the engine's own, without
loading; the peak is that of the whole process. *p>=0.95*: the share that is right among the cases whose first
hypothesis got at least 0.95, and how many those are. *Most frequent answer* knows the answers: it always says
what is most often to blame in the set.

<!-- measured: table -->
<!-- end of table -->

## In parts

<!-- measured: parts -->
<!-- end of parts -->

## How sure

<!-- measured: calibration -->
<!-- end of calibration -->

## How fast

<!-- measured: scale -->
<!-- end of scale -->

## Cases that are still wrong, each with its reason

The last column is written by hand.

<!-- measured: wrong -->
<!-- end of wrong -->
"""


def write(path: Path, report: Report, command: str, picture: Path | None = None) -> None:
    """Write a run into a page; one that is not there is begun."""
    before = path.read_text(encoding="utf-8") if path.exists() else SKELETON
    page = before
    for name, told in sections(report, command, path, picture, reasons(before)).items():
        page = put(page, name, told)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def put(page: str, name: str, told: str) -> str:
    """Put text between the marks of a section; a page without those marks gets them at its end."""
    begin, end = _BEGIN.format(name), _END.format(name)
    section = f"{begin}\n{told.rstrip()}\n{end}"
    marks = re.compile(re.escape(begin) + r".*?" + re.escape(end), re.DOTALL)
    if marks.search(page):
        return marks.sub(lambda _: section, page, count=1)
    return f"{page.rstrip()}\n\n{section}\n"


def reasons(page: str) -> dict[str, str]:
    """What people wrote in the last column of the table of wrong cases."""
    begin, end = _BEGIN.format("wrong"), _END.format("wrong")
    _, _, rest = page.partition(begin)
    return {found["case"]: found["reason"] for found in _WRONG_ROW.finditer(rest.partition(end)[0])}


def sections(
    report: Report, command: str, path: Path, picture: Path | None, known: Mapping[str, str]
) -> dict[str, str]:
    """The measured sections of a page, except those that others write."""
    return {
        "run": "\n".join(_run(report, command)),
        "table": "\n".join(_tables(report)),
        "parts": "\n".join(_parts(report)),
        "calibration": "\n".join(_calibration(report, path, picture)),
        "wrong": "\n".join(_wrong(report, known)),
    }


def _run(report: Report, command: str) -> Iterator[str]:
    verdict = next((grade.engine for grade in report.ours() if grade.engine), "no engine")
    where = f"Python {platform.python_version()}, {os.cpu_count() or 1} cores"
    yield f"Measured on {datetime.now(UTC):%Y-%m-%d} with {verdict}, {where}:"
    yield from ("", "```", command, "```")


def _tables(report: Report) -> Iterator[str]:
    for name, grades in report.blocks().items():
        yield from ("", *table.markdown(table.figures(name, grades)))
        yield from (f"\n- {note}" for note in report.notes(name))


def _parts(report: Report) -> Iterator[str]:
    for name, grades in report.bench.sets.items():
        for label, key in report.keys.items():
            if rows := list(right_by_part(grades, key)):
                rows[0][0] = f"{name} by {label}: right first, of"
                yield from ("", *table.markdown(rows))


def _calibration(report: Report, path: Path, picture: Path | None) -> Iterator[str]:
    if picture:
        yield f"![Said against right, and risk against coverage]({_beside(path, picture)})"
    for name, judged in report.calibrations().items():
        rows = [["said", "cases", "mean said", "right", "95 %"]]
        for part in judged.bins:
            low, high = part.interval
            shares = (f"{part.mean_probability:.2f}", f"{part.share_right:.2f}", f"{low:.2f}-{high:.2f}")
            rows.append([f"{part.low:.1f} to {part.high:.1f}", str(part.n), *shares])
        yield from ("", f"{name}: {judged.n} cases, Brier {judged.brier:.3f}, ECE {judged.ece:.3f}", "")
        yield from table.markdown(rows)


def _beside(path: Path, picture: Path) -> str:
    return Path(os.path.relpath(picture.resolve(), path.resolve().parent)).as_posix()


def _wrong(report: Report, known: Mapping[str, str]) -> Iterator[str]:
    rows = [["case", "truth", "said", "reason"]]
    for grade in report.ours():
        if not grade.right:
            case = f"{grade.set_name}/{grade.case}"
            names = ", ".join(cause.service for cause in grade.causes)
            rows.append(
                [
                    case,
                    f"{names}{_kind(grade)}",
                    grade.problem or said(grade) or "nothing",
                    known.get(case, _NOT_SAID),
                ]
            )
    if len(rows) == 1:
        yield "None."
        return
    yield from table.markdown(rows, words=True)


def _kind(grade: Grade) -> str:
    """The fault by its name; some sets tell it in a sentence of theirs, which stays with them."""
    fault = by_fault(grade)
    return "" if len(fault.split()) > _WORDS else f" ({fault})"


def quote(
    section: Annotated[str, typer.Argument(help=f"one of {', '.join(SECTIONS)}")],
    page: Annotated[Path, typer.Argument(help="the page")],
    *,
    command: Annotated[str, typer.Option(help="what printed it")] = "",
    picture: Annotated[Path | None, typer.Option(help="what it drew")] = None,
) -> None:
    """Put what another program prints (standard input) into a section of a page, as it is."""
    told = sys.stdin.read().rstrip()
    if not told:
        typer.echo("aitia: there was nothing to read, so the page stays as it is", err=True)
        raise typer.Exit(1)
    drawn = [f"![{picture.stem}]({_beside(page, picture)})", ""] if picture else []
    asked = [f"$ {command}"] if command else []
    before = page.read_text(encoding="utf-8") if page.exists() else SKELETON
    page.write_text(put(before, section, "\n".join([*drawn, "```", *asked, told, "```"])), encoding="utf-8")


if __name__ == "__main__":
    typer.run(quote)
