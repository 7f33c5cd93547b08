"""Shops come up side by side, and whatever happens to them, nothing is left running."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from demo.errors import AlreadyRunning, NotRunning
from demo.lifecycle import find_shop, put_up
from demo.places import ShopFolder, read_json
from demo.processes import leftovers
from demo.topology import read_topology
from tests.demo.small_shop import Open, eventually, shop

PAIR = """\
name: pair
load:
  entries:
    - {service: left, operation: go, per_second: 5}
services:
  - name: left
    operations:
      - name: go
        calls:
          - {to: right, operation: stop}
  - name: right
    operations:
      - name: stop
"""


def test_a_shop_is_offered_to_aitia_while_it_is_up(small: Open) -> None:
    offered = YAML(typ="safe").load(small.folder.connection)
    assert offered["repositories"]["small-config"] == {
        "path": str(small.folder.config),
        "branch": "main",
        "services": "services/{service}.yaml",
    }
    assert offered["http"]["small-admin"]["base_url"] == small.client.url
    assert offered["processes"]["small"]["services"] == ["door", "store", "guide", "brain"]


def test_the_offered_restart_restarts_a_service(small: Open) -> None:
    offered = YAML(typ="safe").load(small.folder.connection)["processes"]["small"]
    before = Path(offered["pid_file"].replace("${service}", "store")).read_text()
    argv = [word.replace("${service}", "store") for word in offered["restart"]]
    subprocess.run(argv, check=True)
    assert Path(offered["pid_file"].replace("${service}", "store")).read_text() != before


def test_secrets_are_readable_by_their_owner_only(small: Open) -> None:
    folder = small.folder
    modes = {
        oct(path.stat().st_mode & 0o777) for path in (folder.plan, folder.owner_token, folder.admin_token)
    }
    assert modes == {"0o600"}


def test_a_shop_that_is_up_is_not_put_up_again(small: Open) -> None:
    with pytest.raises(AlreadyRunning):
        put_up(small.folder, read_topology(small.folder.home / "small.yaml"), None)


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ShopFolder]:
    """A shop that was up, with no receiver, and is down again; and what it printed when it came up."""
    home = tmp_path_factory.mktemp("closed")
    (home / "pair.yaml").write_text(PAIR)
    said = shop(home, "up", str(home / "pair.yaml"))
    folder = find_shop(home, "pair").folder
    shop(home, "down")
    return said, folder


def test_a_shop_without_a_receiver_says_so(closed: tuple[str, ShopFolder]) -> None:
    assert "telemetry goes to nowhere" in closed[0]


def test_a_shop_that_is_down_leaves_nothing_running(closed: tuple[str, ShopFolder]) -> None:
    assert leftovers(closed[1]) == {}


def test_a_shop_that_is_down_offers_nothing(closed: tuple[str, ShopFolder]) -> None:
    assert (closed[1].connection.exists(), read_json(closed[1].admin)) == (False, None)


def test_children_die_with_their_shopkeeper(tmp_path: Path) -> None:
    (tmp_path / "pair.yaml").write_text(PAIR)
    shop(tmp_path, "up", str(tmp_path / "pair.yaml"))
    folder = find_shop(tmp_path, "pair").folder
    os.kill(leftovers(folder)["shopkeeper"], signal.SIGKILL)
    died = eventually(lambda: not leftovers(folder))
    shop(tmp_path, "down")
    assert (died, folder.connection.exists()) == (True, False)


def test_down_may_be_said_twice(tmp_path: Path) -> None:
    assert shop(tmp_path, "down") == shop(tmp_path, "down") == "nothing was up\n"


def test_no_shop_is_found_where_none_is_up(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="no shop is up under"):
        find_shop(tmp_path, None)


def test_a_crashed_shop_is_not_found(tmp_path: Path) -> None:
    ShopFolder(tmp_path, "ghost").root.mkdir(parents=True)
    (ShopFolder(tmp_path, "ghost").root / "admin.json").write_text('{"url": "http://127.0.0.1:1"}')
    with pytest.raises(NotRunning):
        find_shop(tmp_path, "ghost")
