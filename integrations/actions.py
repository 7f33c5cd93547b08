"""Every action and check that playbooks may use, in one place: what is not listed here can not be done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from integrations.checks import ChangeIsLatest, RepositoryClean
from integrations.connections import ReadConnections
from integrations.git import GitRevert, GitRevertRevert
from integrations.http_request import HttpRequest
from integrations.ports import Actions, Checks, by_name
from integrations.process import ProcessRestart


def standard_actions(
    connections: ReadConnections, state: Path, traceparent: Callable[[], str | None] = lambda: None
) -> Actions:
    """Return all actions by name; ``state`` is a folder of theirs that must outlive the process."""
    return by_name(
        (
            GitRevert(connections),
            GitRevertRevert(connections),
            HttpRequest(connections, state, traceparent),
            ProcessRestart(connections, state),
        )
    )


def standard_checks(connections: ReadConnections) -> Checks:
    """Return all checks by name."""
    return {check.name: check for check in (ChangeIsLatest(connections), RepositoryClean(connections))}
