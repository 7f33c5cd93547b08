"""The audit chain: sealing rows, and checking them without trusting whoever kept them.

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
  unless a head was kept out of their reach. `integrations.anchors` keeps heads elsewhere; give them to
  `verify_rows` or `integrations.audit_file.verify_files`.

Rows are hashed as *canonical JSON* (`integrations.canonical`).
"""

import json
from collections.abc import Iterable
from typing import Any

from causal.errors import Tampered
from integrations.audit_chain import GENESIS, Chain, Heads, Verified, hash_of
from integrations.canonical import canonical, canonical_value, read_canonical
from integrations.masking import deciders, without_secrets
from integrations.ports import AuditEntry, AuditRow

__all__ = ["GENESIS", "canonical", "canonical_value", "fields_of", "line_of", "row_of", "seal", "verify_rows"]


def seal(entry: AuditEntry, seq: int, at: str, previous: str) -> AuditRow:
    """Give an entry its place in the chain; secrets and personal data in it are masked first.

    ``at`` is the time of writing in ISO 8601, UTC. Raises Malformed for facts that have no canonical JSON.
    """
    fields = json.loads(canonical_value(entry))
    people = deciders(entry.actor, fields["facts"])
    for name in ("facts", "summary"):
        fields[name] = without_secrets(fields[name], people)
    row = {"seq": seq, "at": at, "entry": fields, "previous": previous}
    return AuditRow.model_validate({**row, "hash": hash_of(row)})


def line_of(row: AuditRow) -> bytes:
    """Return the canonical JSON of a row, as it is stored and exported (without the line's end)."""
    return canonical(fields_of(row))


def row_of(line: bytes | str, seq: int) -> AuditRow:
    """Read a stored row back; raises Tampered, naming ``seq``, where the text is no canonical row."""
    text = line if isinstance(line, bytes) else line.encode(errors="replace")
    try:
        return AuditRow.model_validate(read_canonical(text, seq))
    except ValueError as error:
        raise Tampered("its fields are not those of an audit row", row=seq) from error


def fields_of(row: AuditRow) -> dict[str, Any]:
    """Return a row as it was written: what a later version adds has no part in an old row's hash."""
    return row.model_dump(exclude_unset=True)


def verify_rows(rows: Iterable[AuditRow], heads: Heads = Heads()) -> Verified:  # noqa: B008  a frozen value
    """Recompute a whole chain; raises Tampered with the first bad row.

    ``heads`` were kept elsewhere and must be in it. A chain whose beginning was cut must prove that.
    """
    chain = Chain(heads)
    for row in rows:
        chain.take(fields_of(row))
    return chain.verified()
