"""The one file that tells Aitia what it may touch of a shop: ``<home>/connections.d/<shop>.yaml``."""

import sys
from io import StringIO

from ruamel.yaml import YAML

from demo.config_repository import BRANCH, repository_name
from demo.places import ShopFolder, write_text


def write_connection(folder: ShopFolder, services: tuple[str, ...], admin_url: str) -> None:
    """Offer the shop's repository, its admin API and its processes."""
    restart = [
        sys.executable,
        "-m",
        "demo",
        "restart",
        "${service}",
        "--shop",
        folder.name,
        "--home",
        str(folder.home),
    ]
    offered = {
        "repositories": {
            repository_name(folder.name): {
                "path": str(folder.config),
                "branch": BRANCH,
                "services": "services/{service}.yaml",
            }
        },
        "http": {folder.admin_name: {"base_url": admin_url, "token_file": str(folder.admin_token)}},
        "processes": {
            folder.name: {
                "services": list(services),
                "restart": restart,
                "pid_file": str(folder.pid("${service}")),
            }
        },
    }
    out = StringIO()
    YAML(typ="rt").dump(offered, out)
    write_text(
        folder.connection,
        f"# Written by the shop '{folder.name}'; it goes when the shop is put down.\n{out.getvalue()}",
    )


def remove_connection(folder: ShopFolder) -> bool:
    """Withdraw the offer; returns whether there was one."""
    there = folder.connection.exists()
    folder.connection.unlink(missing_ok=True)
    return there
