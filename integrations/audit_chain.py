"""The audit chain as it is checked: one row after the other, with nothing kept but the last of them.

A chain begins with row 1, or later: where the oldest rows were cut by retention. Then the chain itself must
say so, in a row ``audit.cut`` that names the last row that was cut and its hash; a head that was kept
elsewhere for just that row proves the same. A chain that begins later for no such reason was tampered with.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from causal.errors import Tampered
from causal.evidence import Fact
from integrations.canonical import canonical

GENESIS = "0" * 64
"""What the first row names as its previous hash."""

CUT = "audit.cut"
"""The event of the row that says which rows before the chain's first were cut."""

_FIELDS = {"at", "entry", "hash", "previous", "seq"}


class Head(Fact):
    """The last row of a chain at some moment, which stands for every row up to it."""

    count: int
    head: str
    at: str = ""


class Cut(Fact):
    """What was cut from the beginning of a chain: rows ``first`` to ``last``, of which the last had ``head``.

    ``archive`` is the SHA-256 of the file that they were exported to.
    """

    first: int
    last: int
    count: int
    head: str
    archive: str = ""


class Verified(Fact):
    """A chain that adds up: how many rows from which to which, and its head.

    ``anchored`` is the last row that a head kept elsewhere speaks for, ``anchors`` how many of them were
    compared; ``proof`` is the row that tells why the chain does not begin with row 1.
    """

    count: int
    head: str
    first: int = 1
    last: int = 0
    anchored: int | None = None
    anchors: int = 0
    proof: int | None = None


@dataclass(frozen=True)
class Heads:
    """Heads that were kept where the chain's keeper cannot reach; ``bare`` are those without a number."""

    bare: frozenset[str] = frozenset()
    numbered: Mapping[int, Head] = field(default_factory=dict)

    @classmethod
    def of(cls, heads: Iterable[Head], bare: Iterable[str] = ()) -> "Heads":
        """Gather heads; Tampered where two of them tell of different rows of the same number."""
        numbered: dict[int, Head] = {}
        for head in heads:
            if numbered.setdefault(head.count, head).head != head.head:
                raise Tampered("the anchors know two different rows of this number", row=head.count)
        return cls(frozenset(bare), numbered)


@dataclass
class Chain:
    """A chain as far as it has been checked."""

    heads: Heads = Heads()
    first: int = 0
    last: int = 0
    before: str = GENESIS
    head: str = GENESIS
    count: int = 0
    anchored: int | None = None
    anchors: int = 0
    cuts: dict[int, tuple[Cut, int]] = field(default_factory=dict)
    _found: set[str] = field(default_factory=set)

    @property
    def next(self) -> int:
        return self.last + 1

    def take(self, fields: Mapping[str, Any], line: bytes | None = None) -> None:
        """Check one more row against the ones before it; ``line`` is its canonical text, if it is at hand."""
        if self.count == 0:
            self._begin(fields)
        self._check(fields, line)
        self.last, self.head, self.count = self.next, fields["hash"], self.count + 1
        self._compare()
        entry = fields.get("entry")
        if isinstance(entry, dict) and entry.get("event") == CUT:
            self.prove(entry.get("facts"), self.last)

    def prove(self, facts: object, row: int) -> None:
        """Take a row's word for what was cut."""
        try:
            cut = Cut.model_validate(facts)
        except ValueError as error:
            raise Tampered("it tells of a cut and not of which rows", row=row) from error
        self.cuts[cut.last] = (cut, row)

    def verified(self) -> Verified:
        """Return what was found; Tampered where the beginning or the end is not what it must be."""
        proof = self._proof() if self.first > 1 else None
        if missing := self.heads.bare - self._found - {self.before}:
            raise Tampered(
                f"none of the {self.count} rows has the anchored hash {min(missing)}: the end was cut off, "
                "or the chain was written anew",
                row=self.next,
            )
        newest = max(self.heads.numbered, default=0)
        if newest > self.last:
            raise Tampered(
                f"the chain ends with row {self.last}, and the anchor knew of {newest} rows at "
                f"{self.heads.numbered[newest].at or 'an untold time'}: the end was cut off (or this is an "
                "older export: say --as-of when it was made)",
                row=self.next,
            )
        return Verified(
            count=self.count,
            head=self.head,
            first=self.first or 1,
            last=self.last,
            anchored=self.anchored,
            anchors=self.anchors,
            proof=proof,
        )

    def _begin(self, fields: Mapping[str, Any]) -> None:
        seq, previous = fields.get("seq"), fields.get("previous")
        self.first = 1
        if type(seq) is int and seq > 1 and isinstance(previous, str):
            self.first, self.before, self.head = seq, previous, previous
        self.last = self.first - 1

    def _check(self, fields: Mapping[str, Any], line: bytes | None) -> None:
        if fields.get("seq") != self.next:
            raise Tampered(f"missing or out of place: number {fields.get('seq')} stands here", row=self.next)
        if fields.get("previous") != self.head:
            raise Tampered("does not name the hash of the row before it", row=self.next)
        if fields.get("hash") != _hash_of(fields, line):
            raise Tampered("its content does not have the hash that it carries", row=self.next)

    def _compare(self) -> None:
        known = self.heads.numbered.get(self.last)
        if known is not None and known.head != self.head:
            raise Tampered(
                f"at {known.at or 'an untold time'} this row had the hash {known.head}: the chain was "
                "written anew",
                row=self.last,
            )
        if known is not None or self.head in self.heads.bare:
            self._found.add(self.head)
            self.anchored, self.anchors = self.last, self.anchors + 1

    def _proof(self) -> int | None:
        """Return the row that says what was cut before this chain's first, None where an anchor does."""
        known = self.heads.numbered.get(self.first - 1)
        if self.before in self.heads.bare or (known is not None and known.head == self.before):
            return None
        cut, row = self.cuts.get(self.first - 1, (None, None))
        if cut is None or cut.head != self.before:
            raise Tampered(
                f"the chain begins with row {self.first}, and nothing in it proves that the rows before it "
                "were cut by retention",
                row=1,
            )
        return row


def hash_of(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of a row's fields, without its own hash."""
    return sha256(canonical(content)).hexdigest()


def _hash_of(fields: Mapping[str, Any], line: bytes | None) -> str:
    if line is not None and fields.keys() == _FIELDS:
        # Canonical text without the hash is the canonical text of what is hashed. The last place is the
        # row's own: after it come 64 digits and a number, and a quoted quote inside a text is escaped.
        before, _, after = line.rpartition(b'"hash":"%s",' % str(fields["hash"]).encode())
        return sha256(before + after).hexdigest()
    return hash_of({name: value for name, value in fields.items() if name != "hash"})
