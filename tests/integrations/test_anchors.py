"""Anchors: heads that are kept elsewhere, and what they find."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from causal.errors import Malformed, MalformedSettings, Tampered, Unavailable
from integrations.anchors import (
    Anchor,
    FileAnchor,
    GitAnchor,
    HttpAnchor,
    keep_head,
    read_anchors,
    read_heads,
)
from integrations.audit import verify_rows
from integrations.audit_chain import Head, Heads
from integrations.memory import MemoryAuditLog
from integrations.ports import AuditEntry
from tests.doubles.serving import Answered, Asked, serving

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def head(count: int = 1, at: datetime = NOON) -> Head:
    return Head(count=count, head=f"{count:064x}", at=at.isoformat())


def filled(rows: int = 5) -> MemoryAuditLog:
    log = MemoryAuditLog()
    for number in range(rows):
        log.append(AuditEntry(actor="gate", event="decided", summary=f"row {number}"))
    return log


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", "--bare", str(tmp_path / "anchor.git")], check=True)
    return tmp_path / "anchor.git"


@pytest.fixture(params=["file", "git"])
def anchor(request: pytest.FixtureRequest, tmp_path: Path) -> FileAnchor | GitAnchor:
    if request.param == "file":
        return FileAnchor(tmp_path / "heads.jsonl")
    return GitAnchor(request.getfixturevalue("repository"))


def kept_in(anchor: FileAnchor | GitAnchor) -> Heads:
    return read_heads([str(anchor.path)])


# What is kept can be read again


def test_heads_that_were_kept_are_read_again(anchor: FileAnchor | GitAnchor) -> None:
    for count in (1, 5, 9):
        anchor.keep(head(count))
    assert dict(kept_in(anchor).numbered) == {count: head(count) for count in (1, 5, 9)}


def test_keeping_the_same_head_again_does_no_harm(anchor: FileAnchor | GitAnchor) -> None:
    anchor.keep(head())
    anchor.keep(head())
    assert list(kept_in(anchor).numbered) == [1]


def test_an_anchor_that_knows_two_histories_is_found(anchor: FileAnchor | GitAnchor) -> None:
    anchor.keep(head(1))
    anchor.keep(head(1).model_copy(update={"head": "f" * 64}))
    with pytest.raises(Tampered):
        kept_in(anchor)


def test_heads_kept_later_than_a_moment_are_left_out(anchor: FileAnchor | GitAnchor) -> None:
    anchor.keep(head(1))
    anchor.keep(head(2, at=datetime(2026, 11, 24, tzinfo=UTC)))
    assert list(read_heads([str(anchor.path)], as_of=NOON).numbered) == [1]


def test_a_name_with_its_kind_reads_the_same(anchor: FileAnchor | GitAnchor) -> None:
    anchor.keep(head())
    assert read_heads([anchor.name]) == kept_in(anchor)


def test_a_line_that_a_power_cut_left_half_written_is_no_head(tmp_path: Path) -> None:
    file = tmp_path / "heads.jsonl"
    FileAnchor(file).keep(head(1))
    file.write_bytes(file.read_bytes() + b'{"at":"2026-11')
    FileAnchor(file).keep(head(2))
    assert list(read_heads([str(file)]).numbered) == [1, 2]


def test_a_line_of_something_else_is_malformed(tmp_path: Path) -> None:
    (tmp_path / "heads.jsonl").write_text('{"count": "many"}\n')
    with pytest.raises(Malformed, match=r"heads\.jsonl:1"):
        read_heads([str(tmp_path / "heads.jsonl")])


def test_every_head_is_one_commit_on_a_branch_of_its_own(repository: Path) -> None:
    for count in (1, 2, 3):
        GitAnchor(repository).keep(head(count))
    words = ["git", "-C", str(repository), "log", "--format=%s", "aitia-audit"]
    told = subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()
    assert told == ["audit: 3 rows", "audit: 2 rows", "audit: 1 rows"]


def test_a_work_tree_is_not_touched_by_an_anchor_in_it(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "tree")], check=True)
    (tmp_path / "tree" / "mine").write_text("mine")
    GitAnchor(tmp_path / "tree").keep(head())
    assert sorted(path.name for path in (tmp_path / "tree").iterdir()) == [".git", "mine"]


@pytest.mark.parametrize("anchor_at", [FileAnchor, GitAnchor])
def test_an_anchor_in_no_folder_is_unavailable(
    anchor_at: type[FileAnchor] | type[GitAnchor], tmp_path: Path
) -> None:
    with pytest.raises(Unavailable):
        anchor_at(tmp_path / "nowhere" / "heads").keep(head())


@pytest.mark.parametrize("place", ["", "abc", "/nowhere/heads.jsonl"])
def test_a_place_that_holds_no_heads_is_malformed(place: str) -> None:
    with pytest.raises(Malformed):
        read_heads([place])


def test_a_folder_that_is_no_repository_is_malformed(tmp_path: Path) -> None:
    with pytest.raises(Malformed):
        read_heads([str(tmp_path)])


# HTTP


@dataclass
class Notary:
    """Takes heads, and remembers what it was sent."""

    url: str = ""
    status: int = 201
    asked: list[Asked] = field(default_factory=list)

    def answer(self, asked: Asked) -> Answered:
        self.asked.append(asked)
        return Answered(self.status, headers={"Location": "/elsewhere"})


@pytest.fixture
def notary() -> Iterator[Notary]:
    taking = Notary()
    with serving(taking.answer) as address:
        taking.url = f"{address}/heads"
        yield taking


def test_a_head_is_posted_with_the_token_of_the_file(notary: Notary, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    HttpAnchor(notary.url, tmp_path / "token").keep(head())
    [asked] = notary.asked
    sent = {name.lower(): value for name, value in asked.headers.items()}
    assert (json.loads(asked.body), sent["authorization"]) == (head().model_dump(), "Bearer s3cret")


@pytest.mark.parametrize("status", [302, 401, 500])
def test_any_answer_but_success_means_that_it_was_not_taken(notary: Notary, status: int) -> None:
    notary.status = status
    with pytest.raises(Unavailable, match=str(status)):
        HttpAnchor(notary.url).keep(head())


def test_a_redirect_is_not_followed(notary: Notary) -> None:
    notary.status = 307
    with pytest.raises(Unavailable):
        HttpAnchor(notary.url).keep(head())
    assert len(notary.asked) == 1


def test_a_notary_that_is_gone_is_unavailable() -> None:
    with serving(Notary().answer) as url:
        pass
    with pytest.raises(Unavailable):
        HttpAnchor(url).keep(head())


def test_a_token_file_that_is_not_there_is_told(notary: Notary, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="token"):
        HttpAnchor(notary.url, tmp_path / "token").keep(head())


# Settings


@pytest.mark.parametrize(
    ("written", "made"),
    [
        ("file:/a/heads.jsonl", FileAnchor(Path("/a/heads.jsonl"))),
        ("git:/a/anchor.git", GitAnchor(Path("/a/anchor.git"))),
        ("https://notary.example/heads", HttpAnchor("https://notary.example/heads")),
        ("http://127.0.0.1:80/heads", HttpAnchor("http://127.0.0.1:80/heads")),
    ],
)
def test_an_anchor_is_made_of_what_the_settings_name(written: str, made: Anchor) -> None:
    assert read_anchors([written]) == (made,)


@pytest.mark.parametrize("written", ["/a/heads", "file:heads", "http://notary.example/heads", "ftp://x/y"])
def test_what_names_no_anchor_is_a_mistake_in_the_settings(written: str) -> None:
    with pytest.raises(MalformedSettings):
        read_anchors([written])


# Keeping the head of a log


def test_the_head_goes_to_every_anchor_and_a_row_says_so(tmp_path: Path) -> None:
    log, anchors = filled(), read_anchors([f"file:{tmp_path / 'a'}", f"file:{tmp_path / 'b'}"])
    row = keep_head(log, anchors, now=NOON)
    assert row is not None
    assert (row.entry.facts["count"], row.entry.facts["kept"]) == (5, [each.name for each in anchors])


def test_a_log_verifies_against_the_heads_that_it_handed_out(tmp_path: Path) -> None:
    log, anchor = filled(), FileAnchor(tmp_path / "heads.jsonl")
    keep_head(log, [anchor], now=NOON)
    assert verify_rows(log.rows(), kept_in(anchor)).anchored == 5


def test_a_tail_cut_off_is_found_by_what_was_handed_out(tmp_path: Path) -> None:
    log, anchor = filled(), FileAnchor(tmp_path / "heads.jsonl")
    keep_head(log, [anchor], now=NOON)
    with pytest.raises(Tampered, match="cut off"):
        verify_rows(list(log.rows())[:4], kept_in(anchor))


def test_a_log_written_anew_is_found_by_what_was_handed_out(tmp_path: Path) -> None:
    anchor = FileAnchor(tmp_path / "heads.jsonl")
    keep_head(filled(), [anchor], now=NOON)
    with pytest.raises(Tampered, match="anew"):
        verify_rows(filled().rows(), kept_in(anchor))


def test_nothing_is_handed_out_where_nothing_was_written_since(tmp_path: Path) -> None:
    log, anchor = filled(), FileAnchor(tmp_path / "heads.jsonl")
    keep_head(log, [anchor], now=NOON)
    assert keep_head(log, [anchor], now=NOON) is None


def test_an_empty_log_hands_nothing_out(tmp_path: Path) -> None:
    assert keep_head(MemoryAuditLog(), [FileAnchor(tmp_path / "heads.jsonl")], now=NOON) is None


def test_an_anchor_that_fails_is_told_of_and_holds_nobody_up(tmp_path: Path) -> None:
    log, gone = filled(), FileAnchor(tmp_path / "nowhere" / "heads.jsonl")
    row = keep_head(log, [gone, FileAnchor(tmp_path / "heads.jsonl")], now=NOON)
    assert row is not None
    assert list(row.entry.facts["failed"]) == [gone.name]


def test_an_anchor_that_failed_gets_the_head_at_the_next_turn(tmp_path: Path) -> None:
    log, late = filled(), FileAnchor(tmp_path / "late" / "heads.jsonl")
    keep_head(log, [late], now=NOON)
    late.path.parent.mkdir()
    keep_head(log, [late], now=NOON)
    assert list(kept_in(late).numbered) == [6]
