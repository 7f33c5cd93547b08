"""`aitia check` of what may be touched: repositories, programs, files and servers."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.alertmanager import alertmanager_double
from tests.doubles.forge import PROJECT, ForgeDouble, forge_double
from tests.doubles.forge import TOKEN as FORGE_TOKEN
from tests.doubles.kubernetes import running_double
from tests.doubles.serving import Answered, Asked, serving
from tests.kubernetes.people import ADMIN, Access, People
from tests.workers.checking import look_at, settings_of, written
from workers.checkup.report import Finding

NOWHERE = "http://127.0.0.1:9"


def checked(home: Path, kind: str, connection: str) -> Finding:
    """What is found of one connection."""
    written(home, "connections.d/shop.yaml", f"{kind}: {{it: {connection}}}\n")
    return look_at(f"{kind}/it", settings_of(home))


def git(folder: Path, *words: str) -> None:
    name = ["-c", "user.name=ada", "-c", "user.email=ada@example.org"]
    subprocess.run(["git", "-C", str(folder), *name, *words], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit on main."""
    folder = tmp_path / "config"
    written(folder, "services/cart.yaml", "pool: 5\n")
    git(folder, "init", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "Begin")
    return folder


def of(folder: Path, more: str = "") -> str:
    return f"{{path: {folder}, services: 'services/{{service}}.yaml'{more}}}"


def test_a_clean_repository_is_well(tmp_path: Path, repository: Path) -> None:
    assert checked(tmp_path, "repositories", of(repository)).state == "ok"


def test_uncommitted_changes_are_a_warning(tmp_path: Path, repository: Path) -> None:
    written(repository, "services/cart.yaml", "pool: 6\n")
    assert "services/cart.yaml" in checked(tmp_path, "repositories", of(repository)).words


def test_another_branch_than_the_named_one_is_a_failure(tmp_path: Path, repository: Path) -> None:
    assert checked(tmp_path, "repositories", of(repository, ", branch: live")).state == "failed"


def test_a_folder_that_is_no_repository_is_a_failure(tmp_path: Path) -> None:
    assert checked(tmp_path, "repositories", of(tmp_path)).state == "failed"


def test_a_repository_that_is_not_there_is_told_to_be_cloned(tmp_path: Path) -> None:
    assert "clone" in checked(tmp_path, "repositories", of(tmp_path / "none")).words


def test_checking_a_repository_leaves_its_index_alone(tmp_path: Path, repository: Path) -> None:
    index = repository / ".git" / "index"
    before = index.stat().st_mtime_ns
    (repository / "services/cart.yaml").touch()
    checked(tmp_path, "repositories", of(repository))
    assert index.stat().st_mtime_ns == before


def test_an_http_connection_is_asked_nothing(tmp_path: Path) -> None:
    seen: list[Asked] = []

    def note(asked: Asked) -> Answered:
        seen.append(asked)
        return Answered()

    with serving(note) as url:
        checked(tmp_path, "http", f"{{base_url: '{url}'}}")
    assert seen == []


def test_an_http_connection_that_listens_is_well(tmp_path: Path) -> None:
    with serving(lambda _: Answered()) as url:
        assert checked(tmp_path, "http", f"{{base_url: '{url}'}}").state == "ok"


def test_an_http_connection_where_nothing_listens_is_a_failure(tmp_path: Path) -> None:
    assert checked(tmp_path, "http", f"{{base_url: '{NOWHERE}'}}").state == "failed"


def test_an_alertmanager_that_listens_is_well(tmp_path: Path) -> None:
    with alertmanager_double() as double:
        assert checked(tmp_path, "alertmanagers", f"{{base_url: '{double.url}'}}").state == "ok"


def test_an_empty_token_file_is_a_failure(tmp_path: Path) -> None:
    token = written(tmp_path, "admin-token", "")
    with serving(lambda _: Answered()) as url:
        words = checked(tmp_path, "http", f"{{base_url: '{url}', token_file: {token}}}").words
    assert "is empty" in words


def test_a_token_file_that_anybody_can_read_is_a_warning(tmp_path: Path) -> None:
    token = written(tmp_path, "admin-token", "a-made-up-word")
    token.chmod(0o644)
    with serving(lambda _: Answered()) as url:
        words = checked(tmp_path, "http", f"{{base_url: '{url}', token_file: {token}}}").words
    assert "chmod 600" in words


def test_a_restart_whose_program_is_not_there_is_a_failure(tmp_path: Path) -> None:
    assert checked(tmp_path, "processes", "{services: [cart], restart: [no-such-program]}").state == "failed"


def test_a_restart_whose_program_is_there_is_well(tmp_path: Path) -> None:
    assert checked(tmp_path, "processes", "{services: [cart], restart: [git, status]}").state == "ok"


def test_a_command_that_may_not_be_run_is_a_failure(tmp_path: Path) -> None:
    program = written(tmp_path, "tool", "no program")
    program.chmod(0o600)
    found = checked(tmp_path, "commands", f"{{executable: {program}, allow: [['a']]}}")
    assert "chmod +x" in found.words


def test_a_file_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    assert checked(tmp_path, "files", f"{{path: {tmp_path}/none.yaml}}").state == "failed"


def test_a_flag_that_the_file_does_not_have_is_a_failure(tmp_path: Path) -> None:
    flags = written(tmp_path, "flags.json", '{"flags": {"fast": {"state": "ENABLED"}}}')
    found = checked(tmp_path, "flags", f"{{path: {flags}, switches: {{cart: slow}}}}")
    assert "has no flag slow" in found.words


def test_a_forge_without_its_repository_is_a_failure(tmp_path: Path) -> None:
    token = written(tmp_path, "token-of-forge", "a-made-up-word")
    given = f"kind: gitea, base_url: '{NOWHERE}', token_file: {token}, project: a/b, repository: none"
    assert "no repository connection is called none" in checked(tmp_path, "forges", f"{{{given}}}").words


@pytest.fixture(params=["github", "gitlab", "gitea"])
def host(request: pytest.FixtureRequest) -> Iterator[ForgeDouble]:
    with forge_double(request.param) as double:
        yield double


def of_forge(home: Path, repository: Path, host: ForgeDouble, token: str) -> Finding:
    """What is found of a forge whose clone is a repository."""
    file = written(home, "token-of-forge", token)
    file.chmod(0o600)
    given = f"kind: {host.kind}, base_url: '{host.url}', token_file: {file}, project: {PROJECT}"
    clone = f"repositories: {{clone: {of(repository)}}}\n"
    forges = f"forges: {{it: {{{given}, repository: clone}}}}\n"
    written(home, "connections.d/shop.yaml", clone + forges)
    return look_at("forges/it", settings_of(home))


def test_a_forge_that_does_not_know_the_token_is_a_failure(
    tmp_path: Path, repository: Path, host: ForgeDouble
) -> None:
    assert "does not know the token" in of_forge(tmp_path, repository, host, "another-word").words


def test_a_forge_that_knows_the_token_is_only_read(
    tmp_path: Path, repository: Path, host: ForgeDouble
) -> None:
    of_forge(tmp_path, repository, host, FORGE_TOKEN)
    assert {call.method for call in host.asked} == {"GET"}


@pytest.fixture
def kubernetes(tmp_path: Path) -> Iterator[People]:
    """An administrator of a cluster in which the deployment cart runs."""
    with running_double() as double:
        people = People(Access(double.url, tmp_path), "shop-1", is_real=False)
        people.settle_in()
        people.deploy("1")
        yield people


def of_cluster(home: Path, people: People, token: str) -> Finding:
    """What is found of a cluster with the rights of a token."""
    kubeconfig = people.access.kubeconfig(token)
    kubeconfig.chmod(0o600)
    given = f"kubeconfig: {kubeconfig}, namespaces: [{people.namespace}], services: {{cart: {people.cart}}}"
    return checked(home, "clusters", f"{{{given}}}")


def test_a_cluster_that_lets_its_user_change_deployments_is_well(tmp_path: Path, kubernetes: People) -> None:
    assert of_cluster(tmp_path, kubernetes, ADMIN).state == "ok"


def test_checking_a_cluster_leaves_deployments_as_they_are(tmp_path: Path, kubernetes: People) -> None:
    before = kubernetes.ask("GET", kubernetes.path("deployments", "cart"))
    of_cluster(tmp_path, kubernetes, ADMIN)
    assert kubernetes.ask("GET", kubernetes.path("deployments", "cart")) == before


def test_a_permission_that_a_cluster_does_not_give_is_named(tmp_path: Path, kubernetes: People) -> None:
    kubernetes.let_reader_look()
    assert "give it a Role with the verb patch" in of_cluster(tmp_path, kubernetes, kubernetes.reader).words


def test_a_user_that_a_cluster_does_not_know_is_a_failure(tmp_path: Path, kubernetes: People) -> None:
    assert "does not know the user" in of_cluster(tmp_path, kubernetes, "a-strange-token").words


def test_a_kubeconfig_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    found = checked(tmp_path, "clusters", f"{{kubeconfig: {tmp_path}/none, namespaces: [shop]}}")
    assert "can not be read" in found.words


def test_a_connections_file_that_can_not_be_read_names_the_line(tmp_path: Path) -> None:
    written(tmp_path, "connections.d/shop.yaml", "http:\n  it: {url: 'http://a'}\n")
    assert "shop.yaml:2:" in look_at("connections", settings_of(tmp_path)).words
