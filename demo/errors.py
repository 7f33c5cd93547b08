"""Everything that can go wrong with the shop, as told to the person at the terminal.

ShopError
├── BadDocument      a topology or fault file that cannot be meant this way; one line per problem
├── NotRunning       there is no such shop up
├── AlreadyRunning   there is one of this name already
├── DidNotStart      a process ended, or was not healthy in time
├── Refused          the shopkeeper said no; the message is its reason
└── GitFailed        git ended with an error

What goes wrong *inside* the shop, on purpose, is in ``failures``.
"""

from collections.abc import Sequence


class ShopError(Exception):
    """The root of the tree; its text is for the person at the terminal."""


class BadDocument(ShopError):
    """A file that people write is wrong; each of ``problems`` is ``file:line: what is wrong``."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class NotRunning(ShopError):
    """No shop, or no shop of that name, is up under this home."""


class AlreadyRunning(ShopError):
    """A shop of that name is up under this home."""


class DidNotStart(ShopError):
    """A process of the shop ended or did not become healthy in time."""


class Refused(ShopError):
    """The shopkeeper understood and would not do it."""

    def __init__(self, reason: str, *, status: int = 409) -> None:
        super().__init__(reason)
        self.status = status


class GitFailed(ShopError):
    """A git command on the configuration repository ended with an error."""
