"""What a look at one system gives: remarks, each with what to do, and one line of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from integrations.shapes import mask_secrets
from playbooks.words import plain

State = Literal["ok", "warning", "failed"]
GRAVITY: tuple[State, ...] = ("ok", "warning", "failed")
MASK = "***"
_SHORTEST_SECRET = 4
_LONGEST_LINE = 1_200


@dataclass(frozen=True)
class Remark:
    """One thing that was found out; ``do`` is what to do about it, nothing where all is well."""

    state: State
    says: str
    do: str = ""

    def __str__(self) -> str:
        return f"{self.says} → {self.do}" if self.do else self.says


def well(says: str) -> Remark:
    """It is as it should be."""
    return Remark("ok", says)


def doubt(says: str, do: str = "") -> Remark:
    """It works, and not as it is meant."""
    return Remark("warning", says, do)


def wrong(says: str, do: str = "") -> Remark:
    """It does not work."""
    return Remark("failed", says, do)


Look = Callable[[], Iterable[Remark]]


@dataclass(frozen=True)
class System:
    """Something that can be looked at, by the name that it goes by; ``is_set_up`` is whether it is used."""

    name: str
    look: Look
    is_set_up: bool = True


@dataclass(frozen=True)
class Finding:
    """All remarks about a system."""

    system: str
    remarks: tuple[Remark, ...]

    @property
    def state(self) -> State:
        """The gravest state of all."""
        return max((each.state for each in self.remarks), key=GRAVITY.index, default="ok")

    @property
    def words(self) -> str:
        """What matters of it: the remarks that are not well, or all if all are."""
        graver = sorted(
            (each for each in self.remarks if each.state != "ok"),
            key=lambda each: -GRAVITY.index(each.state),
        )
        return "; ".join(map(str, graver or self.remarks))


def finding(system: str, remarks: Iterable[Remark], secrets: Iterable[str] = ()) -> Finding:
    """Put the remarks together; none of the secrets, and nothing that looks like one, stays in them."""
    known = sorted((each for each in secrets if len(each) >= _SHORTEST_SECRET), key=len, reverse=True)
    return Finding(
        system,
        tuple(Remark(each.state, _clean(each.says, known), _clean(each.do, known)) for each in remarks),
    )


def _clean(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, MASK)
    return plain(mask_secrets(" ".join(text.split())), _LONGEST_LINE)
