"""Where the things of one shop lie: ``<home>/shops/<name>/``, where home is ``AITIA_HOME``.

```
topology.json      the shop as it was put up          config/        the configuration repository
plan.json          ports, telemetry target (0600)     run/*.pid      who runs
owner-token        for the commands of the shop       logs/*.log     what processes complain about
admin-token        for operators: reload, restart     effects.jsonl  what operators did
admin.json         where the admin API listens        load.json      how the customers fare
```
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def default_home() -> Path:
    """``AITIA_HOME``, or the user's data folder."""
    named = os.environ.get("AITIA_HOME")
    if named:
        return Path(named).resolve()
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return (Path(data) / "aitia").resolve()


@dataclass(frozen=True)
class ShopFolder:
    """The state of one shop under one home."""

    home: Path
    name: str

    @property
    def root(self) -> Path:
        return self.home / "shops" / self.name

    @property
    def topology(self) -> Path:
        return self.root / "topology.json"

    @property
    def plan(self) -> Path:
        return self.root / "plan.json"

    @property
    def admin(self) -> Path:
        return self.root / "admin.json"

    @property
    def owner_token(self) -> Path:
        return self.root / "owner-token"

    @property
    def admin_token(self) -> Path:
        return self.root / "admin-token"

    @property
    def config(self) -> Path:
        return self.root / "config"

    @property
    def admin_name(self) -> str:
        """What Aitia knows the admin API by."""
        return f"{self.name}-admin"

    @property
    def effects(self) -> Path:
        return self.root / "effects.jsonl"

    @property
    def load(self) -> Path:
        return self.root / "load.json"

    @property
    def connection(self) -> Path:
        return self.home / "connections.d" / f"{self.name}.yaml"

    def pid(self, process: str) -> Path:
        """Where a process' id is written while it runs."""
        return self.root / "run" / f"{process}.pid"

    def log(self, process: str) -> Path:
        """Where a process' standard error goes."""
        return self.root / "logs" / f"{process}.log"


def shops_under(home: Path) -> list[ShopFolder]:
    """Every shop that has left anything under a home."""
    return [ShopFolder(home, path.name) for path in sorted((home / "shops").glob("*")) if path.is_dir()]


def write_json(path: Path, value: Any, *, secret: bool = False) -> None:
    """Replace a file at once, so that nobody reads half of it."""
    write_text(path, json.dumps(value, indent=1) + "\n", secret=secret)


def write_text(path: Path, text: str, *, secret: bool = False) -> None:
    """Replace a file at once; a secret is readable by its owner only, from the first moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(
        os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if secret else 0o644), "w"
    ) as file:
        file.write(text)
    draft.replace(path)


def read_json(path: Path) -> Any:
    """What ``write_json`` wrote; None if there is nothing."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
