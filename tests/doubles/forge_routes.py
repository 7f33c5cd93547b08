"""The three REST APIs of the forges, each as its documentation writes it, on one state."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from tests.doubles.forge_state import PROJECT, Call, ForgeDouble, Kind, PullRequest, Refusal, Route, blob_name

# --- GitHub


def _hub_ref(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    branch = call.found["branch"]
    if branch not in forge.branches:
        raise Refusal(404, {"message": "Not Found"})
    return 200, {"ref": f"refs/heads/{branch}", "object": {"type": "commit", "sha": forge.branches[branch]}}


def _hub_commit(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    name = call.found["sha"]
    if name not in forge.commits:
        raise Refusal(404, {"message": "Not Found"})
    forge.trees[f"tree-{name}"] = dict(forge.commits[name].files)
    return 200, {"sha": name, "tree": {"sha": f"tree-{name}"}}


def _hub_blob(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    content, encoding = call.need("content", "encoding")
    data = base64.b64decode(content, validate=True) if encoding == "base64" else content.encode()
    forge.blobs[blob_name(data)] = data
    return 201, {"sha": blob_name(data)}


def _hub_tree(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    base, entries = call.need("base_tree", "tree")
    files = dict(forge.trees[base])
    for entry in entries:
        if entry["mode"] not in {"100644", "100755", "120000"} or entry["type"] != "blob":
            raise Refusal(422, {"message": "tree.mode is not valid"})
        if entry["sha"] is None:
            if files.pop(entry["path"], None) is None:
                raise Refusal(422, {"message": "GitRPC::BadObjectState"})
        else:
            files[entry["path"]] = forge.blobs[entry["sha"]]
    name = f"tree-{len(forge.trees)}"
    forge.trees[name] = files
    return 201, {"sha": name}


def _hub_make(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    message, tree, parents = call.need("message", "tree", "parents")
    return 201, {"sha": forge.commit(forge.trees[tree], message, tuple(parents))}


def _hub_make_ref(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    ref, name = call.need("ref", "sha")
    branch = ref.removeprefix("refs/heads/")
    if branch in forge.branches:
        raise Refusal(422, {"message": "Reference already exists"})
    if name not in forge.commits:
        raise Refusal(422, {"message": "Object does not exist"})
    forge.branches[branch] = name
    return 201, {"ref": ref, "object": {"sha": name}}


def _hub_delete_ref(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    if forge.branches.pop(call.found["branch"], None) is None:
        raise Refusal(422, {"message": "Reference does not exist"})
    return 204, None


def _hub_shown(pull: PullRequest) -> dict[str, Any]:
    return {
        "number": pull.number,
        "state": "open" if pull.state == "open" else "closed",
        "merged_at": "2026-01-01T00:00:00Z" if pull.state == "merged" else None,
        "merged": pull.state == "merged",
        "head": {"ref": pull.branch},
        "base": {"ref": pull.base},
        "html_url": f"https://forge.example/{PROJECT}/pull/{pull.number}",
    }


def _hub_open(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    title, branch, base = call.need("title", "head", "base")
    says = f"A pull request already exists for acme:{branch}."
    error = {"resource": "PullRequest", "code": "custom", "message": says}
    exists = Refusal(422, {"message": "Validation Failed", "errors": [error]})
    if forge.kind == "gitea":
        exists = Refusal(409, {"message": f"pull request already exists for these targets [head: {branch}]"})
    return 201, _hub_shown(forge.open_pull(title, branch, base, call.body.get("body", ""), exists))


def _hub_pulls(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    head = call.query.get("head", "").partition(":")[2]
    page, limit = int(call.query.get("page", "1")), int(call.query.get("limit", "30"))
    wanted = [each for each in reversed(forge.pulls) if not head or each.branch == head]
    return 200, [_hub_shown(each) for each in wanted[(page - 1) * limit : page * limit]]


def _hub_pull(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    return 200, _hub_shown(forge.pull(call.found["number"]))


def _hub_patch(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    pull, (state,) = forge.pull(call.found["number"]), call.need("state")
    if pull.state == "merged":
        raise Refusal(422, {"message": "Validation Failed"})
    pull.state = state
    return 200 if forge.kind == "github" else 201, _hub_shown(pull)


# --- GitLab


def _lab_branch(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    branch = call.found["branch"]
    if branch not in forge.branches:
        raise Refusal(404, {"message": "404 Branch Not Found"})
    return 200, {"name": branch, "commit": {"id": forge.branches[branch]}}


def _lab_commit(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    for name in ("branch", "commit_message", "actions"):
        if not call.body.get(name):
            raise Refusal(400, {"error": f"{name} is missing"})
    branch, start = call.body["branch"], call.body.get("start_sha")
    if branch in forge.branches and start:
        raise Refusal(400, {"message": f"A branch called '{branch}' already exists."})
    if start not in forge.commits:
        raise Refusal(400, {"message": "Cannot find start_sha"})
    files = dict(forge.commits[start].files)
    for action in call.body["actions"]:
        _lab_act(files, action)
    forge.branches[branch] = forge.commit(files, call.body["commit_message"], (start,))
    return 201, {"id": forge.branches[branch]}


def _lab_act(files: dict[str, bytes], action: Mapping[str, str]) -> None:
    path, there = action["file_path"], action["file_path"] in files
    if (action["action"] == "create") == there:
        says = "A file with this name already exists" if there else "A file with this name doesn't exist"
        raise Refusal(400, {"message": says})
    if action["action"] == "delete":
        del files[path]
    else:
        files[path] = base64.b64decode(action["content"], validate=True)


def _lab_shown(pull: PullRequest) -> dict[str, Any]:
    return {
        "iid": pull.number,
        "state": {"open": "opened"}.get(pull.state, pull.state),
        "source_branch": pull.branch,
        "target_branch": pull.base,
        "web_url": f"https://forge.example/{PROJECT}/-/merge_requests/{pull.number}",
    }


def _lab_open(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    for name in ("source_branch", "target_branch", "title"):
        if not call.body.get(name):
            raise Refusal(400, {"error": f"{name} is missing"})
    says = "Another open merge request already exists for this source branch: !1"
    branch, base = call.body["source_branch"], call.body["target_branch"]
    pull = forge.open_pull(
        call.body["title"], branch, base, call.body.get("description", ""), Refusal(409, {"message": [says]})
    )
    return 201, _lab_shown(pull)


def _lab_pulls(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    branch = call.query["source_branch"]
    return 200, [_lab_shown(each) for each in reversed(forge.pulls) if each.branch == branch]


def _lab_pull(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    return 200, _lab_shown(forge.pull(call.found["number"]))


def _lab_close(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    pull = forge.pull(call.found["number"])
    if call.body.get("state_event") != "close":
        raise Refusal(400, {"error": "state_event does not have a valid value"})
    pull.state = "closed"
    return 200, _lab_shown(pull)


def _delete_branch(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    if forge.branches.pop(call.found["branch"], None) is None:
        raise Refusal(404, {"message": "404 Branch Not Found"})
    return 204, None


# --- Gitea and Forgejo


def _tea_contents(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    (operations,) = call.need("files")
    base, branch = call.body.get("branch", "main"), call.body.get("new_branch")
    if branch in forge.branches:
        raise Refusal(422, {"message": f"branch already exists [name: {branch}]"})
    files = dict(forge.files(base))
    for each in operations:
        path, there = each["path"], files.get(each["path"])
        if each["operation"] == "create" and there is not None:
            raise Refusal(422, {"message": f"repository file already exists [path: {path}]"})
        if each["operation"] != "create" and (there is None or each.get("sha") != blob_name(there)):
            raise Refusal(422, {"message": f"sha does not match [given: {each.get('sha')}]"})
        if each["operation"] == "delete":
            del files[path]
        else:
            files[path] = base64.b64decode(each["content"], validate=True)
    forge.branches[branch] = forge.commit(files, call.body["message"], (forge.branches[base],))
    return 201, {"commit": {"sha": forge.branches[branch]}}


_R = r"/repos/(?P<project>[^/]+/[^/]+)"
_P = r"/projects/(?P<project>[^/]+)"
_PULLS: list[tuple[str, str, Route]] = [
    ("GET", rf"{_R}/pulls", _hub_pulls),
    ("POST", rf"{_R}/pulls", _hub_open),
    ("GET", rf"{_R}/pulls/(?P<number>\d+)", _hub_pull),
    ("PATCH", rf"{_R}/pulls/(?P<number>\d+)", _hub_patch),
]
ROUTES: Mapping[Kind, list[tuple[str, str, Route]]] = {
    "github": [
        *_PULLS,
        ("GET", rf"{_R}/git/ref/heads/(?P<branch>.+)", _hub_ref),
        ("GET", rf"{_R}/git/commits/(?P<sha>[0-9a-f]+)", _hub_commit),
        ("POST", rf"{_R}/git/blobs", _hub_blob),
        ("POST", rf"{_R}/git/trees", _hub_tree),
        ("POST", rf"{_R}/git/commits", _hub_make),
        ("POST", rf"{_R}/git/refs", _hub_make_ref),
        ("DELETE", rf"{_R}/git/refs/heads/(?P<branch>.+)", _hub_delete_ref),
    ],
    "gitlab": [
        ("GET", rf"{_P}/repository/branches/(?P<branch>[^/]+)", _lab_branch),
        ("DELETE", rf"{_P}/repository/branches/(?P<branch>[^/]+)", _delete_branch),
        ("POST", rf"{_P}/repository/commits", _lab_commit),
        ("GET", rf"{_P}/merge_requests", _lab_pulls),
        ("POST", rf"{_P}/merge_requests", _lab_open),
        ("GET", rf"{_P}/merge_requests/(?P<number>\d+)", _lab_pull),
        ("PUT", rf"{_P}/merge_requests/(?P<number>\d+)", _lab_close),
    ],
    "gitea": [
        *_PULLS,
        ("GET", rf"{_R}/branches/(?P<branch>[^/]+)", _lab_branch),
        ("DELETE", rf"{_R}/branches/(?P<branch>[^/]+)", _delete_branch),
        ("POST", rf"{_R}/contents", _tea_contents),
    ],
}
