"""The audit chain: sealing rows, exporting them, and checking them without trusting whoever kept them.

Theory. Each row carries the SHA-256 of its own content and of the row before it, so the last hash (the
*head*) stands for every row up to it: no earlier row can be changed, dropped, added or moved without
changing the head. Linking records by a hash function goes back to Haber and Stornetta ("How to time-stamp
a digital document", Journal of Cryptology 3, 1991); logs of that kind kept on machines one may lose were
worked out by Schneier and Kelsey ("Secure audit logs to support computer forensics", ACM TISSEC 2, 1999),
and proofs that do not need the whole log by Crosby and Wallach ("Efficient data structures for
tamper-evident logging", USENIX Security 2009).

What it proves: that the rows before a head that you hold are the very rows that were there when it was
written. What it does not prove:
- that a row was true when it was written: who can write rows can write false ones;
- anything against somebody who can rewrite the whole log and recompute every hash, or cut its tail off,
  unless a head was kept out of their reach. Nothing here keeps one: export the log or note its head from
  time to time in another place, and give it to `verify_file` or `verify_rows` as the anchor.

Rows are hashed as *canonical JSON*: keys sorted, no spaces, UTF-8, floats in their shortest exact form,
no NaN and no infinity. An exported file holds one canonical row a line and ends in a footer with the
number of rows and the head. Every byte of it is fixed by that, so that any changed byte is found.
"""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from pydantic_core import to_jsonable_python

from causal.errors import Malformed, Tampered
from causal.evidence import Fact
from integrations.masking import without_secrets
from integrations.ports import AuditEntry, AuditRow

GENESIS = "0" * 64
"""What the first row names as its previous hash."""

_FOOTER = {"count", "head"}


def _json_form(value: object) -> object:
    if isinstance(value, set | frozenset):
        return sorted(value, key=canonical)
    return to_jsonable_python(value)


_ENCODER = json.JSONEncoder(
    sort_keys=True,
    separators=(",", ":"),
    ensure_ascii=False,
    allow_nan=False,
    default=_json_form,
)


class Verified(Fact):
    """A chain that adds up: its number of rows, its head, and the row that has the anchored hash."""

    count: int
    head: str
    anchored: int | None = None


def canonical(value: object) -> bytes:
    """Return the one JSON text of a value; tuples, enumerations, times and paths take their usual JSON form.

    Raises Malformed for what JSON cannot hold exactly: NaN, infinity, half a surrogate pair, foreign objects.
    """
    try:
        return _ENCODER.encode(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise Malformed(f"cannot be written as canonical JSON: {error}") from error


def canonical_value(value: Fact) -> bytes:
    """Return the canonical JSON of one of our values."""
    # Not in pydantic's JSON mode: that would turn NaN into null without a word.
    return canonical(value.model_dump())


def seal(entry: AuditEntry, seq: int, at: str, previous: str) -> AuditRow:
    """Give an entry its place in the chain; secrets in its facts and summary are masked first.

    ``at`` is the time of writing in ISO 8601, UTC. Raises Malformed for facts that have no canonical JSON.
    """
    fields = json.loads(canonical_value(entry))
    fields["facts"] = without_secrets(fields["facts"])
    fields["summary"] = without_secrets(fields["summary"])
    row = {"seq": seq, "at": at, "entry": fields, "previous": previous}
    return AuditRow.model_validate({**row, "hash": _hash(row)})


def line_of(row: AuditRow) -> bytes:
    """Return the canonical JSON of a row, as it is stored and exported (without the line's end)."""
    return canonical(_fields(row))


def row_of(line: bytes | str, seq: int) -> AuditRow:
    """Read a stored row back; raises Tampered, naming ``seq``, where the text is no canonical row."""
    text = line if isinstance(line, bytes) else line.encode(errors="replace")
    try:
        return AuditRow.model_validate(_parse(text, seq))
    except ValueError as error:
        raise Tampered("its fields are not those of an audit row", row=seq) from error


def verify_rows(rows: Iterable[AuditRow], anchor: str | None = None) -> Verified:
    """Recompute a whole chain, from the first row on.

    ``anchor`` is a head that was kept elsewhere; a row must have it. Raises Tampered with the first bad row.
    """
    chain = _Chain(anchor)
    for row in rows:
        chain.take(_fields(row))
    return chain.verified()


def export_rows(rows: Iterable[AuditRow], path: Path) -> Verified:
    """Write a chain to a file, checking it on the way; the file is there whole or not at all.

    Raises Tampered where the chain does not add up, Malformed where the file cannot be written.
    """
    chain = _Chain(None)
    with _written_whole(path) as file:
        for row in rows:
            chain.take(_fields(row))
            file.write(line_of(row) + b"\n")
        done = chain.verified()
        file.write(canonical({"count": done.count, "head": done.head}) + b"\n")
    return done


def verify_file(path: Path, anchor: str | None = None) -> Verified:
    """Recompute an exported chain, with nothing but the file.

    Works on the fields as they stand in the file, so that rows of older and newer versions verify alike.
    Raises Tampered with the first bad row, and Malformed where the file cannot be read at all.
    """
    chain, ended = _Chain(anchor), False
    for line in _lines(path):
        if ended:
            raise Tampered("something follows the footer", row=chain.next)
        fields = _line_fields(line, chain.next)
        ended = fields.keys() == _FOOTER
        if ended:
            chain.close(fields)
        else:
            chain.take(fields)
    if not ended:
        raise Tampered(f"the file ends without its footer, after {chain.count} whole rows", row=chain.next)
    return chain.verified()


@dataclass
class _Chain:
    """A chain as far as it has been checked."""

    anchor: str | None
    count: int = 0
    head: str = GENESIS
    anchored: int | None = None

    @property
    def next(self) -> int:
        return self.count + 1

    def take(self, fields: Mapping[str, Any]) -> None:
        """Check one more row against the ones before it."""
        self._check(fields)
        self.count, self.head = self.next, fields["hash"]
        if self.head == self.anchor:
            self.anchored = self.count

    def _check(self, fields: Mapping[str, Any]) -> None:
        content = {name: value for name, value in fields.items() if name != "hash"}
        if fields.get("seq") != self.next:
            raise Tampered(f"missing or out of place: number {fields.get('seq')} stands here", row=self.next)
        if fields.get("previous") != self.head:
            raise Tampered("does not name the hash of the row before it", row=self.next)
        if fields.get("hash") != _hash(content):
            raise Tampered("its content does not have the hash that it carries", row=self.next)

    def close(self, footer: Mapping[str, Any]) -> None:
        """Check the footer of an exported file."""
        if footer["count"] != self.count or footer["head"] != self.head:
            raise Tampered(f"the footer does not fit the {self.count} rows before it", row=self.next)

    def verified(self) -> Verified:
        if self.anchor is not None and self.anchored is None:
            raise Tampered(
                f"none of the {self.count} rows has the anchored hash {self.anchor}: "
                "the end was cut off, or the chain was written anew",
                row=self.next,
            )
        return Verified(count=self.count, head=self.head, anchored=self.anchored)


def _hash(content: Mapping[str, Any]) -> str:
    return sha256(canonical(content)).hexdigest()


def _fields(row: AuditRow) -> dict[str, Any]:
    # Only the fields that the row was read with: what a later version adds has no part in an old row's hash.
    return row.model_dump(exclude_unset=True)


def _line_fields(line: bytes, seq: int) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise Tampered("its line is cut off", row=seq)
    return _parse(line[:-1], seq)


def _parse(line: bytes, seq: int) -> dict[str, Any]:
    try:
        fields = json.loads(line.decode())
        exact = canonical(fields) == line
    except (ValueError, RecursionError, Malformed) as error:
        raise Tampered(f"not a line of canonical JSON: {error}", row=seq) from error
    if not exact or not isinstance(fields, dict):
        raise Tampered("not a line of canonical JSON", row=seq)
    return fields


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from file
    except OSError as error:
        raise Malformed(f"cannot be read: {error.strerror}", where=str(path)) from error


@contextmanager
def _written_whole(path: Path) -> Iterator[IO[bytes]]:
    """Write beside the file and take its place at the end, so that nobody ever sees half of it."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            draft = Path(file.name)
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)
    except OSError as error:
        raise Malformed(f"cannot be written: {error.strerror}", where=str(path)) from error
