"""What is found of what is done to an audit log: `python -m benchmarks.tamper` prints the table.

Each tampering is done to a sound export of made-up incidents. The *careless* ones change a file as an editor
would. The *careful* ones write every later hash and the footer anew, as somebody can who holds the log and
knows how it is made: against them stand the decisions, which can be made again, and the heads that were kept
elsewhere.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.audit_story import ROWS_OF_AN_INCIDENT, story
from causal.errors import Tampered
from integrations.audit_chain import GENESIS, Head, Heads, hash_of
from integrations.audit_file import export_rows, verify_files
from integrations.audit_review import Reviewer
from integrations.canonical import canonical
from playbooks.gate import GateInput, decide

ROWS = 4 * ROWS_OF_AN_INCIDENT
ANCHORED_EVERY = 10

Lines = list[bytes]
Row = dict[str, Any]


@dataclass(frozen=True)
class Tampering:
    """Something done to an export; ``found_by`` is what must find it first (empty: it is no tampering)."""

    what: str
    do: Callable[[Lines], Lines]
    found_by: str


def found_by(content: bytes, heads: Heads = Heads()) -> str:  # noqa: B008  a frozen value
    """Return what is the first to find something in an export, or nothing."""
    with tempfile.TemporaryDirectory(prefix="aitia-tamper-") as folder:
        file = Path(folder) / "audit.jsonl"
        file.write_bytes(content)
        reviewer = Reviewer()
        try:
            verify_files([file], look=reviewer.take)
        except Tampered as error:
            return "footer" if "footer" in str(error) else "chain"
        if findings := reviewer.review().findings:
            return findings[0].kind
        try:
            done = verify_files([file], heads)
        except Tampered:
            return "anchor"
    return "archive" if done.first > 1 else ""


def sound() -> Lines:
    """Return the lines of an export that nobody changed."""
    with tempfile.TemporaryDirectory(prefix="aitia-tamper-") as folder:
        file = Path(folder) / "audit.jsonl"
        export_rows(story(ROWS), file)
        return file.read_bytes().splitlines(keepends=True)


def kept_heads() -> Heads:
    """Return the heads that were kept elsewhere: every tenth, and the last."""
    rows = [row for row in story(ROWS) if row.seq % ANCHORED_EVERY == 0 or row.seq == ROWS]
    return Heads.of(Head(count=row.seq, head=row.hash, at=row.at) for row in rows)


def rewritten(change: Callable[[list[Row]], list[Row]]) -> Callable[[Lines], Lines]:
    """Make a change to rows careful: number and hash all of them anew, and write the footer for them."""

    def do(lines: Lines) -> Lines:
        rows, previous = change([json.loads(line) for line in lines[:-1]]), GENESIS
        for seq, row in enumerate(rows, start=1):
            row.pop("hash", None)
            row.update(seq=seq, previous=previous)
            row["hash"] = previous = hash_of(row)
        return [*map(_line, rows), _line({"count": len(rows), "head": previous})]

    return do


def _line(fields: Row) -> bytes:
    return canonical(fields) + b"\n"


def _at(rows: list[Row], event: str, number: int = 0) -> int:
    return [at for at, row in enumerate(rows) if row["entry"]["event"] == event][number]


def _flip(lines: Lines) -> Lines:
    changed = bytearray(lines[7])
    changed[changed.index(b"restart")] ^= 1
    return [*lines[:7], bytes(changed), *lines[8:]]


def _earlier(lines: Lines) -> Lines:
    row = json.loads(lines[7])
    row["at"] = "2025-12-31T23:59:59.000000+00:00"
    return [*lines[:7], _line(row), *lines[8:]]


def _with_own_hash(lines: Lines) -> Lines:
    row = json.loads(lines[7])
    row["entry"]["summary"] = "about to restart nothing"
    row["hash"] = hash_of({name: value for name, value in row.items() if name != "hash"})
    return [*lines[:7], _line(row), *lines[8:]]


def _inserted(lines: Lines) -> Lines:
    row = {**json.loads(lines[6]), "seq": 8, "previous": json.loads(lines[6])["hash"]}
    row["hash"] = hash_of({name: value for name, value in row.items() if name != "hash"})
    return [*lines[:7], _line(row), *lines[7:]]


def _footer_of(lines: Lines, **changed: object) -> Lines:
    return [*lines[:-1], _line({**json.loads(lines[-1]), **changed})]


def _tail_cut_with_footer(lines: Lines) -> Lines:
    rows = lines[:-4]
    return [*rows, _line({"count": len(rows), "head": json.loads(rows[-1])["hash"]})]


def _beginning_gone(lines: Lines) -> Lines:
    gone = ROWS_OF_AN_INCIDENT
    footer = json.loads(lines[-1])
    return [*lines[gone:-1], _line({**footer, "count": footer["count"] - gone, "first": gone + 1})]


def _beginning_gone_with_proof(lines: Lines) -> Lines:
    """Drop the first incident and forge the row that would allow it, with all hashes after it."""
    rows = [json.loads(line) for line in lines[ROWS_OF_AN_INCIDENT:-1]]
    cut = {"first": 1, "last": ROWS_OF_AN_INCIDENT, "count": ROWS_OF_AN_INCIDENT, "archive": ""}
    facts = {**cut, "head": rows[0]["previous"]}
    entry = {**rows[-1]["entry"], "event": "audit.cut", "facts": facts, "key": None}
    row = {**rows[-1], "seq": rows[-1]["seq"] + 1, "previous": rows[-1]["hash"], "entry": entry}
    row["hash"] = hash_of({name: value for name, value in row.items() if name != "hash"})
    first = ROWS_OF_AN_INCIDENT + 1
    footer = {"count": len(rows) + 1, "head": row["hash"], "first": first}
    return [*lines[ROWS_OF_AN_INCIDENT:-1], _line(row), _line(footer)]


def _other_verdict(rows: list[Row]) -> list[Row]:
    row = rows[_at(rows, "gate.decided", 1)]
    row["entry"]["facts"]["decision"]["verdict"] = "execute"
    return rows


def _other_input(rows: list[Row]) -> list[Row]:
    row = rows[_at(rows, "gate.decided", 1)]
    row["entry"]["facts"]["given"]["probability"] = 0.999
    return rows


def _other_input_and_decision(rows: list[Row]) -> list[Row]:
    facts = rows[_at(rows, "gate.decided", 1)]["entry"]["facts"]
    facts["given"]["probability"] = 0.999
    facts["decision"] = decide(GateInput.model_validate(facts["given"])).model_dump(mode="json")
    return rows


def _other_approver(rows: list[Row]) -> list[Row]:
    rows[_at(rows, "approval.approved")]["entry"]["facts"]["by"] = "mallory@example.com"
    return rows


def _without(event: str, number: int = 0) -> Callable[[list[Row]], list[Row]]:
    def change(rows: list[Row]) -> list[Row]:
        at = _at(rows, event, number)
        return rows[:at] + rows[at + 1 :]

    return change


CARELESS = (
    Tampering("nothing at all", lambda lines: lines, ""),
    Tampering("one bit of a row flipped", _flip, "chain"),
    Tampering("the time of a row changed", _earlier, "chain"),
    Tampering("a row changed, with its own hash written anew", _with_own_hash, "chain"),
    Tampering("one row dropped", lambda lines: [*lines[:7], *lines[8:]], "chain"),
    Tampering("two rows swapped", lambda lines: [*lines[:7], lines[8], lines[7], *lines[9:]], "chain"),
    Tampering("one row repeated", lambda lines: [*lines[:8], *lines[7:]], "chain"),
    Tampering("a row inserted, with a fitting hash", _inserted, "chain"),
    Tampering("the first incident dropped", _beginning_gone, "chain"),
    Tampering("the tail cut off, the footer left", lambda lines: [*lines[:-4], lines[-1]], "footer"),
    Tampering("the tail cut off, and the footer", lambda lines: lines[:-4], "footer"),
    Tampering("the last line cut in half", lambda lines: [*lines[:-1], lines[-1][:30]], "chain"),
    Tampering("the footer's number changed", lambda lines: _footer_of(lines, count=ROWS + 1), "footer"),
    Tampering("the footer's head changed", lambda lines: _footer_of(lines, head="f" * 64), "footer"),
    Tampering("a row added after the footer", lambda lines: [*lines, lines[0]], "footer"),
)
CAREFUL = (
    Tampering("a decision's verdict changed", rewritten(_other_verdict), "decision"),
    Tampering("what a decision rested on changed", rewritten(_other_input), "decision"),
    Tampering("an approval dropped", rewritten(_without("approval.approved")), "step"),
    Tampering("a decision dropped", rewritten(_without("gate.decided", 1)), "step"),
    Tampering(
        "a decision and what it rested on changed to fit", rewritten(_other_input_and_decision), "anchor"
    ),
    Tampering("an approver's name changed", rewritten(_other_approver), "anchor"),
    Tampering("a step's own rows dropped", rewritten(_without("step.before")), "anchor"),
    Tampering("the tail cut off, with a footer for the rest", _tail_cut_with_footer, "anchor"),
    Tampering("the first incident dropped, with a forged proof", _beginning_gone_with_proof, "archive"),
    Tampering("an empty log in place of it", rewritten(lambda _: []), "anchor"),
)


def main() -> None:
    """Print the table as Markdown; exit with 1 where something was found by another than it should be."""
    lines, heads, wrong = sound(), kept_heads(), 0
    print("| What was done | Hashes written anew | Found | By |\n|---|---|---|---|")
    for careful, tamperings in (("no", CARELESS), ("yes", CAREFUL)):
        for each in tamperings:
            by = found_by(b"".join(each.do(list(lines))), heads)
            wrong += by != each.found_by
            print(f"| {each.what} | {careful} | {'yes' if by else 'no'} | {_NAMES[by]} |")
    raise SystemExit(wrong > 0)


_NAMES = {
    "": "",
    "chain": "the chain of hashes",
    "footer": "the footer",
    "decision": "making the decision again",
    "step": "a step that nothing admits",
    "archive": "asking for the archive of the rows that it tells were cut (`--whole`)",
    "anchor": "a head kept elsewhere, and by that alone",
}

if __name__ == "__main__":
    main()
