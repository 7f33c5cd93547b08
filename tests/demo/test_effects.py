import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.effects import Effects
from demo.errors import Refused


@dataclass
class Deed:
    """Something that can be done, and counts how often it was."""

    times: int = 0
    refuse: bool = False

    async def do(self) -> dict[str, Any]:
        await asyncio.sleep(0)
        self.times += 1
        if self.refuse:
            raise Refused("not now")
        return {"time": self.times}


async def test_the_same_key_twice_has_one_effect(tmp_path: Path) -> None:
    effects, deed = Effects(tmp_path / "effects.jsonl"), Deed()
    first = await effects.once("reload", "cart", "k", deed.do)
    assert (await effects.once("reload", "cart", "k", deed.do), deed.times) == (first, 1)


async def test_the_same_key_at_the_same_moment_has_one_effect(tmp_path: Path) -> None:
    effects, deed = Effects(tmp_path / "effects.jsonl"), Deed()
    await asyncio.gather(*(effects.once("reload", "cart", "k", deed.do) for _ in range(5)))
    assert [row["key"] for row in effects.all()] == ["k"]


async def test_without_a_key_every_request_counts(tmp_path: Path) -> None:
    effects, deed = Effects(tmp_path / "effects.jsonl"), Deed()
    for _ in range(2):
        await effects.once("reload", "cart", None, deed.do)
    assert [(row["action"], row["service"]) for row in effects.all()] == [("reload", "cart")] * 2


async def test_a_failure_may_be_tried_again(tmp_path: Path) -> None:
    effects, deed = Effects(tmp_path / "effects.jsonl"), Deed(refuse=True)
    with pytest.raises(Refused):
        await effects.once("reload", "cart", "k", deed.do)
    deed.refuse = False
    assert await effects.once("reload", "cart", "k", deed.do) == {"time": 2}


async def test_a_key_for_another_service_is_refused(tmp_path: Path) -> None:
    effects, deed = Effects(tmp_path / "effects.jsonl"), Deed()
    await effects.once("reload", "cart", "k", deed.do)
    with pytest.raises(Refused, match="used to reload cart"):
        await effects.once("reload", "payment", "k", deed.do)
