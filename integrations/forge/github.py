"""GitHub's REST API, version 2022-11-28: git database, references, pulls (docs.github.com/rest)."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

from integrations.forge.client import FileChange, Forge, Proposal, Pull, field, segment


class GitHub(Forge):
    """A project on GitHub."""

    @property
    def _root(self) -> str:
        return f"/repos/{self.client.project}"

    @property
    def _owner(self) -> str:
        return self.client.project.partition("/")[0]

    def head(self, branch: str) -> str | None:
        found = self.client.look(f"{self._root}/git/ref/heads/{quote(branch)}")
        return None if found is None else field(found, "object", "sha")

    def make_branch(self, proposal: Proposal) -> None:
        ask = self.client.ask
        base = field(ask("GET", f"{self._root}/git/commits/{proposal.head}"), "tree", "sha")
        entries = [self._entry(change) for change in proposal.files]
        tree = field(ask("POST", f"{self._root}/git/trees", {"base_tree": base, "tree": entries}), "sha")
        commit = {"message": proposal.message, "tree": tree, "parents": [proposal.head]}
        made = field(ask("POST", f"{self._root}/git/commits", commit), "sha")
        ask("POST", f"{self._root}/git/refs", {"ref": f"refs/heads/{proposal.branch}", "sha": made})

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
        query = f"state=all&head={segment(f'{self._owner}:{branch}')}&sort=created&direction=desc"
        found = self.client.ask("GET", f"{self._root}/pulls?{query}")
        return next((_pull(each) for each in found if each["head"]["ref"] == branch), None)

    def pull(self, number: int) -> Pull:
        return _pull(self.client.ask("GET", f"{self._root}/pulls/{number}"))

    def close(self, number: int) -> None:
        self.client.ask("PATCH", f"{self._root}/pulls/{number}", {"state": "closed"})

    def delete_branch(self, branch: str) -> None:
        self.client.ask("DELETE", f"{self._root}/git/refs/heads/{quote(branch)}")

    def _entry(self, change: FileChange) -> dict[str, Any]:
        # a tree takes a mode also for what goes from it
        mode = change.mode if change.content is not None else "100644"
        entry: dict[str, Any] = {"path": change.path, "mode": mode, "type": "blob", "sha": None}
        if change.content is not None:
            blob = {"content": base64.b64encode(change.content).decode(), "encoding": "base64"}
            entry["sha"] = field(self.client.ask("POST", f"{self._root}/git/blobs", blob), "sha")
        return entry


def _pull(found: Any) -> Pull:
    merged = bool(found.get("merged_at"))
    state = "merged" if merged else "open" if found["state"] == "open" else "closed"
    return Pull(
        number=found["number"], state=state, branch=found["head"]["ref"], url=found.get("html_url", "")
    )
