"""Small durable notes of what a step was about to do, for targets that keep no record of their own.

A git branch can be asked whether a step took effect; a command or a plain web server can not. So the action
writes a marker before it acts and completes it after, one file for each idempotency key: replaced as a whole
and flushed to disk, so that whoever comes after a kill finds the old note or the new one, never half of one.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from causal.errors import UnknownEffect
from causal.evidence import Fact
from integrations.ports import Effect


class Marker(Fact):
    """A step that was begun: what it found (``before``) and, once it ended well, its ``effect``."""

    key: str
    before: str = ""
    effect: Effect | None = None


@dataclass(frozen=True)
class StepMarkers:
    """Markers in a folder; it is made when the first one is written."""

    folder: Path

    def read(self, key: str) -> Marker | None:
        """Return the marker of a key, None if there is none; UnknownEffect if it is damaged."""
        try:
            return Marker.model_validate_json(self._path(key).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise UnknownEffect(f"the marker of {key} in {self.folder} can not be read: {error}") from error

    def write(self, marker: Marker) -> None:
        """Put a marker in place of an earlier one; on return it outlives a power cut."""
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.folder, suffix=".new")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(marker.model_dump_json())
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(self._path(marker.key))
        self._flush_names()

    def remove(self, key: str) -> None:
        """Take a marker away: the step certainly did nothing."""
        self._path(key).unlink(missing_ok=True)

    def _flush_names(self) -> None:
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _path(self, key: str) -> Path:
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()}.json"
