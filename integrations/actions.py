"""Every action and check that playbooks may use, in one place: what is not listed here can not be done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from integrations.checks import ChangeIsLatest, RepositoryClean
from integrations.command import CommandRun
from integrations.connections import ReadConnections
from integrations.files import FileRestore, FileSet
from integrations.flags import FlagRestore, FlagSet
from integrations.git import GitCheckoutPath, GitRevert, GitRevertRevert
from integrations.http_request import HttpRequest
from integrations.kubernetes import RolloutRedo, RolloutRestart, RolloutStatus, RolloutUndo
from integrations.kubernetes_nodes import Cordon, Uncordon
from integrations.kubernetes_scale import Scale, ScaleBack
from integrations.mlflow import SetAlias
from integrations.ports import Actions, Checks, by_name
from integrations.process import ProcessRestart
from integrations.prompts import PromptRollback
from integrations.pull_request import PullRequest, PullRequestClose
from integrations.silence import Silence, SilenceExpire


def standard_actions(
    connections: ReadConnections, state: Path, traceparent: Callable[[], str | None] = lambda: None
) -> Actions:
    """Return all actions by name; ``state`` is a folder of theirs that must outlive the process."""
    return by_name(
        (
            CommandRun(connections, state),
            Cordon(connections),
            FileRestore(connections, state),
            FileSet(connections, state),
            FlagRestore(connections, state),
            FlagSet(connections, state),
            GitCheckoutPath(connections),
            GitRevert(connections),
            GitRevertRevert(connections),
            HttpRequest(connections, state, traceparent),
            ProcessRestart(connections, state),
            PromptRollback(connections),
            PullRequest(connections),
            PullRequestClose(connections),
            RolloutRedo(connections),
            RolloutRestart(connections),
            RolloutStatus(connections),
            RolloutUndo(connections),
            Scale(connections),
            ScaleBack(connections),
            SetAlias(connections),
            Silence(connections),
            SilenceExpire(connections),
            Uncordon(connections),
        )
    )


def standard_checks(connections: ReadConnections) -> Checks:
    """Return all checks by name."""
    return {check.name: check for check in (ChangeIsLatest(connections), RepositoryClean(connections))}
