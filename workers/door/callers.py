"""Who is at the door: a person by their own token, or whoever holds the door's token.

What a request says of itself (``by``) counts only where nobody is named in ``people.yaml``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request

from causal.errors import Refused
from playbooks.people import OPERATOR, People, Person
from workers.answering import Speaker

PERSON = "aitia.person"
SOMEBODY = "whoever holds the door's token"
NOBODYS = "the door's own token is nobody's; people.yaml names people, so come with a token of yours"


@dataclass(frozen=True)
class Caller:
    """Somebody with a valid token; ``named`` is whether the site names its people."""

    person: Person | None
    named: bool

    def speaks(self, claimed: str = "") -> tuple[str, tuple[str, ...]]:
        """The name and the roles that this caller's word counts with."""
        if self.person is not None:
            return self.person.name, self.person.roles
        return (SOMEBODY, ()) if self.named else (claimed, (OPERATOR,))

    def speaker(self, claimed: str = "") -> Speaker:
        """Whose answer it is; a stranger's where people are named and this is none of them."""
        name, roles = self.speaks(claimed)
        return Speaker(name, roles, NOBODYS if self.person is None and self.named else "")

    def name(self, claimed: str = "") -> str:
        """The name that goes on record; a person where people are named, else Refused."""
        name, _ = self.speaks(claimed)
        if self.person is None and self.named:
            raise Refused(NOBODYS)
        if not name.strip():
            raise Refused("say who you are (by): nobody is named in people.yaml")
        return name


@dataclass(frozen=True)
class Callers:
    """Recognises callers; ``people`` is read anew each time."""

    people: Callable[[], People | None]

    def of(self, request: Request) -> Caller:
        """Who sent a request that the guard let pass."""
        return Caller(request.scope.get(PERSON), self.people() is not None)

    def roles_of(self, name: str) -> tuple[str, tuple[str, ...]]:
        """The name as it is written and the roles of somebody who is spoken of; NotFound for a stranger."""
        people = self.people()
        if people is None:
            return name, (OPERATOR,)
        person = people.named(name)
        return person.name, person.roles
