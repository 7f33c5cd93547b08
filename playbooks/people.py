"""Who may answer: the people of a site, their roles, and how each of them is recognised.

Where nobody is named there is one role, `OPERATOR`: whoever holds the door's own token has it, and is who
they say they are. A person is recognised by a token of their own, of which only the SHA-256 is kept.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Annotated, Self

from pydantic import AfterValidator, StringConstraints, field_validator, model_validator

from causal.errors import MalformedSettings, NotFound
from playbooks.remedy import ApprovalRequest, Written
from playbooks.written import nearest, read_as

OPERATOR = "operator"
_SLACK, _EMAIL, _DIGEST = (
    re.compile(r"[UW][A-Z0-9]+"),
    re.compile(r"[^@\s]+@[^@\s]+"),
    re.compile(r"[0-9a-f]{64}"),
)


def _shaped(shape: re.Pattern[str], what: str) -> AfterValidator:
    def check(text: str) -> str:
        if not shape.fullmatch(text):
            raise ValueError(f"is not {what}")
        return text

    return AfterValidator(check)


Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
SlackUser = Annotated[
    str, _shaped(_SLACK, "a Slack user id, such as U0123ABCD (in their profile: copy member ID)")
]
Email = Annotated[str, _shaped(_EMAIL, "an e-mail address")]
Digest = Annotated[str, _shaped(_DIGEST, "a SHA-256 in 64 digits; `aitia people add` makes token and digest")]


class Person(Written):
    """Somebody who may be asked: ``slack`` is their user id there, ``email`` that of their PagerDuty user."""

    name: Word
    roles: tuple[Word, ...] = ()
    slack: SlackUser | None = None
    email: Email | None = None
    token_sha256: Digest | None = None

    @field_validator("roles")
    @classmethod
    def _operator_is_nobodys_role(cls, roles: tuple[str, ...]) -> tuple[str, ...]:
        if OPERATOR in roles:
            raise ValueError(f"{OPERATOR} is who holds the door's token while nobody is named; name another")
        return roles


class People(Written):
    """The people of a site; ``people.yaml`` in its home folder."""

    people: tuple[Person, ...] = ()

    @model_validator(mode="after")
    def _nobody_is_two(self) -> Self:
        for what in ("name", "slack", "email", "token_sha256"):
            seen = [str(value).casefold() for each in self.people if (value := getattr(each, what))]
            if twice := {value for value in seen if seen.count(value) > 1}:
                raise ValueError(
                    f"two people have the {what} {', '.join(sorted(twice))}; it must tell them apart"
                )
        return self

    def named(self, name: str) -> Person:
        """Return the person of this name; NotFound names the ones there are."""
        for each in self.people:
            if each.name.casefold() == name.strip().casefold():
                return each
        raise NotFound(f"nobody is called {name}; {nearest(name, (each.name for each in self.people))}")

    def with_token(self, token: bytes) -> Person | None:
        """Return whose token this is, if it is anybody's."""
        digest = hashlib.sha256(token).hexdigest()
        whose = [each for each in self.people if hmac.compare_digest(each.token_sha256 or "", digest)]
        return whose[0] if whose else None

    def of_slack(self, user: str) -> Person | None:
        """Return the person with this Slack user id."""
        return next((each for each in self.people if each.slack == user), None)

    def of_email(self, email: str) -> Person | None:
        """Return the person with this e-mail address, as PagerDuty tells it."""
        wanted = email.strip().casefold()
        known = [each for each in self.people if each.email is not None]
        return next((each for each in known if str(each.email).casefold() == wanted), None)

    def with_role(self, *roles: str) -> tuple[Person, ...]:
        """Return who has one of these roles."""
        return tuple(each for each in self.people if set(roles) & set(each.roles))


def read_people(text: str, where: str) -> People:
    """Read the people of a site; MalformedSettings names file, line and column."""
    return read_as(People, text, where).or_raise(MalformedSettings)


def digest_of(token: str) -> str:
    """Return what is kept of a person's token."""
    return hashlib.sha256(token.encode()).hexdigest()


def who_is_missing(people: People | None, request: ApprovalRequest) -> str:
    """Return what approvers should know of who may answer a question; empty if all is as it should be."""
    if people is None:
        return (
            "no people.yaml: whoever holds the door's token counts, by the name they give; "
            "`aitia people add` names people"
        )
    entitled = people.with_role(*request.approvers) if request.approvers else people.people
    able = [each for each in entitled if each.token_sha256 or each.slack or each.email]
    if len(able) < request.quorum:
        what = f"have one of the roles {', '.join(request.approvers)}" if request.approvers else "are named"
        return f"{request.quorum} must approve, and {len(able)} in people.yaml {what}"
    return ""
