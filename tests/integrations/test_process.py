from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from causal.errors import Refused, UnknownEffect
from integrations.connections import ConnectionFile, Connections, ProcessConnection
from integrations.ports import Action, Effect
from integrations.process import ProcessRestart, RestartParams, process_identity
from integrations.step_markers import Marker, StepMarkers

KEY = "inc-1/p1/restart"
PARAMS = RestartParams(process="shop", service="cart")

# Stops the process of the pid file, starts another that outlives this one, and notes how often it was run.
RESTART = """
import os, signal, subprocess, sys, pathlib
folder, service = pathlib.Path(sys.argv[1]), sys.argv[2]
pid_file = folder / f"{service}.pid"
with (folder / "runs").open("a") as runs: runs.write(service + "\\n")
try: os.kill(int(pid_file.read_text()), signal.SIGKILL)
except (FileNotFoundError, ProcessLookupError): pass
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
pid_file.write_text(str(child.pid))
"""

# Starts another process, notes which, and never ends.
SLOW = """
import pathlib, subprocess, sys, time
pathlib.Path(sys.argv[1]).write_text(str(subprocess.Popen(["sleep", "600"]).pid))
time.sleep(600)
"""
NOTE = "import os, sys, pathlib; pathlib.Path(sys.argv[1]).write_text(' '.join([*os.environ, *sys.argv[2:]]))"
KEPT = {"PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "USER", "AITIA_STEP"}


@dataclass
class Shop:
    """A service that is a real process, and the command that restarts it."""

    folder: Path
    command: tuple[str, ...] = ()
    pid_file: str | None = ""

    @property
    def action(self) -> ProcessRestart:
        return ProcessRestart(self.connections, self.folder / "state")

    def connections(self) -> Connections:
        restart = self.command or (sys.executable, "-c", RESTART, str(self.folder), "${service}")
        pid_file = f"{self.folder}/${{service}}.pid" if self.pid_file == "" else self.pid_file
        process = ProcessConnection(services=("cart", "stock"), restart=restart, pid_file=pid_file)
        return Connections(files=(ConnectionFile(processes={"shop": process}),))

    def start(self) -> int:
        """Start the service as a child of ours, which must be reaped."""
        self.child = subprocess.Popen(["sleep", "600"])
        (self.folder / "cart.pid").write_text(str(self.child.pid))
        return self.child.pid

    def stop(self) -> None:
        self.child.kill()
        self.child.wait()

    def pid(self) -> int:
        return int((self.folder / "cart.pid").read_text())

    def runs(self) -> int:
        notes = self.folder / "runs"
        return len(notes.read_text().splitlines()) if notes.exists() else 0

    def do(self, timeout: float = 20) -> Effect:
        return self.action.execute(PARAMS, key=KEY, timeout=timeout)

    def begun(self, before: str = "") -> None:
        """Leave the note of a step that was killed after it began."""
        StepMarkers(self.folder / "state").write(Marker(key=KEY, before=before))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    shop.start()
    yield shop
    shop.stop()
    if shop.pid() != shop.child.pid and process_identity(shop.pid()):
        os.kill(shop.pid(), signal.SIGKILL)


def until(look: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not look():
        assert time.monotonic() < end, "not in time"
        os.sched_yield()


def test_the_action_keeps_the_ports_contract(shop: Shop) -> None:
    assert isinstance(shop.action, Action)


def test_a_restart_leaves_another_process_running(shop: Shop) -> None:
    before = shop.pid()
    effect = shop.do()
    assert effect.facts == {"service": "cart", "pid_before": str(before), "pid": str(shop.pid())}
    assert shop.pid() != before


def test_a_restart_that_is_done_is_not_done_again(shop: Shop) -> None:
    assert shop.do() == shop.do()
    assert shop.runs() == 1


def test_what_was_never_begun_is_not_there(shop: Shop) -> None:
    assert shop.action.observe(PARAMS, key=KEY) is None


def test_a_kill_after_the_effect_is_seen_by_the_new_process(shop: Shop) -> None:
    before = process_identity(shop.pid())
    shop.do()
    shop.begun(before)
    effect = shop.action.observe(PARAMS, key=KEY)
    assert effect is not None
    assert effect.facts["pid"] == str(shop.pid())


def test_a_kill_before_the_effect_is_seen_by_the_old_process(shop: Shop) -> None:
    shop.begun(process_identity(shop.pid()))
    assert shop.action.observe(PARAMS, key=KEY) is None


def test_a_process_that_is_gone_after_a_kill_may_be_restarted(shop: Shop) -> None:
    shop.begun(process_identity(shop.pid()))
    shop.stop()
    assert shop.action.observe(PARAMS, key=KEY) is None


def test_a_command_that_still_runs_leaves_the_effect_unknown(shop: Shop) -> None:
    shop.begun(process_identity(shop.pid()))
    with subprocess.Popen(["sleep", "600"], env={"PATH": os.environ["PATH"], "AITIA_STEP": KEY}) as command:
        try:
            # between fork and exec a child still has its parent's environment
            until(lambda: f"AITIA_STEP={KEY}" in Path(f"/proc/{command.pid}/environ").read_text())
            with pytest.raises(UnknownEffect, match="still running"):
                shop.do()
        finally:
            command.kill()
    assert shop.runs() == 0


def test_without_a_pid_file_an_interrupted_restart_can_not_be_told(shop: Shop) -> None:
    shop.pid_file = None
    shop.begun()
    with pytest.raises(UnknownEffect, match="no pid_file"):
        shop.do()


def test_without_a_pid_file_a_restart_that_ended_is_there(shop: Shop) -> None:
    shop.pid_file = None
    effect = shop.do()
    assert shop.action.observe(PARAMS, key=KEY) == effect


def test_a_service_that_did_not_run_is_started(shop: Shop) -> None:
    shop.stop()
    assert shop.do().facts["pid"] == str(shop.pid())


def test_a_command_that_fails_leaves_the_effect_unknown_with_its_words(shop: Shop) -> None:
    shop.command = (sys.executable, "-c", "print('no such\\x1b[31m service'); raise SystemExit(3)")
    with pytest.raises(UnknownEffect, match=r"ended with 3: no such \[31m service"):
        shop.do()


def test_a_command_that_failed_before_it_did_anything_may_be_run_again(shop: Shop) -> None:
    shop.command = (sys.executable, "-c", "raise SystemExit(3)")
    with pytest.raises(UnknownEffect):
        shop.do()
    assert shop.action.observe(PARAMS, key=KEY) is None


def test_a_command_that_takes_too_long_is_killed_with_all_it_started(shop: Shop) -> None:
    shop.command = (sys.executable, "-c", SLOW, f"{shop.folder}/started")
    with pytest.raises(UnknownEffect, match="took too long"):
        shop.do(timeout=2)
    until(lambda: not process_identity(int((shop.folder / "started").read_text())))


def test_a_command_that_only_claims_success_is_not_believed(shop: Shop) -> None:
    shop.command = ("true",)
    with pytest.raises(UnknownEffect, match="still names process"):
        shop.do(timeout=0.3)


def test_a_command_that_is_not_there_is_refused(shop: Shop) -> None:
    shop.command = ("/no/such/command",)
    with pytest.raises(Refused, match="can not be run"):
        shop.do()


def test_a_refused_command_leaves_no_note(shop: Shop) -> None:
    shop.command = ("/no/such/command",)
    with pytest.raises(Refused):
        shop.do()
    assert StepMarkers(shop.folder / "state").read(KEY) is None


@pytest.mark.parametrize("service", ["payment", "cart; reboot", "../cart", "", "${service}"])
def test_a_service_that_is_not_listed_is_refused(shop: Shop, service: str) -> None:
    with pytest.raises(Refused, match="shop restarts cart, stock"):
        shop.action.execute(RestartParams(process="shop", service=service), key=KEY, timeout=5)


def test_an_unknown_process_connection_is_refused(shop: Shop) -> None:
    with pytest.raises(Refused, match="did you mean shop"):
        shop.action.execute(RestartParams(process="shap", service="cart"), key=KEY, timeout=5)


def test_no_shell_reads_the_arguments(shop: Shop) -> None:
    shop.pid_file = None
    shop.command = (sys.executable, "-c", NOTE, f"{shop.folder}/said", "; touch x `id` ${service}")
    shop.do()
    assert (shop.folder / "said").read_text().endswith(" ; touch x `id` cart")


def test_a_command_gets_little_of_our_environment(shop: Shop) -> None:
    shop.pid_file = None
    shop.command = (sys.executable, "-c", NOTE, f"{shop.folder}/said")
    shop.do()
    assert set((shop.folder / "said").read_text().split()) <= KEPT


def test_a_preview_shows_the_command_and_runs_nothing(shop: Shop) -> None:
    shop.command = ("/usr/bin/restart", "${service}")
    assert shop.action.preview(PARAMS) == (
        f"run '/usr/bin/restart' 'cart'\nwhich restarts cart (now process {shop.pid()})"
    )


def test_a_process_that_waits_to_be_reaped_is_not_alive() -> None:
    child = subprocess.Popen(["true"])
    until(lambda: not process_identity(child.pid))
    child.wait()
