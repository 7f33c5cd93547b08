"""Where heads of the audit log go: can each place take one? None is sent to find out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from integrations.anchors import read_anchors
from workers.checkup.files import private
from workers.checkup.reach import Way
from workers.checkup.report import Remark, System, well, wrong
from workers.settings import Settings


def anchor_systems(settings: Settings, way: Way) -> tuple[System, ...]:
    """All anchors together: they are told by their places."""
    return (System("anchors", lambda: anchors(settings, way), bool(settings.audit_anchors)),)


def anchors(settings: Settings, way: Way) -> Iterator[Remark]:
    """Can what is written be understood, and each place be reached?"""
    read_anchors(settings.audit_anchors, settings.audit_anchor_token_file)
    if settings.audit_anchor_token_file is not None:
        yield from private(settings.audit_anchor_token_file)
    for each in settings.audit_anchors:
        yield from _place(each.strip(), way)
    if not settings.audit_anchors:
        yield well("none: who owns this machine could change the whole log")


def _place(anchor: str, way: Way) -> tuple[Remark, ...]:
    scheme, _, rest = anchor.partition(":")
    match scheme:
        case "file":
            return _folder(Path(rest).parent)
        case "git":
            return _folder(Path(rest))
    return way.connect(anchor)


def _folder(folder: Path) -> tuple[Remark, ...]:
    if not folder.is_dir():
        return (wrong(f"there is no folder {folder}", "make it, or mend audit_anchors"),)
    if not os.access(folder, os.W_OK | os.X_OK):
        return (wrong(f"{folder} can not be written to", "give it to this user"),)
    return (well(f"{folder} can be written to"),)
