"""Other people's text, put wherever the shipped playbooks put it: refused, or kept within its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.errors import Refused
from integrations.ports import Actions
from playbooks.catalog import LIBRARY, read_catalog
from playbooks.lookups import LOOKUPS, fill, parameter_values
from playbooks.places import ARGUMENT, FILE_PATH, GIT_REF, URL_PATH, Place, place_of
from playbooks.remedy import Playbook
from playbooks.walk import Given, everything_given
from tests.playbooks.cases import standard_known
from tests.playbooks.test_places import texts

ACTIONS, CHECKS = standard_known()
SHIPPED = read_catalog([LIBRARY], ACTIONS, CHECKS).playbooks


def given_to(playbook: Playbook, actions: Actions) -> Iterator[Given]:
    return (each for each in everything_given(playbook, actions, CHECKS) if not each.is_undo)


def marked(given: Given, filled: Mapping[str, object]) -> Iterator[tuple[Place, str, str]]:
    """Every text in a marked place, with its template."""
    for name, value in filled.items():
        template, place = given.arguments[name], place_of(given.schema, name)
        if place is not None and isinstance(value, str):
            yield place, str(template), value
        if place is not None and isinstance(value, list) and isinstance(template, list):
            yield from ((place, str(each), str(text)) for each, text in zip(template, value, strict=True))


def stays(place: Place, template: str, text: str) -> bool:
    """Whether a filled place is still the one that its author wrote."""
    if place is URL_PATH:
        parts = text.partition("?")[0].split("/")
        return len(parts) == len(template.partition("?")[0].split("/")) and not {
            unquote(part) for part in parts
        } & {".", ".."}
    if place is ARGUMENT:
        return template.startswith("-") or not text.startswith("-")
    if place in {FILE_PATH, GIT_REF}:
        return not text.startswith(("/", "-")) and ".." not in text.split("/")
    return True


@pytest.mark.parametrize("playbook", SHIPPED.values(), ids=list(SHIPPED))
@given(facts=st.fixed_dictionaries(dict.fromkeys(LOOKUPS, texts)))
def test_no_shipped_playbook_lets_a_text_leave_its_place(playbook: Playbook, facts: dict[str, str]) -> None:
    try:
        values = parameter_values(playbook.parameters, facts)
        filled = [(each, fill(each.arguments, values, each.schema)) for each in given_to(playbook, ACTIONS)]
    except Refused:
        return
    assert [found for each, made in filled for found in marked(each, made) if not stays(*found)] == []
