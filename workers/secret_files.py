"""Secrets in files of their own: every secret NAME may stand in a file instead, named by ``NAME_file``.

In ``settings.yaml`` that is ``slack_token_file: /run/secrets/slack``, in the environment
``AITIA_SLACK_TOKEN_FILE``; the two are one habit. What stands in the environment, itself or as a file, comes
before what stands in ``settings.yaml``; a secret that one place gives in both ways is a mistake. Of a file,
white space at both ends is left out; where several secrets may be given, they stand one a line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from causal.errors import MalformedSettings

PREFIX, ENDING = "AITIA_", "_file"
LARGEST = 64 * 1024


class SecretFiles(PydanticBaseSettingsSource):
    """``AITIA_NAME_FILE`` in the environment."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # pydantic calls __call__ alone

    def __call__(self) -> dict[str, Any]:
        written = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in os.environ.items()
            if name.startswith(PREFIX)
        }
        return secrets_in(self.settings_cls.model_fields, written, "environment")


def secret_names(fields: Mapping[str, FieldInfo]) -> frozenset[str]:
    """The settings that are secrets."""
    return frozenset(name for name, field in fields.items() if SecretStr in _within(field.annotation))


def secrets_in(fields: Mapping[str, FieldInfo], written: Mapping[str, Any], where: str) -> dict[str, Any]:
    """What the settings called ``NAME_file`` of one place hold, by NAME.

    MalformedSettings names the setting whose file can not be read, is empty, or is not the only source.
    """
    found: dict[str, Any] = {}
    for name in secret_names(fields):
        file = written.get(name + ENDING)
        if file in (None, ""):
            continue
        place = f"{where}: {name}{ENDING}"
        if written.get(name) not in (None, ""):
            raise MalformedSettings(f"{name} is set beside it; keep one of the two", where=place)
        words = read_secret(Path(str(file)).expanduser(), place)
        found[name] = words.splitlines() if tuple in _within(fields[name].annotation) else words
    return found


def read_secret(path: Path, where: str) -> str:
    """Read one secret; MalformedSettings, with ``where``, for a file that holds none."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(LARGEST)
    except (OSError, UnicodeDecodeError) as error:
        raise MalformedSettings(f"{path} can not be read: {error}", where=where) from error
    if not text.strip():
        raise MalformedSettings(f"{path} is empty", where=where)
    return text.strip()


def _within(annotation: Any) -> frozenset[Any]:
    """A type and all that it is made of."""
    return frozenset(_parts(annotation))


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    origin = getattr(annotation, "__origin__", None)
    if origin is not None:
        yield origin
    for part in get_args(annotation):
        yield from _parts(part)
