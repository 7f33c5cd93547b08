from __future__ import annotations

import json
import re
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.errors import Refused
from playbooks.lookups import fill, fill_effect
from playbooks.places import Argument, FilePath, GitRef, JsonText, RepositoryName, UrlPath, connection_of
from playbooks.remedy import Written

HOSTILE = [
    *("", ".", "..", "../..", "../../etc/passwd", "/etc/passwd", "a/b", "a\\b", "..\\..", "%2e%2e", "%2F"),
    *("a?b=c", "a#b", "//evil.example", "https://evil.example/", "a b", "a\tb", "a\nb", "a\0b", "\ud800"),
    *("-rf", "--upload-pack=touch /tmp/x", "-", "--", "$(id)", "`id`", "; id", "| id", "&& id", "${x}", "$x"),
    *('"', '", "admin": true, "x": "', "\\", "}{", "]", "\u2028", "'; DROP TABLE x; --", "<script>", "a@{1}"),
    *("refs/heads/main", "main..other", "main^", "main~1", ":/fix", "a.lock", ".hidden", "@", "HEAD:file"),
]
texts = st.one_of(
    st.sampled_from(HOSTILE), st.text(), st.tuples(st.text(), st.sampled_from(HOSTILE)).map("".join)
)


class Places(Written):
    """One field for each kind of place."""

    path: UrlPath = ""
    arguments: tuple[Argument, ...] = ()
    ref: GitRef = ""
    file: FilePath = ""
    json_text: JsonText = ""
    repository: Annotated[RepositoryName, "whatever else"] = ""
    body: Any = None


def filled(field: str, template: object, **values: str) -> Any:
    return fill({field: template}, values, Places)[field]


def taken(field: str, template: object, **values: str) -> Any:
    """What comes of a template; None where it is refused."""
    try:
        return filled(field, template, **values)
    except Refused:
        return None


@given(texts)
def test_no_text_leaves_its_segment_of_a_path(text: str) -> None:
    path = taken("path", "/reload/${a}/now?by=${a}", a=text)
    if path is not None:
        url = urlsplit(f"http://host{path}")
        before, inserted, after = url.path.split("/")[1:]
        assert (url.netloc, before, unquote(inserted), after) == ("host", "reload", text, "now")


@given(texts, texts)
def test_two_texts_together_do_not_climb_out_of_a_path(first: str, second: str) -> None:
    path = taken("path", "/a/${a}${b}/c", a=first, b=second)
    assert path is None or unquote(path.split("/")[2]) not in {"", ".", ".."}


@pytest.mark.parametrize("text", ["", ".", ".."])
def test_a_path_refuses_what_it_can_not_escape(text: str) -> None:
    with pytest.raises(Refused, match="path"):
        filled("path", "/reload/${a}", a=text)


@given(texts, texts)
def test_no_text_becomes_an_option_or_a_second_argument(first: str, second: str) -> None:
    found = taken("arguments", ["run", "$a", "${a}${b}", "--by=${b}"], a=first, b=second)
    if found is not None:
        assert found == ["run", first, first + second, f"--by={second}"]
        assert not any(each.startswith("-") for each in found[1:3])


def test_an_option_that_the_author_wrote_may_hold_text() -> None:
    assert filled("arguments", ["--name=${a}"], a="-x") == ["--name=-x"]


@given(texts)
def test_no_text_is_more_than_a_name_to_git(text: str) -> None:
    ref = taken("ref", "$a", a=text)
    assert ref is None or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9./_+-]*", ref)
    assert ref is None or ".." not in ref


@given(texts)
def test_no_text_leaves_its_part_of_a_file_path(text: str) -> None:
    file = taken("file", "services/${a}.yaml", a=text)
    assert file is None or (file.split("/")[0], len(file.split("/"))) == ("services", 2)


def test_a_path_that_is_looked_up_whole_may_have_parts() -> None:
    assert filled("file", "$a", a="services/cart.yaml") == "services/cart.yaml"


@pytest.mark.parametrize("text", ["/etc/passwd", "../x", "a/../b", "a//b", "", "a\\b", "a\0"])
def test_a_file_path_never_climbs_out_of_its_folder(text: str) -> None:
    with pytest.raises(Refused, match="below a folder"):
        filled("file", "$a", a=text)


@given(texts)
def test_no_text_ends_its_string_in_json_that_is_text(text: str) -> None:
    assert json.loads(filled("json_text", '{"by": "${a}", "n": 1}', a=text)) == {"by": text, "n": 1}


@given(texts)
def test_no_text_changes_the_shape_of_a_body(text: str) -> None:
    body = filled("body", {"by": "$a", "list": ["x-${a}"]}, a=text)
    assert json.loads(json.dumps(body)) == {"by": text, "list": [f"x-{text}"]}


@given(texts, texts)
def test_no_text_leaves_its_place_in_an_undo_either(first: str, effect: str) -> None:
    try:
        later = fill({"arguments": ["${a}${effect.e}"]}, {"a": first}, Places, later=True)
        found = fill_effect(later, {"e": effect}, Places)["arguments"]
    except Refused:
        return
    assert found == [first + effect]
    assert not found[0].startswith("-")


def test_the_mark_of_a_connection_is_found() -> None:
    assert connection_of(Places, "repository") == "repositories"
