"""``people.yaml`` in the home folder: who may answer, written by people and by ``aitia people``.

It is read anew each time, so that a change counts from the next answer on. Comments of people stay.
"""

from __future__ import annotations

import io
import os
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from causal.errors import Conflict, MalformedSettings, NotFound
from playbooks.people import People, Person, digest_of, read_people


@dataclass(frozen=True)
class PeopleFile:
    """The file of a site; one that is there and names nobody lets nobody answer."""

    path: Path

    def read(self) -> People | None:
        """Who is named, or None where there is no file; MalformedSettings names line and column."""
        return read_people(self._text(), str(self.path)) if self.path.exists() else None

    def named(self) -> People:
        """Who is named; nobody where there is no file."""
        return self.read() or People()

    def add(self, name: str, roles: tuple[str, ...], slack: str | None, email: str | None) -> str:
        """Name somebody; gives the token that they are recognised by, which is kept nowhere."""
        if any(each.name.casefold() == name.strip().casefold() for each in self.named().people):
            raise Conflict(f"{name} is named in {self.path} already; remove them first for a new token")
        token = secrets.token_urlsafe(32)
        person: dict[str, Any] = {"name": name.strip(), "roles": list(roles)}
        person |= {what: value for what, value in (("slack", slack), ("email", email)) if value}
        person["token_sha256"] = digest_of(token)
        self._change(lambda people: people.append(person))
        return token

    def remove(self, name: str) -> Person:
        """Strike somebody out; their token is worth nothing from then on."""
        gone = self.named().named(name)

        def strike(people: list[Any]) -> None:
            people.remove(next(each for each in people if each["name"] == gone.name))

        self._change(strike)
        return gone

    def _text(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise MalformedSettings(str(error), where=str(self.path)) from error

    def _change(self, change: Callable[[list[Any]], None]) -> None:
        yaml = YAML()
        written: Any = yaml.load(self._text()) or {}
        change(written.setdefault("people", []))
        text = io.StringIO()
        yaml.dump(written, text)
        read_people(text.getvalue(), str(self.path))  # what could not be read again is not written
        _replace(self.path, text.getvalue())


def person_of_slack(people: People, user: str) -> Person:
    """Return who a Slack user is; NotFound says what to do for one who is nobody here."""
    if (person := people.of_slack(user)) is None:
        raise NotFound(f"nobody has the Slack user id {user}; write it to them in people.yaml")
    return person


def _replace(path: Path, text: str) -> None:
    # Written whole beside its place: who reads meanwhile sees the old file or the new one.
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=".people-", delete=False, encoding="utf-8"
    ) as beside:
        beside.write(text)
        beside.flush()
        os.fsync(beside.fileno())
    Path(beside.name).replace(path)
