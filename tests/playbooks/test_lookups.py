from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.errors import MalformedPlaybook, Refused
from playbooks.lookups import (
    LONGEST,
    LOOKUPS,
    facts_of,
    fill,
    fill_effect,
    mentions,
    parameter_values,
    resolve,
)
from playbooks.remedy import JsonValue, Parameter
from tests.playbooks.cases import ALERT, COMMIT, SERVICE_FACTS, ReloadParams, hypothesis

FACTS = facts_of(hypothesis(), ALERT, "inc-1", SERVICE_FACTS)


def looked_up(source: str, **more: object) -> JsonValue:
    parameter = Parameter.model_validate({"from": source, **more})
    return parameter_values({"x": parameter}, FACTS)["x"]


def test_every_look_up_has_its_fact() -> None:
    assert set(FACTS) == set(LOOKUPS)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("$cause.service", "cart"),
        ("$cause.change.id", COMMIT),
        ("$cause.change.previous", None),
        ("$alert.signal", "errors"),
        ("$incident.id", "inc-1"),
        ("$service.admin", "shop-admin"),
        ("plain text", "plain text"),
    ],
)
def test_a_look_up_names_one_fact(expression: str, value: JsonValue) -> None:
    assert resolve(expression, FACTS) == value


@pytest.mark.parametrize("expression", ["$cause.nothing", "$cause", "$", "$cause.service.name", "$__class__"])
def test_an_unknown_look_up_is_an_error(expression: str) -> None:
    with pytest.raises(MalformedPlaybook, match="there is no look-up"):
        resolve(expression, FACTS)


def test_a_value_that_is_not_known_is_refused_with_its_meaning() -> None:
    with pytest.raises(
        Refused, match=r"the commit or version before it \(\$cause.change.previous\) is not known"
    ):
        looked_up("$cause.change.previous")


def test_a_default_stands_in_for_a_value_that_is_not_known() -> None:
    assert looked_up("$cause.change.previous", default="abc1234") == "abc1234"


def test_the_facts_of_a_service_can_not_pose_as_others() -> None:
    facts = facts_of(hypothesis(), ALERT, "inc-1", {"cause.service": "another"})
    assert facts["cause.service"] == "cart"


@pytest.mark.parametrize(
    "hostile", ["cart\n", "\ncart", "cart; rm -rf /", "$(id)", "../cart", "CART", "cart\x00", ""]
)
def test_a_value_must_match_its_pattern_from_end_to_end(hostile: str) -> None:
    facts = {**FACTS, "cause.service": hostile}
    parameter = Parameter.model_validate({"from": "$cause.service", "pattern": "[a-z]+$"})
    with pytest.raises(Refused):
        parameter_values({"x": parameter}, facts)


@pytest.mark.parametrize(
    "hidden", ["a\nb", "a\x1b[31m", "a\u202eb", "a\u2028b", "a\x7f", "a\u200bb", "a\ud800"]
)
def test_control_characters_are_refused_and_shown_escaped(hidden: str) -> None:
    with pytest.raises(Refused, match="control characters") as caught:
        parameter_values(
            {"x": Parameter.model_validate({"from": "$cause.service"})}, {"cause.service": hidden}
        )
    assert hidden not in str(caught.value)


def test_a_very_long_value_is_refused() -> None:
    facts = {"cause.service": "x" * (LONGEST + 1)}
    with pytest.raises(Refused, match="characters long"):
        parameter_values({"x": Parameter.model_validate({"from": "$cause.service"})}, facts)


def test_a_parameter_alone_keeps_its_type() -> None:
    assert fill({"count": "$n", "text": "n is ${n}"}, {"n": 3}) == {"count": 3, "text": "n is 3"}


def test_parameters_are_inserted_into_lists_and_mappings() -> None:
    filled = fill({"body": {"list": ["${a}-x", 1], "same": "$a"}}, {"a": "v"})
    assert filled == {"body": {"list": ["v-x", 1], "same": "v"}}


def test_two_dollar_signs_are_one() -> None:
    assert fill({"text": "$$5 for ${a}"}, {"a": "v"}) == {"text": "$5 for v"}


def test_what_was_inserted_is_never_read_again() -> None:
    assert fill({"text": "${a}"}, {"a": "${b}", "b": "secret"}) == {"text": "${b}"}


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(MalformedPlaybook, match="there is no parameter called 'b'"):
        fill({"text": "${b}"}, {"a": "v"})


@pytest.mark.parametrize(
    ("hostile", "path"),
    [
        ("../admin", "/reload/..%2Fadmin"),
        ("a/b?c=d#e", "/reload/a%2Fb%3Fc%3Dd%23e"),
        ("//evil.example", "/reload/%2F%2Fevil.example"),
        ("a%2Fb", "/reload/a%252Fb"),
        ("käse", "/reload/k%C3%A4se"),
    ],
)
def test_what_goes_into_a_path_stays_in_its_segment(hostile: str, path: str) -> None:
    assert fill({"path": "/reload/${s}"}, {"s": hostile}, ReloadParams) == {"path": path}


def test_an_undo_keeps_its_effects_until_the_step_is_done() -> None:
    assert fill({"target": "$effect.id", "text": "x-${effect.id}"}, {}, later=True) == {
        "target": "$effect.id",
        "text": "x-${effect.id}",
    }


def test_an_inserted_value_can_not_pass_for_an_effect() -> None:
    template = fill({"text": "${a} ${effect.id}", "alone": "$a"}, {"a": "$effect.token"}, later=True)
    assert fill_effect(template, {"id": 7, "token": "secret"}) == {
        "text": "$effect.token 7",
        "alone": "$effect.token",
    }


def test_an_effect_that_was_not_reported_is_refused() -> None:
    with pytest.raises(Refused, match="the step did not report id"):
        fill_effect({"target": "$effect.id"}, {"other": 1})


def test_an_effect_in_a_path_is_escaped_too() -> None:
    assert fill_effect({"path": "/x/${effect.id}"}, {"id": "a/b"}, ReloadParams) == {"path": "/x/a%2Fb"}


def test_mentions_tell_where_each_name_stands() -> None:
    found = [(each.path, each.name) for each in mentions({"a": ["$x", {"b": "y-${effect.z}"}]})]
    assert found == [(("a", 0), "x"), (("a", 1, "b"), "effect.z")]


@given(st.text())
def test_any_text_comes_out_of_a_template_as_it_went_in(value: str) -> None:
    assert fill({"alone": "$a", "inside": "<${a}>"}, {"a": value}) == {"alone": value, "inside": f"<{value}>"}


@given(st.text(), st.text())
def test_any_text_survives_both_stages_of_an_undo(value: str, effect: str) -> None:
    template = fill({"text": "${a}|${effect.e}"}, {"a": value}, later=True)
    assert fill_effect(template, {"e": effect}) == {"text": f"{value}|{effect}"}
