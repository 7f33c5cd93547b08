"""What ``aitia audit verify`` checks, and how it says what it found: chain, anchors and decisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from causal.errors import Tampered
from integrations.anchors import read_heads
from integrations.audit import fields_of
from integrations.audit_chain import Chain, Heads, Verified
from integrations.audit_file import verify_files
from integrations.audit_review import Review, Reviewer
from integrations.ports import AuditLog

MOST_SHOWN = 20


@dataclass(frozen=True)
class Checked:
    """A chain that adds up, and what its rows say of decisions and steps."""

    chain: Verified
    review: Review
    anchored: bool
    in_files: bool

    def as_json(self) -> dict[str, Any]:
        """For machines; ``intact`` is about the chain, ``sound`` about what its rows say."""
        review = self.review.model_dump(mode="json")
        return {"intact": True, "sound": not self.review.findings, **self.chain.model_dump(), **review}


def check(
    source: AuditLog | Sequence[Path],
    anchors: Sequence[str] = (),
    *,
    as_of: datetime | None = None,
    whole: bool = False,
) -> Checked:
    """Recompute a log or its exported files; raises Tampered at the first bad row.

    ``whole`` asks for the rows that retention cut as well.
    """
    heads, reviewer = read_heads(anchors, as_of=as_of), Reviewer()
    in_files = isinstance(source, Sequence)
    if isinstance(source, Sequence):
        chain = verify_files(source, heads, reviewer.take)
    else:
        chain = _verify_log(source, heads, reviewer)
    if whole and chain.first > 1:
        raise Tampered(f"rows 1 to {chain.first - 1} are missing: give the archive that they went to", row=1)
    return Checked(chain, reviewer.review(), bool(anchors), in_files)


def in_words(done: Checked) -> Iterator[str]:
    """Say what was found, a line each."""
    chain, review = done.chain, done.review
    yield f"intact: {chain.count} rows"
    yield f"head {chain.head}"
    if chain.first > 1:
        by = f"row {chain.proof} says" if chain.proof else "an anchor proves"
        yield f"begins with row {chain.first}: {by} that the rows before it were cut to an archive"
    yield from _of_anchors(done)
    yield (
        f"decisions: {review.recomputed} of {review.decisions} made again from the record, with the same "
        "answer"
    )
    yield f"steps: {review.steps}, {_founded(review)} of them admitted by a decision in this log"
    if review.elsewhere:
        yield (
            f"{len(review.elsewhere)} were decided by another version of the gate, which answers otherwise "
            f"than this one ({_rows(review.elsewhere)}): verify them with the Aitia that decided"
        )
    if review.older:
        yield (
            f"{len(review.older)} steps belong to incidents that began in the rows that were cut "
            f"({_rows(review.older)}): verify them together with the archive"
        )
    for finding in review.findings[:MOST_SHOWN]:
        yield f"FINDING row {finding.row}: {finding.says}"
    if (more := len(review.findings) - MOST_SHOWN) > 0:
        yield f"and {more} more findings (--json has them all)"


def _of_anchors(done: Checked) -> Iterator[str]:
    chain = done.chain
    if chain.anchored is not None:
        newer = chain.last - chain.anchored
        yield (
            f"the anchor is row {chain.anchored} ({chain.anchors} of the kept heads were found)"
            + (f"; rows after it can be cut off unseen, here {newer}" if newer else "")
        )
    elif done.anchored:
        yield "none of the anchor's heads is about these rows: it proves nothing about them"
    else:
        alone = "the footer's own count" if done.in_files else "the log's own word"
        yield (
            f"no anchor was given: that the end was not cut off rests on {alone} alone, which whoever can "
            "rewrite the log can rewrite too"
        )


def _verify_log(log: AuditLog, heads: Heads, reviewer: Reviewer) -> Verified:
    chain = Chain(heads)
    for row in log.rows():
        fields = fields_of(row)
        chain.take(fields)
        reviewer.take(fields)
    return chain.verified()


def _founded(review: Review) -> int:
    unfounded = sum(finding.kind == "step" for finding in review.findings)
    return review.steps - unfounded - len(review.older)


def _rows(numbers: Sequence[int]) -> str:
    told = ", ".join(map(str, numbers[:5]))
    return f"rows {told}" + (", …" if len(numbers) > 5 else "")  # noqa: PLR2004  a few examples
