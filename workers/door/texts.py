"""What people may write to the door: text that can be shown and kept."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field


def _readable(text: str) -> str:
    """What people write may have line breaks, but nothing that a terminal would obey or no database takes."""
    if all(sign.isprintable() or sign in "\n\t" for sign in text):
        return text
    raise ValueError("has characters that cannot be shown")


Text = Annotated[str, AfterValidator(_readable)]
Name = Annotated[Text, Field(max_length=200)]
Words = Annotated[Text, Field(max_length=2000)]
