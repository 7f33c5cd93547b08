"""What may be touched of the watched systems: each connection of ``connections.d``, one look a kind.

Nothing is run and nothing is changed: most servers only get a connection that is closed again; a forge is
asked for the head of a branch, a cluster for what the actions look at, and for dry runs of changing nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from causal.errors import AitiaError, Malformed, Unavailable
from integrations.connections import (
    CommandConnection,
    Connections,
    FileConnection,
    FlagsConnection,
    ForgeConnection,
    ProcessConnection,
    RepositoryConnection,
    read_connections,
)
from integrations.connections.files import KINDS
from integrations.forge import forge_of
from integrations.git_repository import GitRepository
from integrations.kubernetes_api import AUTOSCALER, DEPLOYMENT, NODE, REPLICA_SET, KubernetesApi, Thing
from integrations.kubernetes_connection import ClusterConnection
from workers.checkup.files import private
from workers.checkup.reach import Way
from workers.checkup.report import Remark, System, doubt, well, wrong
from workers.settings import Settings

ONE = "${service}"
_SOME = 3


def connection_systems(settings: Settings, way: Way) -> tuple[System, ...]:
    """The folder, and each connection in it by its kind and name: ``repositories/shop-config``."""
    folder = settings.connections_folder
    try:
        known = read_connections(folder)
    except Malformed:
        known = Connections()  # the folder says it when it is looked at
    whole = System("connections", lambda: _folder(folder), any(folder.glob("*.yaml")))
    single = [
        System(f"{kind}/{name}", _look(kind, each, known, way))
        for kind in KINDS
        for name, each in known.of_kind(kind).items()
    ]
    return (whole, *single)


def _folder(folder: Path) -> Iterator[Remark]:
    files = read_connections(folder).files
    yield well(f"{len(files)} read" if files else "nothing is named, so nothing can be touched")


def _look(kind: str, each: Any, known: Connections, way: Way) -> Callable[[], Iterator[Remark]]:
    looks: Mapping[str, Callable[[], Iterator[Remark]]] = {
        "repositories": lambda: repository(each),
        "processes": lambda: process(each),
        "forges": lambda: forge(each, known, way),
        "commands": lambda: command(each),
        "files": lambda: file(each),
        "flags": lambda: flags(each),
        "clusters": lambda: cluster(each, way),
    }
    return looks.get(kind, lambda: server(each, way))


def repository(each: RepositoryConnection) -> Iterator[Remark]:
    """Is it the top of a work tree that shows its branch, without changes of anybody's?"""
    git = GitRepository(each.path, each.branch)
    if not each.path.is_dir():
        yield wrong(f"there is no folder {each.path}", "clone the repository there, or mend path")
        return
    git.check_out_is_ours()
    if dirty := git.dirty():
        some = ", ".join(dirty[:_SOME])
        yield doubt(f"uncommitted changes in {some}; what touches these is refused", "commit or drop them")
    if not os.access(each.path / ".git", os.W_OK):
        yield doubt(
            f"{each.path} can be read and not written, so nothing can be put back",
            "give this user write access",
        )
    if each.services is None:
        yield doubt("no `services` pattern, so no commit is held to be about a service", "name one")
    yield well(f"{each.path} at {git.head()[:12]} of {each.branch}")


def process(each: ProcessConnection) -> Iterator[Remark]:
    """Is the program that restarts it there?"""
    program = each.restart[0]
    if ONE not in program and shutil.which(program) is None:
        yield wrong(f"there is no program {program} that this user may run", "install it, or mend restart")
    yield from _working_folder(each.cwd)
    yield well(f"{program} is there; not run to check")


def command(each: CommandConnection) -> Iterator[Remark]:
    """Is the program there, and may this user run it?"""
    if not each.executable.is_file():
        yield wrong(f"there is no file {each.executable}", "install it, or mend executable")
    elif not os.access(each.executable, os.X_OK):
        yield wrong(f"this user may not run {each.executable}", f"chmod +x {each.executable}")
    elif each.executable.stat().st_mode & stat.S_IWOTH:
        yield doubt(f"anybody may overwrite {each.executable}", f"chmod o-w {each.executable}")
    yield from _working_folder(each.cwd)
    yield well(f"{each.executable} is there; not run to check")


def file(each: FileConnection) -> Iterator[Remark]:
    """Can it be read and written, and is its format known?"""
    yield from _both_ways(each.path)
    if each.written_as is None:
        yield wrong(f"the name of {each.path.name} does not tell its format", "set format")
    yield well(f"{each.path}, {each.written_as}")


def flags(each: FlagsConnection) -> Iterator[Remark]:
    """Can it be read and written, and are the named flags in it?"""
    unusable = tuple(_both_ways(each.path))
    yield from unusable
    if unusable:
        return
    try:
        known = json.loads(each.path.read_text(encoding="utf-8")).get("flags", {})
    except (OSError, ValueError, AttributeError) as error:
        yield wrong(f"{each.path} is not a file of flags: {error}", "write it in flagd's format")
        return
    for flag in sorted(set(each.switches.values()) - set(known)):
        yield wrong(f"{each.path} has no flag {flag}", "mend switches")
    yield well(f"{each.path}, {len(known)} flags")


def forge(each: ForgeConnection, known: Connections, way: Way) -> Iterator[Remark]:
    """Is its server there, does it know the token, and has it the branch of the repository connection?"""
    clone = known.repositories.get(each.repository)
    if clone is None:
        yield wrong(f"no repository connection is called {each.repository}", "add it under repositories")
        return
    there = tuple(server(each, way))
    yield from there
    if any(remark.state == "failed" for remark in there):
        return
    if forge_of(each, way.timeout).head(clone.branch) is None:
        yield wrong(
            f"{each.project} has no branch {clone.branch} that the token may see",
            "check project and branch, and give the token read access to the code",
        )
    yield well(f"{each.project} can be read; whether pull requests may be opened shows with the first one")


def server(each: Any, way: Way) -> Iterator[Remark]:
    """Does it take a connection, and can the token be read?"""
    if (token := getattr(each, "token_file", None)) is not None:
        yield from private(token)
    yield from way.connect(str(getattr(each, "base_url", None) or each.url))


def cluster(each: ClusterConnection, way: Way) -> Iterator[Remark]:
    """Can the kubeconfig be used, and may its user do what the actions do?

    A change is only asked for as a dry run of nothing (``dryRun=All``), which needs the same permission.
    """
    yield from private(each.kubeconfig)
    api = KubernetesApi("the cluster", each, time.monotonic() + way.timeout)
    named = sorted({*each.services.values(), *each.replicas})
    asked: list[Callable[[], object]] = [partial(_deployment, api, name) for name in named]
    asked += [partial(api.list, REPLICA_SET, namespace) for namespace in each.namespaces]
    asked += [partial(api.list, AUTOSCALER, namespace) for namespace in each.namespaces if each.replicas]
    asked += [partial(_nodes, api, each)] if each.nodes else []
    for ask in asked:
        try:
            ask()
        except Unavailable as error:
            yield wrong(str(error), "check the server of the kubeconfig, and the way to it")
            return
        except AitiaError as error:
            yield wrong(str(error))
    yield well(f"{len(named)} deployments in {', '.join(each.namespaces)}, seen and changeable")


def _deployment(api: KubernetesApi, name: str) -> object:
    namespace, _, own = name.partition("/")
    thing = Thing(DEPLOYMENT, own, namespace)
    api.get(thing)
    return api.patch(thing, {}, dry_run=True)


def _nodes(api: KubernetesApi, each: ClusterConnection) -> object:
    names = [str(node["metadata"]["name"]) for node in api.list(NODE)]
    first = next((name for name in names if each.may_cordon(name)), None)
    return first and api.patch(Thing(NODE, first), {}, dry_run=True)


def _working_folder(folder: Path | None) -> Iterator[Remark]:
    if folder is not None and not folder.is_dir():
        yield wrong(f"there is no folder {folder}", "make it, or mend cwd")


def _both_ways(path: Path) -> Iterator[Remark]:
    if not path.is_file():
        yield wrong(f"there is no file {path}", "mend path")
    elif not os.access(path, os.R_OK | os.W_OK):
        yield wrong(f"{path} can not be read and written", f"give this user both rights on {path}")
