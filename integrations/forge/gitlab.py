"""GitLab's REST API, version 4: commits, branches, merge requests (docs.gitlab.com/api)."""

from __future__ import annotations

import base64
from typing import Any

from causal.errors import Conflict, Refused
from integrations.forge.client import FileChange, Forge, Proposal, Pull, field, segment


class GitLab(Forge):
    """A project on GitLab."""

    @property
    def _root(self) -> str:
        return f"/projects/{segment(self.client.project)}"

    def head(self, branch: str) -> str | None:
        found = self.client.look(f"{self._root}/repository/branches/{segment(branch)}")
        return None if found is None else field(found, "commit", "id")

    def make_branch(self, proposal: Proposal) -> None:
        asked = {
            "branch": proposal.branch,
            "start_sha": proposal.head,
            "commit_message": proposal.message,
            "actions": [_action(change) for change in proposal.files],
        }
        try:
            self.client.ask("POST", f"{self._root}/repository/commits", asked)
        except Refused as error:
            if "already exists" in str(error):  # a 400, told from other 400s by its words alone
                raise Conflict(str(error)) from error
            raise

    def open_pull(self, proposal: Proposal) -> Pull:
        asked = {
            "source_branch": proposal.branch,
            "target_branch": proposal.base,
            "title": proposal.title,
            "description": proposal.body,
        }
        return _pull(self.client.ask("POST", f"{self._root}/merge_requests", asked))

    def pull_of(self, branch: str, base: str) -> Pull | None:
        del base
        query = f"source_branch={segment(branch)}&state=all&order_by=created_at&sort=desc"
        found = self.client.ask("GET", f"{self._root}/merge_requests?{query}")
        return next((_pull(each) for each in found if each["source_branch"] == branch), None)

    def pull(self, number: int) -> Pull:
        return _pull(self.client.ask("GET", f"{self._root}/merge_requests/{number}"))

    def close(self, number: int) -> None:
        self.client.ask("PUT", f"{self._root}/merge_requests/{number}", {"state_event": "close"})

    def delete_branch(self, branch: str) -> None:
        self.client.ask("DELETE", f"{self._root}/repository/branches/{segment(branch)}")


def _action(change: FileChange) -> dict[str, Any]:
    if change.content is None:
        return {"action": "delete", "file_path": change.path}
    return {
        "action": "update" if change.blob else "create",
        "file_path": change.path,
        "content": base64.b64encode(change.content).decode(),
        "encoding": "base64",
    }


def _pull(found: Any) -> Pull:
    states = {"opened": "open", "locked": "open", "merged": "merged"}
    return Pull.model_validate(
        {
            "number": found["iid"],
            "state": states.get(found["state"], "closed"),
            "branch": found["source_branch"],
            "url": found.get("web_url", ""),
        }
    )
