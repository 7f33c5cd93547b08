"""``python -m benchmarks.chaos``, or ``make chaos``; exit code 1 where anything happened that must not."""

import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.chaos.conduct import Conductor, Told
from benchmarks.chaos.house import House, house
from benchmarks.chaos.report import summary, table
from benchmarks.chaos.schedule import Case, lanes
from benchmarks.chaos.stalls import Stall, stall
from demo.places import ShopFolder
from demo.telemetry import OtlpTarget

QUIET_SECONDS = 60.0
_OPENED_AT_ONCE = 4


class Narrator:
    """Lines with the seconds since the beginning, on stderr."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def say(self, text: str) -> None:
        """Tell how it goes."""
        print(f"{self.seconds:7.1f} s  {text}", file=sys.stderr, flush=True)


def main(
    *,
    incidents: Annotated[int, typer.Option(min=1, help="how many")] = 200,
    seed: Annotated[int, typer.Option(help="the same seed, the same incidents and blows")] = 1,
    stalls: Annotated[int, typer.Option(min=1, max=40, help="shops, each with one incident at a time")] = 16,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    home: Annotated[Path | None, typer.Option(help="keep everything in this folder")] = None,
) -> None:
    """Strike a house that is at work on many incidents, and count what took effect."""
    for sign in (signal.SIGINT, signal.SIGTERM):  # a shell's background job would ignore the first
        signal.signal(sign, signal.default_int_handler)
    narrator = Narrator()
    told: list[Told] = []
    audit = "not checked, the run was stopped"
    with suppress(KeyboardInterrupt), _folder(home) as folder:
        audit = run(folder, lanes(incidents, min(stalls, incidents), seed), narrator, told)
    figures = summary(told, seed=seed, seconds=narrator.seconds, audit=audit)
    print(json.dumps(figures, indent=1) if as_json else table(figures))
    raise typer.Exit(0 if figures["well"] and len(told) == incidents else 1)


def run(home: Path, planned: tuple[tuple[Case, ...], ...], narrator: Narrator, told: list[Told]) -> str:
    """Conduct all incidents, a lane a stall, into ``told``; returns what the audit log's check says then."""
    with ExitStack() as stack:
        narrator.say("starting PostgreSQL, Temporal, the networks between, and the house")
        here = stack.enter_context(house(home))
        narrator.say(f"opening {len(planned)} stalls")
        stalls = _open(stack, here, len(planned))
        narrator.say(f"{QUIET_SECONDS:.0f} s of quiet")
        time.sleep(QUIET_SECONDS)
        _conduct(planned, here, stalls, narrator, told)
        return _check_audit(here)


def _open(stack: ExitStack, here: House, stalls: int) -> list[Stall]:
    bearer = here.http.headers["Authorization"]
    otlp = OtlpTarget(endpoint=str(here.http.base_url).rstrip("/"), headers={"Authorization": bearer})
    with ThreadPoolExecutor(_OPENED_AT_ONCE) as threads:
        contexts = [stall(ShopFolder(here.home, f"stall-{n:02}"), otlp, here.proxy) for n in range(stalls)]
        opening = [threads.submit(stack.enter_context, context) for context in contexts]
        return [each.result() for each in opening]


def _conduct(
    planned: tuple[tuple[Case, ...], ...],
    here: House,
    stalls: list[Stall],
    narrator: Narrator,
    told: list[Told],
) -> None:
    stop = threading.Event()

    def one_lane(lane: tuple[Case, ...]) -> None:
        for case in lane:
            came = Conductor(case, here, stalls[case.stall], narrator.say, stop).run()
            told.append(came)
            bad = sum(bool(each.findings) for each in told)
            narrator.say(f"{len(told)} over, {bad} badly; {_line(came)}")

    with ThreadPoolExecutor(len(planned)) as threads:
        try:
            for done in [threads.submit(one_lane, lane) for lane in planned]:
                done.result()
        except BaseException:  # Ctrl-C above all: the others are not seen to their end
            stop.set()
            raise


def _line(came: Told) -> str:
    found = (f"{finding.violation.upper()}: {finding.says}" for finding in came.findings)
    head = f"#{came.case.number} {came.incident} {came.status} after {came.seconds:.0f} s"
    return "; ".join((head, *found, *came.attempts))


def _check_audit(here: House) -> str:
    """Have the house's own command recompute the chain; an empty text where it is intact."""
    command = [sys.executable, "-m", "workers", "audit", "verify"]
    done = subprocess.run(command, capture_output=True, text=True, env=here.settings, check=False)
    return "" if done.returncode == 0 else (done.stderr or done.stdout).strip()


@contextmanager
def _folder(home: Path | None) -> Iterator[Path]:
    if home is not None:
        home.mkdir(parents=True, exist_ok=True)
        yield home.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="aitia-chaos-") as folder:
        yield Path(folder)


if __name__ == "__main__":
    typer.run(main)
