"""Tests that need programs which take minutes to build or install: left out unless they are asked for.

What was left out is said at the end of each run, with the command that runs it: nobody should take a green
run for more than it was.
"""

from __future__ import annotations

from typing import Any

import pytest

LEFT_OUT = {
    "kubernetes": ("against a real Kubernetes control plane", "make test-kubernetes"),
    "mlflow": ("against a real MLflow server", "make test-mlflow"),
}
_COUNTS = pytest.StashKey[dict[str, int]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_COUNTS] = {}
    for mark, (what, command) in LEFT_OUT.items():
        config.addinivalue_line("markers", f"{mark}: {what} ({command})")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out what is marked and was not asked for by ``-m``."""
    asked = str(config.getoption("markexpr"))
    left = {mark for mark in LEFT_OUT if mark not in asked}
    out = [item for item in items if any(item.get_closest_marker(mark) for mark in left)]
    for item in out:
        mark = next(mark for mark in left if item.get_closest_marker(mark))
        config.stash[_COUNTS][mark] = config.stash[_COUNTS].get(mark, 0) + 1
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in set(out)]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In one of several processes: hand on what was left out there."""
    told: dict[str, object] | None = getattr(session.config, "workeroutput", None)
    if told is not None:
        told["left_out"] = session.config.stash[_COUNTS]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object | None) -> None:
    """Of several processes, each leaves out the same: what one says holds for all."""
    del error
    node.config.stash[_COUNTS].update(getattr(node, "workeroutput", {}).get("left_out", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for mark, count in config.stash[_COUNTS].items():
        what, command = LEFT_OUT[mark]
        terminalreporter.write_line(f"left out: {count} tests {what}; {command} runs them")
