"""``aitia demo``: a real system breaks, and Aitia finds out why, asks, fixes it, proves the fix, and learns.

Everything that is shown happens: real processes, a real Temporal server, a real commit and its revert. The
story drives the same commands and the same API that a person would, in a home folder of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from demo.alerting import Alerting, alerting
from demo.errors import DidNotStart

HERE = Path(__file__).parent
QUIET_SECONDS = 45.0
START_WITHIN, NOTICE_WITHIN, END_WITHIN = 420.0, 120.0, 300.0
NEVER_SECONDS = 10**8
DONE = {"recovered", "not_recovered", "declined", "expired", "left_to_humans", "failed"}

app = typer.Typer(help="Break a real shop and watch it being healed.")


class Disappointed(Exception):
    """The story did not come to its end."""


@dataclass
class Stage:
    """Where the story plays: a home folder, the commands, and the narrator."""

    home: Path
    settings: dict[str, str] = field(default_factory=dict)
    alerting: Alerting | None = None
    firing: dict[str, str] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    @property
    def environment(self) -> dict[str, str]:
        """Of every command: this home, ports of its own, and nobody's collector."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        return {**kept, "AITIA_HOME": str(self.home), "AITIA_DOOR_PORT": "0", **self.settings}

    def say(self, text: str = "") -> None:
        """A line of the story, with the seconds since it began."""
        stamp = f"{time.monotonic() - self.began:6.1f} s  " if text else ""
        typer.echo(f"{stamp}{text}")

    def chapter(self, title: str) -> None:
        """The headline of what comes next."""
        typer.echo()
        typer.secho(f"── {title} " + "─" * max(0, 76 - len(title)), bold=True)

    def aitia(self, *words: str) -> str:
        """Run a command to its end; gives what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "workers", *words],
            capture_output=True,
            text=True,
            env=self.environment,
            start_new_session=True,
            check=False,
        )
        if done.returncode:
            raise Disappointed(f"`aitia {' '.join(words)}` failed: {(done.stderr or done.stdout).strip()}")
        return done.stdout.strip()

    def incident(self) -> dict[str, Any] | None:
        """The newest incident, as the API tells it."""
        found = self._get("/api/incidents")
        return found[0] if found else None

    @property
    def door(self) -> str:
        """Where the door is."""
        return str(json.loads((self.home / "run.json").read_text())["door"]["url"])

    def overhear(self) -> None:
        """Tell what began and ceased to fire since the last time, if somebody alerts."""
        if self.alerting is None:
            return
        before, self.firing = self.firing, self.alerting.firing()
        for name in self.firing.keys() - before.keys():
            self.say(f"Alertmanager: firing, {self.firing[name]}")
        for name in before.keys() - self.firing.keys():
            self.say(f"Alertmanager: {name} is resolved")

    def _get(self, path: str) -> Any:
        token = (self.home / "token").read_text().strip()
        answer = httpx.get(f"{self.door}{path}", headers={"Authorization": f"Bearer {token}"}, timeout=10.0)
        answer.raise_for_status()
        return answer.json()


Decide = Callable[[Stage, dict[str, Any]], None]
"""Answers the question that a ticket asks."""


@app.callback(invoke_without_command=True)
def demo(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="approve without asking")] = False,
    keep: Annotated[bool, typer.Option(help="keep the home folder afterwards")] = False,
    topology: Annotated[Path, typer.Option(help="another shop")] = HERE / "topologies" / "shop.yaml",
    fault: Annotated[Path, typer.Option(help="another fault")] = HERE
    / "faults"
    / "bad_config_pool_size.yaml",
    alertmanager: Annotated[
        bool, typer.Option("--alertmanager", help="a real Prometheus and Alertmanager raise the alert")
    ] = False,
) -> None:
    """Bring everything up, break the shop, watch Aitia heal it, then take all down again."""
    # Where others alert, Aitia's own watch is off: the story is then about their alert.
    settings = {"AITIA_WATCH_EVERY": str(NEVER_SECONDS)} if alertmanager else {}
    stage = Stage(Path(tempfile.mkdtemp(prefix="aitia-demo-")), settings)
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    code = 1
    try:
        with _running(stage), _open_shop(stage, topology), _watched(stage, wanted=alertmanager):
            code = _tell(stage, fault, partial(_answer, yes=yes))
    except (Disappointed, DidNotStart) as reason:
        stage.say(f"the story ends here: {reason}")
        keep = True
    except KeyboardInterrupt:
        stage.say("stopped")
        code = 130
    finally:
        if keep:
            stage.say(f"kept: {stage.home}")
        else:
            shutil.rmtree(stage.home, ignore_errors=True)
    raise typer.Exit(code)


@contextlib.contextmanager
def _running(stage: Stage) -> Iterator[None]:
    """Aitia itself, in the background, as `aitia up` starts it."""
    stage.chapter("Aitia starts")
    process = subprocess.Popen(
        [sys.executable, "-m", "workers", "up"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=stage.environment,
        start_new_session=True,
    )
    teller = threading.Thread(target=_echo, args=(stage, process), daemon=True)
    teller.start()
    try:
        _wait_for_run_file(stage, process)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
        teller.join(timeout=5)


def _echo(stage: Stage, process: subprocess.Popen[str]) -> None:
    for line in process.stdout or ():
        stage.say(line.rstrip())


def _wait_for_run_file(stage: Stage, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + START_WITHIN
    while not (stage.home / "run.json").exists():
        if process.poll() is not None:
            raise Disappointed("`aitia up` ended; its reason stands above")
        if time.monotonic() > deadline:
            raise Disappointed("`aitia up` did not become ready")
        time.sleep(0.2)


@contextlib.contextmanager
def _open_shop(stage: Stage, topology: Path) -> Iterator[None]:
    stage.chapter("A shop opens: real services, real traffic, OpenTelemetry")
    try:
        for line in stage.aitia("shop", "up", str(topology)).splitlines():
            stage.say(line)
        yield
    finally:
        stage.aitia("shop", "down")


@contextlib.contextmanager
def _watched(stage: Stage, *, wanted: bool) -> Iterator[None]:
    """A Prometheus that scrapes the shop and an Alertmanager that calls the door, where they are wanted."""
    if not wanted:
        yield
        return
    stage.chapter("Prometheus scrapes the shop; Alertmanager knows Aitia's webhook and token")
    targets = json.loads(stage.aitia("shop", "targets"))
    webhook = f"{stage.door}/webhooks/alertmanager"
    with alerting(stage.home / "alerting", targets, webhook, stage.home / "token") as stage.alerting:
        stage.say(f"Prometheus {stage.alerting.prometheus}, Alertmanager {stage.alerting.alertmanager}")
        yield


def _tell(stage: Stage, fault: Path, decide: Decide) -> int:
    stage.chapter("Quiet time: Aitia learns what is usual, nothing is configured")
    _let_pass(stage, QUIET_SECONDS)
    stage.chapter("Somebody breaks it")
    for line in stage.aitia("shop", "break", str(fault)).splitlines():
        stage.say(line)
    truth = json.loads(stage.aitia("shop", "truth", "--json"))
    stage.chapter("Aitia at work")
    ticket = _follow(stage, decide)
    stage.chapter("The audit log")
    stage.say(stage.aitia("audit", "verify"))
    exported = stage.home / "audit.jsonl"
    stage.aitia("audit", "export", str(exported))
    stage.say(f"exported, verified offline: {stage.aitia('audit', 'verify', str(exported))}")
    return _verdict(stage, ticket, truth)


def _let_pass(stage: Stage, seconds: float) -> None:
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        stage.say(f"{passed:3.0f} of {seconds:.0f} s")
        time.sleep(min(15.0, seconds - passed + 0.01))


def _follow(stage: Stage, decide: Decide) -> dict[str, Any]:
    """Tell the timeline as it happens, have the approval decided, until the lesson is learned."""
    told, answered, shown = 0, False, False
    deadline = time.monotonic() + NOTICE_WITHIN
    while True:
        stage.overhear()
        ticket = stage.incident()
        if ticket is not None:
            if told == 0:
                deadline = time.monotonic() + END_WITHIN
            for line in ticket["timeline"][told:]:
                stage.say(line["says"])
            told = len(ticket["timeline"])
            approval = ticket.get("approval")
            if not shown and approval:
                shown = True
                typer.echo(stage.aitia("incident", ticket["id"]))
            if not answered and approval and approval["status"] == "open":
                answered = True
                decide(stage, ticket)
            if ticket["ended_at"] is not None or ticket["status"] in DONE - {"recovered"}:
                return ticket
        if time.monotonic() > deadline:
            raise Disappointed("nothing more happened in time")
        time.sleep(0.5)


def _answer(stage: Stage, ticket: dict[str, Any], *, yes: bool) -> None:
    """Have the person at the terminal decide."""
    approval = ticket["approval"]["id"]
    if yes or not sys.stdin.isatty():
        stage.say(f"approving by itself ({'--yes' if yes else 'there is no terminal to ask on'})")
        stage.say(stage.aitia("approve", approval))
        return
    if typer.confirm("approve this plan?", default=True):
        stage.say(stage.aitia("approve", approval))
    else:
        stage.say(stage.aitia("decline", approval, "--because", "declined on the terminal"))


def _verdict(stage: Stage, ticket: dict[str, Any], truth: dict[str, Any]) -> int:
    stage.chapter("The end")
    true = {cause["service"] for cause in truth["root_causes"]}
    named = ticket["hypotheses"][0]["service"] if ticket["hypotheses"] else "nothing"
    right, well = named in true, ticket["status"] == "recovered"
    stage.say(
        f"true cause {', '.join(sorted(true))}; Aitia named {named} first: {'right' if right else 'wrong'}"
    )
    stage.say(f"the shop {'recovered' if well else 'did not recover: ' + ticket['status']}")
    return 0 if right and well else 1
