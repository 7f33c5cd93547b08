"""The kinds of text that every file of ``connections.d`` is made of: names, absolute paths, addresses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, AnyHttpUrl, Field, TypeAdapter, ValidationError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_URL = TypeAdapter(AnyHttpUrl)


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError(f"must be an absolute path, such as /srv/{path.name or 'folder'}")
    return path


def _base_url(text: str) -> str:
    try:
        url = _URL.validate_python(text)
    except ValidationError as error:
        raise ValueError(f"is not an http or https address: {error.errors()[0]['msg']}") from error
    if url.username or url.password:
        raise ValueError("must hold no user or password; put a token in a file and name it in token_file")
    if url.query is not None or url.fragment is not None:
        raise ValueError("must end before any ? or #")
    return text.rstrip("/")


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
ServiceName = Annotated[str, Field(pattern=rf"^{NAME.pattern}$")]
