from __future__ import annotations

import re

import pytest

from playbooks.matching import text_matching


@pytest.mark.parametrize(
    "pattern",
    [
        *("^[0-9a-f]{7,40}$", "[a-z]+", "^[A-Za-z0-9._-]+$", r"^v?\d+\.\d+(\.\d+)?$", "main|master"),
        *(
            "^aitia-revert-[0-9a-f-]+$",
            r"[^/]+/[^/]+",
            r"\w+",
            "^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$",
            ".*",
        ),
    ],
)
def test_a_text_is_found_that_the_pattern_matches(pattern: str) -> None:
    text = text_matching(pattern)
    assert text is not None
    assert re.fullmatch(pattern, text)


@pytest.mark.parametrize("pattern", ["(", r"(?=b)a", r"(a)\1b\2"])
def test_where_no_text_is_found_there_is_none(pattern: str) -> None:
    assert text_matching(pattern) is None
