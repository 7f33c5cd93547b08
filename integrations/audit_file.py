"""Exported audit logs: one canonical row a line, and a footer that says how many there are and how they end.

Every byte of a file is fixed by that, so that any changed byte is found. A log whose oldest rows were cut and
archived lies in several files, each of which verifies alone: an archive that begins later than row 1 carries
in its footer the row that tells of the earlier cut, and the files together verify as the one chain they were.
"""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from causal.errors import Malformed, Tampered
from integrations.audit import fields_of, line_of
from integrations.audit_chain import Chain, Heads, Verified
from integrations.canonical import canonical, read_canonical
from integrations.ports import AuditRow

Fields = Mapping[str, Any]
NONE = Heads()


def _look_away(fields: Fields) -> None:
    del fields


def export_rows(rows: Iterable[AuditRow], path: Path, proof: AuditRow | None = None) -> Verified:
    """Write a chain to a file, checking it on the way; the file is there whole or not at all.

    ``proof`` is the row that tells what was cut before the first, where it is none of the rows themselves.
    Raises Tampered where the chain does not add up, Malformed where the file cannot be written.
    """
    chain = Chain()
    with _written_whole(path) as file:
        for row in rows:
            line = line_of(row)
            chain.take(fields_of(row), line)
            file.write(line + b"\n")
        carried = fields_of(proof) if proof is not None and _begins_later(chain) else None
        if carried is not None:
            _take_proof(chain, carried)
        done = chain.verified()
        file.write(canonical(_footer(chain, carried)) + b"\n")
    return done


def export_some(rows: Iterable[AuditRow], path: Path) -> int:
    """Write some rows of a chain, as an excerpt to read: it proves nothing, so it has no footer."""
    count = 0
    with _written_whole(path) as file:
        for row in rows:
            file.write(line_of(row) + b"\n")
            count += 1
    return count


def verify_file(path: Path, heads: Heads = NONE) -> Verified:
    """`verify_files` for one file."""
    return verify_files([path], heads)


def verify_files(
    paths: Sequence[Path], heads: Heads = NONE, look: Callable[[Fields], None] = _look_away
) -> Verified:
    """Recompute a chain that lies in one file or, oldest first, in several, with nothing but the files.

    ``look`` is shown every row that has been checked. Works on the fields as they stand in the file, so that
    rows of older and newer versions verify alike. Raises Tampered with the first bad row, and Malformed where
    a file cannot be read at all.
    """
    chain = Chain(heads)
    digests = {_verify(path, chain, look): path for path in paths}
    for cut, row in chain.cuts.values():
        for (last, digest), path in digests.items():
            if last == cut.last and digest != cut.archive:
                raise Tampered(f"{path} is not the archive that this row names", row=row)
    return chain.verified()


def _verify(path: Path, chain: Chain, look: Callable[[Fields], None]) -> tuple[int, str]:
    """Check one file as the next part of a chain; return its last row and the digest of its bytes."""
    part, ended, digest = Chain(), False, sha256()
    for line in _lines(path):
        digest.update(line)
        if ended:
            raise Tampered("something follows the footer", row=chain.next)
        fields = _line_fields(line, chain.next)
        ended = "count" in fields
        if ended:
            _close(chain, part, fields)
            continue
        chain.take(fields, line[:-1])
        part.first, part.count, part.head = part.first or chain.last, part.count + 1, chain.head
        look(fields)
    if not ended:
        raise Tampered(f"the file ends without its footer, after {part.count} whole rows", row=chain.next)
    return chain.last, digest.hexdigest()


def _close(chain: Chain, part: Chain, footer: Fields) -> None:
    """Check the footer of an exported file: it must be, to the letter, what belongs under these rows."""
    carried = footer.get("proof")
    if dict(footer) != _footer(part, carried) or (carried is not None and not _begins_later(part)):
        raise Tampered(f"the footer does not fit the {part.count} rows before it", row=chain.next)
    if carried is not None:
        _take_proof(chain, carried)


def _take_proof(chain: Chain, carried: Any) -> None:
    """Take a row that stands elsewhere in the chain; its own hash must fit."""
    row = Chain()
    try:
        row.take({**carried})
        event, facts = carried["entry"]["event"], carried["entry"]["facts"]
    except (TypeError, KeyError, Tampered) as error:
        raise Tampered("the footer's proof of what was cut is no row of a chain", row=chain.next) from error
    if event != "audit.cut":
        raise Tampered("the footer's proof tells of no cut", row=chain.next)
    chain.prove(facts, carried["seq"])


def _footer(part: Chain, carried: Any) -> dict[str, Any]:
    later = {"first": part.first} if _begins_later(part) else {}
    return {"count": part.count, "head": part.head, **later, **({"proof": carried} if carried else {})}


def _begins_later(chain: Chain) -> bool:
    return chain.first > 1


def _line_fields(line: bytes, row: int) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise Tampered("its line is cut off", row=row)
    return read_canonical(line[:-1], row)


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
