"""Secrets and personal data are taken out of telemetry; what the engine reads stays as it was."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.errors import MalformedSettings
from integrations.arrow import LOGS, TRACES, ArrowBatch, table_of
from integrations.redaction import Redaction, Redactor, read_redaction
from tests.integrations.test_masking import TOKENS

SECRET = "ghp_" + "a1B2" * 9
CARD = "4111 1111 1111 1111"


def spans(*attributes: dict[str, Any], operation: str = "GET /") -> ArrowBatch:
    rows = [
        ("t", f"{n}", None, "cart", None, operation, "server", n, 1, "ok", None, json.dumps(each))
        for n, each in enumerate(attributes)
    ]
    return ArrowBatch(traces=table_of(TRACES, rows))


def lines(*bodies: str | None) -> ArrowBatch:
    rows = [(n, "cart", None, "info", None, None, body) for n, body in enumerate(bodies)]
    return ArrowBatch(logs=table_of(LOGS, rows))


def attributes_after(redactor: Redactor, **attributes: Any) -> dict[str, Any]:
    kept = redactor.applied(spans(attributes)).traces["attributes"].to_pylist()
    told: dict[str, Any] = json.loads(kept[0])
    return told


def bodies_after(redactor: Redactor, *bodies: str | None) -> list[str | None]:
    told: list[str | None] = redactor.applied(lines(*bodies)).logs["body"].to_pylist()
    return told


def test_a_line_keeps_its_words_and_loses_whose_they_were() -> None:
    assert bodies_after(Redactor(), f"paid by {CARD}, receipt to ada@example.org") == [
        "paid by [card], receipt to [mail]"
    ]


def test_a_secret_in_a_line_is_masked() -> None:
    assert SECRET not in str(bodies_after(Redactor(), f"calling with {SECRET} failed"))


def test_what_holds_nothing_personal_is_left_byte_for_byte() -> None:
    before = lines("GET /basket/7 200 in 12.5 ms", None, "trace 4bf92f3577b34da6a3ce929d0e0e4736")
    assert Redactor().applied(before).logs == before.logs


def test_an_attribute_that_is_called_a_secret_is_masked_whatever_it_holds() -> None:
    assert attributes_after(Redactor(), **{"app.api_key": 12345})["app.api_key"] == "***"


def test_personal_data_deep_in_an_attribute_is_found() -> None:
    messages = [{"role": "user", "parts": [{"content": "I am ada@example.org"}]}]
    kept = attributes_after(Redactor(), **{"gen_ai.input.messages": messages})
    assert kept["gen_ai.input.messages"][0]["parts"][0]["content"] == "I am [mail]"


def test_counts_of_tokens_are_no_secrets() -> None:
    usage = {"gen_ai.usage.input_tokens": 1200, "gen_ai.usage.output_tokens": 80}
    assert attributes_after(Redactor(), **usage) == usage


@pytest.mark.parametrize(
    ("treatment", "after"),
    [("mask", {"user.id": "***"}), ("drop", {}), ("keep", {"user.id": "ada@example.org"})],
)
def test_a_site_says_what_becomes_of_an_attribute(treatment: str, after: dict[str, str]) -> None:
    rules = Redaction.model_validate({"attributes": {"user.id": treatment}})
    assert attributes_after(Redactor(rules), **{"user.id": "ada@example.org"}) == after


def test_a_hashed_attribute_still_tells_who_is_the_same() -> None:
    redactor = Redactor(Redaction(attributes={"user.id": "hash"}), key=b"site")
    one, again, other = (attributes_after(redactor, **{"user.id": who})["user.id"] for who in ("a", "a", "b"))
    assert (one == again, one == other, one.startswith("#")) == (True, False, True)


def test_a_hash_cannot_be_made_without_the_sites_key() -> None:
    rules = Redaction(attributes={"user.id": "hash"})
    ours, theirs = (
        attributes_after(Redactor(rules, key=key), **{"user.id": "a"})["user.id"] for key in (b"one", b"two")
    )
    assert ours != theirs


def test_what_was_taken_out_is_counted_by_kind() -> None:
    redactor = Redactor()
    bodies_after(redactor, "ada@example.org", "bob@example.org", f"with {SECRET}", "nothing")
    assert redactor.counts == {"personal": 2, "secret": 1}


def test_with_redaction_off_nothing_is_changed() -> None:
    off = Redactor(Redaction(secrets="keep", personal="keep"))
    before = lines(f"{SECRET} {CARD}")
    assert off.applied(before).logs == before.logs


@given(
    attributes=st.dictionaries(
        st.text(max_size=20), st.integers() | st.text() | st.lists(st.text(), max_size=3), max_size=6
    )
)
def test_attributes_stay_json_with_the_same_names(attributes: dict[str, Any]) -> None:
    assert set(attributes_after(Redactor(), **{f"a.{name}": own for name, own in attributes.items()})) == {
        f"a.{name}" for name in attributes
    }


PERSONAL = (
    "ada.b+x@mail.example.com",
    "+49 30 1234567",
    "+14155550123",
    "030 1234567",
    "(212) 555-0123",
    "212-555-0123",
    "4111 1111 1111 1111",
    "5555555555554444",
    "3782 822463 10005",
    "DE89 3704 0044 0532 0130 00",
    "GB82WEST12345698765432",
    "postgresql://sre:hunter2@db/aitia",
    "PGPASSWORD=hunter22",
)


@pytest.mark.parametrize("held", [*TOKENS, *PERSONAL])
@given(before=st.text(" \n\t:,", max_size=5), after=st.text(" \n\t,;", max_size=5))
def test_the_quick_test_lets_nothing_pass_that_a_shape_would_find(held: str, before: str, after: str) -> None:
    assert held not in str(bodies_after(Redactor(), f"{before} {held} {after}")[0])


def test_a_mistake_in_the_file_is_told_at_its_line(tmp_path: Path) -> None:
    path = tmp_path / "redaction.yaml"
    path.write_text("personal: mask\nattributes:\n  user.id: mumble\n")
    with pytest.raises(MalformedSettings, match=r"redaction.yaml:3:3"):
        read_redaction(path)
