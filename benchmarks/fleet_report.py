"""What came of a fleet's attempts, and what the watch did meanwhile.

The report (``report.jsonl``) is the memory of a fleet, from which a stopped run goes on, and its figures: how
many faults were recorded, missed or seen late, and, just as telling, how often the watch looked at a quiet
shop and cried.
"""

import csv
import json
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from causal.evidence import Fact
from demo.topology import Topology

REPORT = "report.jsonl"
LATE = 30.0  # s
_COLUMNS = ("case", "service", "fault", "symptom", "signal", "alarm_after", "onset_error", "decoy")
_ABOUT = """\
# Incidents of our own

Real processes of the demo shop, in generated topologies, broken in every way the shop knows, recorded as an
incident in production would have been. Made by `python -m benchmarks.fleet`; the same seed gives the same
shops and faults, though never the same milliseconds. Licence: that of the project.

One folder per topology, one per case in it, in the case format: `alert.json` is what the watch itself said,
`changes.json` the commits of the shop's configuration repository in the quarter of an hour before the end
(among them harmless ones, and those of faults before and their reverts), the three Parquet files are what the
shop's services sent by OTLP. `baseline` is the quiet time right before, about a minute; `incident` begins at
the onset that the watch told. `truth.json` and `index.csv` hold the answers, `topology.json` how the shop was
built, `report.jsonl` every attempt.

Known weaknesses: all shops are made of the same program, so their spans and logs look alike; one instance a
service; quiet time is short; the machine was shared with others while they were recorded (`load` in the
report).
"""


class Quiet(Fact):
    """A quiet stretch: from when to when, how often the watch looked, and what it cried without reason.

    ``load`` is the machine's highest load average meanwhile: an alarm on a machine that others overload is
    not without reason.
    """

    start: float
    end: float
    looks: int = 0
    alarms: tuple[str, ...] = ()
    load: float = 0.0


class Attempt(Fact):
    """What came of one fault: ``outcome`` is recorded, missed, or disturbed (by an alarm from before it).

    ``alarm_after`` (s) counts from the fault, ``onset_error`` (s) is the alert's onset minus the fault's
    time, ``load`` is the machine's load average at the alarm, ``decoy`` the service that somebody changed
    harmlessly before.
    """

    topology: str
    case: str
    fault: str
    service: str
    outcome: str
    symptom: str = ""
    signal: str = ""
    alarm_after: float | None = None
    onset_error: float | None = None
    decoy: str = ""
    quiet: Quiet
    load: float = 0.0


def read_report(out: Path) -> list[Attempt]:
    """Every attempt of a fleet so far; the last one of a case counts."""
    path = out / REPORT
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    latest = {(a.topology, a.case): a for a in map(Attempt.model_validate_json, lines)}
    return list(latest.values())


def add_to_report(out: Path, attempt: Attempt) -> None:
    """Keep an attempt, and bring the pages that are made of the report up to date."""
    with (out / REPORT).open("a", encoding="utf-8") as file:
        file.write(attempt.model_dump_json() + "\n")
    attempts = read_report(out)
    _write_index(out / attempt.topology, [a for a in attempts if a.topology == attempt.topology])
    (out / "README.md").write_text(f"{_ABOUT}\n{figures(attempts)}", encoding="utf-8")


def write_topology(folder: Path, topology: Topology) -> None:
    """Say in a topology's folder what its shop was."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(topology.model_dump(mode="json"), indent=1)
    (folder / "topology.json").write_text(text + "\n", encoding="utf-8")
    about = (
        f"# {topology.name}\n\nA generated shop of {len(topology.services)} services; see `../README.md` "
        "for how its incidents were recorded and `topology.json` for how it was built. `index.csv` has the "
        "answers.\n"
    )
    (folder / "README.md").write_text(about, encoding="utf-8")


def figures(attempts: Sequence[Attempt]) -> str:
    """The attempts by kind of fault, and the watch on quiet shops, as Markdown."""
    return "\n".join([*_by_fault(attempts), "", *_quiet(attempts), ""])


def line(attempt: Attempt) -> str:
    """One attempt in a line."""
    head = f"{attempt.topology}/{attempt.case}: {attempt.fault} in {attempt.service}"
    cried = f", {len(attempt.quiet.alarms)} false alarms before" if attempt.quiet.alarms else ""
    if attempt.outcome != "recorded":
        return f"{head}: {attempt.outcome}{cried}"
    return f"{head}: alarm after {attempt.alarm_after} s ({attempt.symptom}, {attempt.signal}){cried}"


def _by_fault(attempts: Sequence[Attempt]) -> Iterator[str]:
    yield "| fault | recorded | missed | disturbed | alarm after: median s | longest s |"
    yield "|---|---:|---:|---:|---:|---:|"
    for fault in sorted({a.fault for a in attempts}):
        mine = [a for a in attempts if a.fault == fault]
        n = Counter(a.outcome for a in mine)
        after = [a.alarm_after for a in mine if a.alarm_after is not None and a.outcome == "recorded"]
        times = f"{statistics.median(after):.0f} | {max(after):.0f}" if after else "- | -"
        yield f"| {fault} | {n['recorded']} | {n['missed']} | {n['disturbed']} | {times} |"


def _quiet(attempts: Sequence[Attempt]) -> Iterator[str]:
    looks = sum(a.quiet.looks for a in attempts)
    seconds = sum(a.quiet.end - a.quiet.start for a in attempts)
    cried = [a for a in attempts if a.quiet.alarms]
    alarms = sum(len(a.quiet.alarms) for a in cried)
    yield (
        f"The watch on quiet shops: {looks} looks in {seconds / 60:.0f} minutes, {alarms} of them alarms "
        f"without reason, in {len(cried)} of {len(attempts)} quiet stretches."
    )
    for attempt in cried:
        load = f" (load {attempt.quiet.load:.0f})" if attempt.quiet.load else ""
        yield f"- {attempt.topology}, before {attempt.case}{load}: {attempt.quiet.alarms[0]}"


def _write_index(folder: Path, attempts: Sequence[Attempt]) -> None:
    """``index.csv`` of a topology: one line a case, with its answer; for people and graders."""
    with (folder / "index.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, _COLUMNS, extrasaction="ignore", lineterminator="\n")
        rows.writeheader()
        recorded = [a for a in attempts if a.outcome == "recorded"]
        rows.writerows(a.model_dump() for a in sorted(recorded, key=lambda a: a.case))
