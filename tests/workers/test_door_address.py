"""Where a running Aitia says that its door is."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.settings import Settings
from workers.up import Part, door_url


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:4711"),
        ("0.0.0.0", "http://127.0.0.1:4711"),
        ("192.0.2.7", "http://192.0.2.7:4711"),
        ("::1", "http://[::1]:4711"),
        ("::", "http://[::1]:4711"),
        ("door.example", "http://door.example:4711"),
    ],
)
def test_the_address_is_one_that_this_machine_reaches(host: str, url: str, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, door_host=host)
    parts = {"door": Part("door", {"AITIA_DOOR_PORT": "4711"}, tmp_path / "door.log")}
    assert door_url(settings, parts) == url
