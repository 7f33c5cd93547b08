"""Forges: servers that host git repositories, and where people review a change before it goes live.

`client` holds what all of them share; `github`, `gitlab` and `gitea` (which is Forgejo's, too) each speak one
REST API as its documentation writes it. They are asked for few things: the head of a branch, a new branch
with one commit, a pull request from it, and both taken away again.
"""

from integrations.connections import ForgeConnection
from integrations.forge.client import FileChange, Forge, ForgeClient, Proposal, Pull
from integrations.forge.gitea import Gitea
from integrations.forge.github import GitHub
from integrations.forge.gitlab import GitLab

__all__ = ["FileChange", "Forge", "Proposal", "Pull", "forge_of"]

_KINDS: dict[str, type[Forge]] = {"github": GitHub, "gitlab": GitLab, "gitea": Gitea}


def forge_of(connection: ForgeConnection, seconds: float) -> Forge:
    """Return the forge of a connection; all that is asked of it together may take so many seconds."""
    return _KINDS[connection.kind](ForgeClient.of(connection, seconds))
