"""`aitia up` as its users run it: a whole Aitia, killed in the middle of a fix."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.workers.running import Effects, RunningAitia, aitia, running, send, target, traffic, wait_for

MEND = """
name: mend-cart
description: Tells the cart to mend itself, in two steps.
cures: [{fault: errors}]
impact: high
confidence: {prior: 0.9, weight: 10}
steps:
  - id: first
    action: http.request
    with: {connection: target, method: POST, path: /first}
    retry: {attempts: 5, backoff: 200ms}
  - id: second
    action: http.request
    with: {connection: target, method: POST, path: /second}
    retry: {attempts: 5, backoff: 200ms}
verify:
  recovered_when: {signal: $alert.signal, within: 2m, quiet_for: 10s}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of the Aitia of this module."""
    return tmp_path_factory.mktemp("aitia")


@contextmanager
def steady_traffic(here: RunningAitia, effects: Effects) -> Iterator[None]:
    """Traffic that fails until the second step took effect, sent every second until this ends."""
    stop = threading.Event()

    def send_on() -> None:
        at = time.time()
        while not stop.wait(1.0):
            until = time.time()
            failing = "/second" not in effects.paths
            try:
                send(here, traffic(at, until, cart_fails=failing))
            except httpx.TransportError:
                continue
            at = until

    thread = threading.Thread(target=send_on)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_an_incident_survives_a_killed_worker_and_each_step_takes_effect_once(home: Path) -> None:
    """kill -9 after the effect of the first step and before its answer: the worst moment there is."""
    effects = Effects()
    (home / "playbooks").mkdir()
    (home / "playbooks" / "mend-cart.yaml").write_text(MEND)
    with target(effects) as address, running(home) as here:
        (home / "connections.d").mkdir(exist_ok=True)
        (home / "connections.d" / "target.yaml").write_text(f"http:\n  target: {{base_url: '{address}'}}\n")
        effects.before_answer = lambda path: kill_worker(here) if path == "/first" else None
        now = time.time()
        send(here, traffic(now - 120, now - 15, cart_fails=False))
        send(here, traffic(now - 15, now, cart_fails=True))
        with steady_traffic(here, effects):
            waiting = wait_for(lambda: here.get("/api/approvals"), "the question")
            assert here.cli("approve", waiting[0]["incident"], "--by", "ada").returncode == 0
            ticket = wait_for(lambda: ended(here), "the end of the incident")
    assert effects.paths == ["/first", "/second"]
    assert ticket["status"] == "recovered"
    assert ticket["hypotheses"][0]["service"] == "cart"


def test_a_restart_keeps_the_incidents_of_before(home: Path) -> None:
    with running(home) as here:
        assert [ticket["status"] for ticket in here.get("/api/incidents")] == ["recovered"]


def test_the_audit_log_of_a_killed_worker_adds_up(home: Path) -> None:
    assert aitia(home, "audit", "verify").returncode == 0


def test_a_clean_stop_leaves_no_run_file(home: Path) -> None:
    assert not (home / "run.json").exists()


def test_a_killed_temporal_server_is_started_again_where_it_was(home: Path) -> None:
    with running(home) as here:
        before = here.run["temporal"]
        os.kill(before["pid"], signal.SIGKILL)
        after = wait_for(lambda: another_server(here, before["pid"]), "another Temporal server")
        assert after["address"] == before["address"]
        wait_for(lambda: [each["id"] for each in here.get("/api/incidents")], "the incidents of before")


def test_two_in_one_home_are_refused(home: Path) -> None:
    with running(home):
        second = aitia(home, "up")
    assert second.returncode == 1
    assert "another Aitia is running" in second.stderr


def another_server(here: RunningAitia, pid: int) -> dict[str, Any] | None:
    """The Temporal server that runs, once it is another one and the agents are at work with it."""
    now: dict[str, Any] = here.run["temporal"]
    ready = httpx.get(f"{here.run['door']['url']}/healthz", timeout=10).is_success
    return now if now["pid"] != pid and ready else None


def kill_worker(here: RunningAitia) -> None:
    os.kill(here.run["worker"]["pid"], signal.SIGKILL)


def ended(here: RunningAitia) -> dict[str, object] | None:
    found = here.get("/api/incidents")
    return found[0] if found and found[0]["ended_at"] else None
