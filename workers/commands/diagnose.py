"""``aitia diagnose``: from files to a verdict, with no server."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from causal.diagnose import ENGINE, diagnose
from causal.errors import AitiaError
from causal.evidence import Alert, Diagnosis
from integrations.sources import read_any
from playbooks.render import diagnosis_markdown, diagnosis_text
from playbooks.words import plain_lines

USAGE = 2


def diagnose_files(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="case folders, folders of them, OTLP (JSON or protobuf) or Jaeger JSON files",
        ),
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="print one Diagnosis as JSON")] = False,
    as_lines: Annotated[bool, typer.Option("--jsonl", help="print one line of JSON a case")] = False,
    markdown: Annotated[bool, typer.Option(help="print Markdown")] = False,
    fault_start: Annotated[
        float | None, typer.Option(help="when the trouble began (Unix seconds), for files without an alert")
    ] = None,
) -> None:
    """Say why a recorded incident happened. Exit code 1 if any case could not be read, 2 for wrong usage."""
    cases = list(_cases(paths))
    if mistake := _wrong_usage(len(cases), as_json=as_json, as_lines=as_lines, markdown=markdown):
        typer.echo(f"aitia: {mistake}", err=True)
        raise typer.Exit(USAGE)
    failed = False
    for number, path in enumerate(cases, start=1):
        if as_lines and sys.stderr.isatty():
            typer.echo(f"\r{number}/{len(cases)} {path.name} ", err=True, nl=False)
        try:
            alert, verdict, took = _timed(path, fault_start)
        except Exception as error:  # noqa: BLE001  the outermost handler of a case: the others go on
            failed = True
            _tell_failure(path, error, as_lines=as_lines)
            continue
        typer.echo(_shown(path, alert, verdict, took, as_json=as_json, as_lines=as_lines, markdown=markdown))
    if failed:
        raise typer.Exit(1)


def _wrong_usage(cases: int, *, as_json: bool, as_lines: bool, markdown: bool) -> str:
    if as_json + as_lines + markdown > 1:
        return "choose one of --json, --jsonl and --markdown"
    return f"--json is for one case, these are {cases}; use --jsonl" if as_json and cases != 1 else ""


def _cases(paths: list[Path]) -> Iterator[Path]:
    """Each path, or the cases in it where it is a folder of cases."""
    for path in map(Path.resolve, paths):
        if not path.exists():
            typer.echo(f"aitia: there is no {path}", err=True)
            raise typer.Exit(USAGE)
        is_folder_of_cases = not (path / "alert.json").exists() and any(path.glob("*/alert.json"))
        yield from sorted(filter(_is_case, path.iterdir())) if is_folder_of_cases else [path]


def _is_case(folder: Path) -> bool:
    """Whether a folder among cases is one; one that lost its alert.json is a broken case."""
    return folder.is_dir() and not folder.name.startswith((".", "_"))


def _timed(path: Path, fault_start: float | None) -> tuple[Alert, Diagnosis, float]:
    alert, telemetry = read_any(path, fault_start=fault_start)
    started = time.perf_counter()
    verdict = diagnose(alert, telemetry)
    return alert, verdict, time.perf_counter() - started


def _tell_failure(path: Path, error: Exception, *, as_lines: bool) -> None:
    ours = isinstance(error, AitiaError)
    what = str(error) if ours else f"{path}: a mistake of Aitia's own, {type(error).__name__}: {error}"
    if as_lines:
        typer.echo(json.dumps({"case_id": path.name, "engine": ENGINE, "error": what}))
    typer.echo("aitia: " + "\n".join(plain_lines(what)), err=True)


def _shown(
    path: Path,
    alert: Alert,
    verdict: Diagnosis,
    took: float,
    *,
    as_json: bool,
    as_lines: bool,
    markdown: bool,
) -> str:
    if as_json:
        return verdict.model_dump_json(indent=1)
    if as_lines:
        return json.dumps(_line(path, alert, verdict, took))
    return diagnosis_markdown(verdict, alert) if markdown else diagnosis_text(verdict, alert)


def _line(path: Path, alert: Alert, verdict: Diagnosis, took: float) -> dict[str, Any]:
    told = verdict.model_dump(
        mode="json",
        include={
            "engine",
            "hypotheses",
            "none_of_these",
            "minimal_set",
            "missing_evidence",
            "method",
            "inputs",
        },
    )
    name = alert.fingerprint if alert.source == "case" else path.name
    return {"case_id": name, **told, "seconds": round(took, 4)}


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("diagnose")(diagnose_files)
