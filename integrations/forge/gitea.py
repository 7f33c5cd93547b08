"""The REST API of Gitea and Forgejo, version 1: contents, branches, pulls (a server's /api/swagger)."""

from __future__ import annotations

import base64
from typing import Any

from causal.errors import Conflict
from integrations.forge.client import FileChange, Forge, Proposal, Pull, field, segment

MOST_PAGES = 10
PAGE = 50


class Gitea(Forge):
    """A project on Gitea or Forgejo."""

    @property
    def _root(self) -> str:
        return f"/repos/{self.client.project}"

    def head(self, branch: str) -> str | None:
        found = self.client.look(f"{self._root}/branches/{segment(branch)}")
        return None if found is None else field(found, "commit", "id")

    def make_branch(self, proposal: Proposal) -> None:
        if self.head(proposal.base) != proposal.head:  # the API can start from a branch alone
            raise Conflict(f"{proposal.base} is not at {proposal.head[:12]} any more")
        asked = {
            "branch": proposal.base,
            "new_branch": proposal.branch,
            "message": proposal.message,
            "files": [_operation(change) for change in proposal.files],
        }
        self.client.ask("POST", f"{self._root}/contents", asked)

    def open_pull(self, proposal: Proposal) -> Pull:
        asked = {
            "title": proposal.title,
            "head": proposal.branch,
            "base": proposal.base,
            "body": proposal.body,
        }
        return _pull(self.client.ask("POST", f"{self._root}/pulls", asked))

    def pull_of(self, branch: str, base: str) -> Pull | None:
        del base
        for page in range(1, MOST_PAGES + 1):
            query = f"state=all&sort=recentupdate&limit={PAGE}&page={page}"
            found = self.client.ask("GET", f"{self._root}/pulls?{query}")
            if match := next((_pull(each) for each in found if each["head"]["ref"] == branch), None):
                return match
            if len(found) < PAGE:
                break
        return None

    def pull(self, number: int) -> Pull:
        return _pull(self.client.ask("GET", f"{self._root}/pulls/{number}"))

    def close(self, number: int) -> None:
        self.client.ask("PATCH", f"{self._root}/pulls/{number}", {"state": "closed"})

    def delete_branch(self, branch: str) -> None:
        self.client.ask("DELETE", f"{self._root}/branches/{segment(branch)}")


def _operation(change: FileChange) -> dict[str, Any]:
    operation: dict[str, Any] = {"path": change.path}
    if change.blob is not None:
        operation["sha"] = change.blob
    if change.content is None:
        return {**operation, "operation": "delete"}
    content = base64.b64encode(change.content).decode()
    return {**operation, "operation": "update" if change.blob else "create", "content": content}


def _pull(found: Any) -> Pull:
    state = "merged" if found.get("merged") else "open" if found["state"] == "open" else "closed"
    return Pull(
        number=found["number"], state=state, branch=found["head"]["ref"], url=found.get("html_url", "")
    )
